//! What every store promises, shown on the real one in a file.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use tollgate::store::{
    Account, AccountId, Addition, Client, FormerSecret, KeyState, Status, Store, StoreError,
    StoreSettings, StoredKey,
};
use tollgate::token::{Digest, Scope, Secret, Timestamp};

#[tokio::test]
async fn what_was_acknowledged_is_there_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    let ada = account("hub", "ada");
    assert_eq!(
        store.add_account(ada.clone()).await.unwrap(),
        Addition::Added
    );
    assert_eq!(
        store.add_client(client("shop")).await.unwrap(),
        Addition::Added
    );
    store.add_key(key("hub", "k1")).await.unwrap();
    store.close().await;

    let store = open(&folder).await;
    let found = store.account_by_name("hub", "ada").await.unwrap().unwrap();
    assert_eq!(format!("{found:?}"), format!("{ada:?}"));
    assert_eq!(found.password.reveal(), ada.password.reveal());
    let found = store
        .account_by_key("hub", &ada.key)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.id, ada.id);
    let found = store.client("shop").await.unwrap().unwrap();
    assert_eq!(format!("{found:?}"), format!("{:?}", client("shop")));
    assert_eq!(store.keys("hub").await.unwrap(), [key("hub", "k1")]);
}

#[tokio::test]
async fn an_acknowledged_change_survives_a_process_that_never_closes() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    let _ = store.add_account(account("hub", "ada")).await.unwrap();
    // What a killed process leaves behind: the files as they are now.
    let left = tempfile::tempdir().unwrap();
    for file in fs::read_dir(folder.path()).unwrap().map(Result::unwrap) {
        fs::copy(file.path(), left.path().join(file.file_name())).unwrap();
    }
    let store = open(&left).await;
    assert!(store.account_by_name("hub", "ada").await.unwrap().is_some());
}

#[tokio::test]
async fn of_many_who_want_one_name_exactly_one_gets_it() {
    let folder = tempfile::tempdir().unwrap();
    let (here, beside) = (open(&folder).await, open(&folder).await);
    let racers: Vec<_> = (0..40)
        .map(|n| {
            let store = if n % 2 == 0 {
                here.clone()
            } else {
                beside.clone()
            };
            start(async move { store.add_account(account("hub", "ada")).await.unwrap() })
        })
        .collect();
    let mut added = 0;
    for racer in racers {
        added += u32::from(racer.await.unwrap() == Addition::Added);
    }
    assert_eq!(added, 1);
    assert_eq!(here.accounts("hub").await.unwrap().len(), 1);
}

#[tokio::test]
async fn names_are_compared_byte_for_byte_and_only_within_their_realm() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    for (realm, name) in [
        ("hub", "ada"),
        ("hub", "Ada"),
        ("hub", " ada"),
        ("blue", "ada"),
    ] {
        let added = store.add_account(account(realm, name)).await.unwrap();
        assert_eq!(added, Addition::Added, "{realm} {name:?}");
    }
    assert!(store.account_by_name("hub", "ADA").await.unwrap().is_none());
    let names: Vec<_> = store
        .accounts("hub")
        .await
        .unwrap()
        .into_iter()
        .map(|a| a.name)
        .collect();
    assert_eq!(names, [" ada", "Ada", "ada"]);
    let key = store
        .account_by_name("blue", "ada")
        .await
        .unwrap()
        .unwrap()
        .key;
    assert!(
        store.account_by_key("hub", &key).await.unwrap().is_none(),
        "a key of another realm"
    );
}

#[tokio::test]
async fn processes_that_start_together_agree_on_one_key() {
    let folder = tempfile::tempdir().unwrap();
    let starts: Vec<_> = (0..6)
        .map(|n| {
            let path = folder.path().to_owned();
            start(async move {
                let store = Store::open(&StoreSettings::default(), &path).await.unwrap();
                store
                    .add_key(key("hub", &format!("k{n}")))
                    .await
                    .unwrap()
                    .kid
            })
        })
        .collect();
    let mut winners = BTreeSet::new();
    for start in starts {
        winners.insert(start.await.unwrap());
    }
    assert_eq!(winners.len(), 1, "{winners:?}");
    let store = open(&folder).await;
    assert_eq!(store.keys("hub").await.unwrap().len(), 1);
    let other = StoredKey {
        algorithm: "ES256".into(),
        ..key("hub", "es")
    };
    assert_eq!(
        store.add_key(other).await.unwrap().kid,
        "es",
        "another algorithm is another key"
    );
}

#[tokio::test]
async fn changes_that_share_a_commit_fail_each_on_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    let taken = account("hub", "first");
    let _ = store.add_account(taken.clone()).await.unwrap();
    let changes: Vec<_> = (0..200)
        .map(|n| {
            let store = store.clone();
            let mut account = account("hub", &format!("name-{n}"));
            if n % 3 == 0 {
                // Not a name that is taken, which is an answer, but a statement that fails.
                account.key.clone_from(&taken.key);
            }
            start(async move { (n, store.add_account(account).await) })
        })
        .collect();
    for change in changes {
        let (n, outcome) = change.await.unwrap();
        match outcome {
            Ok(addition) => assert!(n % 3 != 0 && addition == Addition::Added, "{n}"),
            Err(StoreError::Statement(_)) => assert_eq!(n % 3, 0),
            Err(error) => panic!("{n}: {error}"),
        }
    }
    assert_eq!(store.accounts("hub").await.unwrap().len(), 1 + 133);
}

#[tokio::test]
async fn a_generation_is_counted_once_for_each_who_bumps_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    let ada = account("hub", "ada");
    let _ = store.add_account(ada.clone()).await.unwrap();
    let bumps: Vec<_> = (0..50)
        .map(|_| {
            let store = store.clone();
            start(async move { store.bump_generation(ada.id).await.unwrap().unwrap() })
        })
        .collect();
    let mut seen = BTreeSet::new();
    for bump in bumps {
        seen.insert(bump.await.unwrap());
    }
    assert_eq!(seen, (1..=50).collect());
    assert_eq!(
        store
            .bump_generation(AccountId::from_bytes([9; 16]))
            .await
            .unwrap(),
        None
    );
}

#[tokio::test]
async fn an_account_changes_as_it_was_told() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    let ada = account("hub", "ada");
    let _ = store.add_account(ada.clone()).await.unwrap();
    let scope = Scope::parse("read write").unwrap();
    assert!(store.set_scope(ada.id, scope.clone()).await.unwrap());
    assert!(
        store
            .set_account_status(ada.id, Status::Disabled)
            .await
            .unwrap()
    );
    assert!(
        store
            .rehash_password(ada.id, ada.password.clone(), Secret::new("better"))
            .await
            .unwrap()
    );
    assert!(
        !store
            .rehash_password(ada.id, ada.password.clone(), Secret::new("late"))
            .await
            .unwrap()
    );
    let found = store.account_by_name("hub", "ada").await.unwrap().unwrap();
    assert_eq!((found.scope, found.status), (scope, Status::Disabled));
    assert_eq!((found.password.reveal(), found.generation), ("better", 0));

    assert!(
        store
            .set_password(ada.id, Secret::new("new"))
            .await
            .unwrap()
    );
    let found = store.account_by_name("hub", "ada").await.unwrap().unwrap();
    assert_eq!(
        (found.password.reveal(), found.generation),
        ("new", 1),
        "and refresh tokens are void"
    );
    let nobody = AccountId::from_bytes([9; 16]);
    assert!(!store.set_scope(nobody, Scope::empty()).await.unwrap());
}

#[tokio::test]
async fn a_client_has_two_live_secrets_while_they_are_exchanged() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    let _ = store.add_client(client("shop")).await.unwrap();
    assert_eq!(
        store.add_client(client("shop")).await.unwrap(),
        Addition::NameTaken
    );
    let old = client("shop").secret;
    let former = FormerSecret {
        digest: old.unwrap(),
        until: Timestamp::from_seconds(99),
    };
    let new = Digest::of(b"new");
    assert!(store.set_client_secret("shop", new, former).await.unwrap());
    assert!(
        !store
            .set_client_secret("shop", Digest::of(b"late"), former)
            .await
            .unwrap()
    );
    let found = store.client("shop").await.unwrap().unwrap();
    assert_eq!((found.secret, found.former), (Some(new), Some(former)));

    assert!(
        store
            .set_client_status("shop", Status::Disabled)
            .await
            .unwrap()
    );
    assert_eq!(store.clients().await.unwrap()[0].status, Status::Disabled);
    assert!(store.remove_client("shop").await.unwrap());
    assert!(!store.remove_client("shop").await.unwrap());
}

#[tokio::test]
async fn every_statement_fits_the_schema_and_the_file_is_sound() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    store.integrity().await.unwrap();
    store.ping().await.unwrap();
}

#[test]
fn a_store_may_be_asked_from_any_runtime() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
    };
    let store = runtime().block_on(open(&folder));
    let _ = runtime()
        .block_on(store.add_account(account("hub", "ada")))
        .unwrap();
    let found = runtime()
        .block_on(store.account_by_name("hub", "ada"))
        .unwrap();
    assert!(
        found.is_some(),
        "the runtime that opened the store is long gone"
    );
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    store.close().await;
    store.close().await;
    assert!(matches!(
        store.client("shop").await,
        Err(StoreError::Closed)
    ));
    assert!(matches!(
        store.add_client(client("shop")).await,
        Err(StoreError::Closed)
    ));
}

#[tokio::test]
async fn the_last_one_to_leave_closes_the_store() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(&folder).await);
    let log = folder.path().join("tollgate.db-wal");
    // SQLite removes the write-ahead log when the last connection closes.
    let gone = async {
        while log.exists() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone)
        .await
        .unwrap();
}

#[tokio::test]
async fn the_file_belongs_to_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("a/b");
    let store = Store::open(&StoreSettings::default(), &deep).await.unwrap();
    let _ = store.add_client(client("shop")).await.unwrap();
    for file in fs::read_dir(&deep).unwrap().map(Result::unwrap) {
        assert_eq!(mode(&file.path()), 0o600, "{:?}", file.path());
    }
    assert_eq!(mode(&deep), 0o700);
    store.close().await;

    let file = deep.join("tollgate.db");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let error = Store::open(&StoreSettings::default(), &deep)
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains(&format!("chmod 600 {}", file.display())),
        "{error}"
    );
}

#[tokio::test]
async fn a_damaged_file_is_named_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tollgate.db");
    fs::write(
        &file,
        "this is not a database, whatever its name says\n".repeat(99),
    )
    .unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let error = refused(&folder).await;
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
    let sentence = error.to_string();
    assert!(
        sentence.contains(&*file.to_string_lossy()) && sentence.contains("backup"),
        "{sentence}"
    );
}

#[tokio::test]
async fn damage_inside_the_file_is_found_by_whoever_looks() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    for n in 0..200 {
        let _ = store
            .add_account(account("hub", &format!("name-{n}")))
            .await
            .unwrap();
    }
    store.close().await;
    let file = folder.path().join("tollgate.db");
    let mut bytes = fs::read(&file).unwrap();
    let end = bytes.len();
    bytes[end - 4096..].fill(0xA5);
    fs::write(&file, bytes).unwrap();
    let store = open(&folder).await;
    let error = store.integrity().await.unwrap_err();
    assert!(
        matches!(error, StoreError::Damaged(_) | StoreError::Corrupt { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let blocked = folder.path().join("file");
    fs::write(&blocked, "").unwrap();
    let below = blocked.join("data");
    let error = Store::open(&StoreSettings::default(), &below)
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::Folder { .. }), "{error:?}");
    assert!(
        error.to_string().contains(&*below.to_string_lossy()),
        "{error}"
    );
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_named_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tollgate.db");
    // Nobody can write a folder as if it were a file, not even root.
    fs::create_dir(&file).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o700)).unwrap();
    let error = refused(&folder).await;
    assert!(matches!(error, StoreError::Barred { .. }), "{error:?}");
    assert!(
        error.to_string().contains(&*file.to_string_lossy()),
        "{error}"
    );
}

#[tokio::test]
async fn a_newer_schema_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    open(&folder).await.close().await;
    tamper(
        &folder,
        "INSERT INTO schema_version VALUES (2, x'00'), (3, x'00')",
    )
    .await;
    let error = refused(&folder).await;
    assert!(
        matches!(
            error,
            StoreError::Newer {
                found: 3,
                known: 1,
                ..
            }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_schema_made_by_another_build_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    open(&folder).await.close().await;
    tamper(&folder, "UPDATE schema_version SET sha256 = x'00'").await;
    let error = refused(&folder).await;
    assert!(
        matches!(error, StoreError::Altered { step: 1, .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn the_database_of_another_program_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    tamper(&folder, "CREATE TABLE songs (title TEXT)").await;
    fs::set_permissions(
        folder.path().join("tollgate.db"),
        fs::Permissions::from_mode(0o600),
    )
    .unwrap();
    let error = refused(&folder).await;
    assert!(matches!(error, StoreError::Foreign { .. }), "{error:?}");
}

#[tokio::test]
async fn a_lock_held_by_another_process_ends_in_an_answer_and_passes() {
    use sqlx::Connection;
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    let options =
        sqlx::sqlite::SqliteConnectOptions::new().filename(folder.path().join("tollgate.db"));
    let mut other = sqlx::SqliteConnection::connect_with(&options)
        .await
        .unwrap();
    sqlx::raw_sql("BEGIN IMMEDIATE")
        .execute(&mut other)
        .await
        .unwrap();
    let unmade = store.add_client(client("shop")).await;
    assert!(matches!(unmade, Err(StoreError::Unmade)), "{unmade:?}");
    assert!(
        store.client("shop").await.unwrap().is_none(),
        "reading needs no lock"
    );
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    assert_eq!(
        store.add_client(client("shop")).await.unwrap(),
        Addition::Added
    );
}

#[tokio::test]
async fn a_password_hash_is_not_printed() {
    let printed = format!("{:?}", account("hub", "ada"));
    assert!(!printed.contains("argon2id"), "{printed}");
}

async fn open(folder: &TempDir) -> Store {
    Store::open(&StoreSettings::default(), folder.path())
        .await
        .unwrap()
}

async fn refused(folder: &TempDir) -> StoreError {
    Store::open(&StoreSettings::default(), folder.path())
        .await
        .unwrap_err()
}

async fn tamper(folder: &TempDir, sql: &'static str) {
    use sqlx::Connection;
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(folder.path().join("tollgate.db"))
        .create_if_missing(true);
    let mut connection = sqlx::SqliteConnection::connect_with(&options)
        .await
        .unwrap();
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test waits for its tasks itself"
)]
fn start<T: Send + 'static>(
    task: impl Future<Output = T> + Send + 'static,
) -> tokio::task::JoinHandle<T> {
    tokio::spawn(task)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// An account with an id and a key of its own.
fn account(realm: &str, name: &str) -> Account {
    static NEXT: AtomicU8 = AtomicU8::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut id = [0; 16];
    id.copy_from_slice(&Digest::of(format!("{realm} {name} {n}").as_bytes()).bytes()[..16]);
    let id = AccountId::from_bytes(id);
    Account {
        id,
        realm: realm.to_owned(),
        name: name.to_owned(),
        key: format!("{name}-{id}"),
        password: Secret::new("$argon2id$.."),
        scope: Scope::empty(),
        generation: 0,
        status: Status::Active,
        created_at: Timestamp::from_seconds(1),
        email: None,
        title: None,
        owner: None,
        totp: None,
        must_reset: false,
    }
}

fn client(name: &str) -> Client {
    Client {
        name: name.to_owned(),
        secret: Some(Digest::of(b"secret")),
        former: None,
        scope: Scope::parse("orders:read").unwrap(),
        grants: vec!["client_credentials".to_owned()],
        status: Status::Active,
        created_at: Timestamp::from_seconds(2),
        redirect_uris: Vec::new(),
        title: None,
        registered_at: None,
    }
}

fn key(realm: &str, kid: &str) -> StoredKey {
    StoredKey {
        kid: kid.to_owned(),
        realm: realm.to_owned(),
        algorithm: "RS256".to_owned(),
        sealed: vec![1, 2, 3],
        state: KeyState::Active,
        created_at: Timestamp::from_seconds(3),
    }
}
