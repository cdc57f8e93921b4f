//! Backing up, counting and moving house.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use tollgate::store::{OneTimeKind, Redeemed, Revoked, Store, StoreError, StoreSettings};
use tollgate::token::Digest;

use crate::bed::{
    Bed, account, at, client, code, key, open_all, scope, session, session_id, verdict,
};

#[tokio::test]
async fn everything_moves_from_any_engine_to_any_other() {
    for (from, to) in [
        (Bed::sqlite(), Bed::postgres()),
        (Bed::postgres(), Bed::sqlite()),
        (Bed::sqlite(), Bed::sqlite()),
    ] {
        let (from, to) = (from.open().await, to.open().await);
        fill(&from).await;
        let counts = from.copy_to(&to).await.unwrap();
        let rows: Vec<_> = counts.iter().map(|count| count.rows).collect();
        assert_eq!(rows, [2, 1, 1, 1201, 1, 2, 1, 3]);
        assert_eq!(counts, from.count().await.unwrap());

        let all = async |store: &Store| {
            let ada = store.account_by_name("hub", "ada").await.unwrap().unwrap();
            let verdicts = store.revocations_since(0).await.unwrap();
            let verdicts: Vec<_> = verdicts.into_iter().map(|(_, verdict)| verdict).collect();
            format!(
                "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {verdicts:?}",
                store.accounts("hub").await.unwrap(),
                store
                    .former_end("hub", Duration::from_mins(1), at(0))
                    .await
                    .unwrap(),
                store.clients().await.unwrap(),
                store.keys("hub").await.unwrap(),
                store.sessions("hub", None).await.unwrap(),
                store.consent("hub", ada.id, "shop").await.unwrap(),
                store
                    .one_time(OneTimeKind::Code, code("unspent").digest)
                    .await
                    .unwrap(),
                store
                    .redeem(OneTimeKind::Code, code("spent").digest, at(20), None)
                    .await
                    .unwrap(),
            )
        };
        assert_eq!(all(&from).await, all(&to).await);
        // The next verdict gets a number of its own.
        let late = Revoked::Token("late".to_owned());
        to.revoke(verdict(late)).await.unwrap();

        let again = from.copy_to(&to).await;
        assert!(
            matches!(again, Err(StoreError::NotEmpty { .. })),
            "{again:?}"
        );
    }
}

#[tokio::test]
async fn a_backup_is_a_store_of_its_own_and_for_its_owner_alone() {
    let bed = Bed::sqlite();
    let store = bed.open().await;
    fill(&store).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("it's a backup.db");
    store.backup(&file).await.unwrap();
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let _ = store.add_client(client("later")).await.unwrap();

    let settings = StoreSettings::at(format!("sqlite:{}", file.display()));
    let copy = Store::open(&settings, folder.path()).await.unwrap();
    copy.integrity().await.unwrap();
    assert!(copy.client("shop").await.unwrap().is_some());
    assert!(copy.client("later").await.unwrap().is_none());

    let again = store.backup(&file).await;
    assert!(matches!(again, Err(StoreError::Backup { .. })), "{again:?}");
    let nowhere = store.backup(&folder.path().join("no/such/folder.db")).await;
    assert!(nowhere.is_err());
}

#[tokio::test]
async fn a_server_is_backed_up_by_its_own_means() {
    let store = Bed::postgres().open().await;
    let error = store.backup("b.db".as_ref()).await.unwrap_err();
    assert!(error.to_string().contains("pg_dump"), "{error}");
}

/// Two accounts, a client, a key, 1,201 sessions, two codes of which one is spent, a consent and three verdicts.
#[tokio::test]
async fn a_copy_is_of_one_moment_while_others_go_on_writing() {
    for (from, to) in [
        (Bed::sqlite(), Bed::sqlite()),
        (Bed::postgres(), Bed::sqlite()),
    ] {
        let (from, to) = (from.open().await, to.open().await);
        fill(&from).await;
        let writing = async {
            for _ in 0..200 {
                from.add_session(session(None)).await.unwrap();
            }
        };
        let (copied, ()) = tokio::join!(from.copy_to(&to), writing);
        assert_eq!(copied.unwrap(), to.count().await.unwrap());
        let later = from.count().await.unwrap();
        assert!(later.iter().any(|count| count.rows == 1401), "{later:?}");
    }
}

async fn fill(store: &Store) {
    let mut ada = account("hub", "ada");
    ada.email = Some("ada@example.com".to_owned());
    ada.totp = Some(vec![0, 255]);
    let _ = store.add_account(account("hub", "bob")).await.unwrap();
    let _ = store.add_account(ada.clone()).await.unwrap();
    let _ = store.add_client(client("shop")).await.unwrap();
    store.add_key(key("hub", "k1")).await.unwrap();
    let root = session(Some(ada.id));
    let mut continued = session(Some(ada.id));
    continued.root = root.id;
    continued.digest = Some(Digest::of(b"token"));
    continued.exclusive = true;
    let many = (0..1198).map(|_| session(None));
    open_all(store, [root, continued].into_iter().chain(many)).await;
    for text in ["spent", "unspent"] {
        let _ = store.keep_once(code(text)).await.unwrap();
    }
    let opened = session(None);
    let spending = store.redeem(
        OneTimeKind::Code,
        code("spent").digest,
        at(20),
        Some(opened),
    );
    assert!(matches!(spending.await.unwrap(), Redeemed::First(_)));
    let consenting = store.keep_consent("hub", ada.id, "shop", scope("orders:read"), at(1));
    consenting.await.unwrap();
    let lived = store.keep_lifetime("hub", Duration::from_mins(10), at(5));
    lived.await.unwrap();
    for of in [
        Revoked::Token("t".to_owned()),
        Revoked::Session(session_id()),
        Revoked::Client("shop".to_owned()),
    ] {
        store.revoke(verdict(of)).await.unwrap();
    }
}
