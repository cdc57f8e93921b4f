//! A store of the first schema, opened by this program: everything that was in it is there.

use tollgate::store::{
    Account, AccountId, Client, Ended, Ending, FormerSecret, KeyState, Migrate, OneTimeKind,
    Redeemed, Revocation, Revoked, Session, SessionId, Status, Store, StoreError, StoredKey, Turn,
    Whose,
};
use tollgate::token::{Digest, Secret};

use crate::bed::{Bed, at, ended, scope};
use crate::former;

#[tokio::test]
async fn a_store_of_the_first_schema_is_brought_up_to_date_with_all_that_is_in_it() {
    for bed in Bed::each() {
        make(&bed).await;
        let store = bed.open().await;
        let standing = store.standing().await.unwrap();
        assert_eq!((standing.taken, standing.known), (2, 2));
        store.integrity().await.unwrap();
        everything_is_there(&store).await;
        and_goes_on(&store).await;
        store.close().await;
        // Once is enough.
        let store = bed.open().await;
        assert_eq!(store.standing().await.unwrap().taken, 2);
        store.close().await;
    }
}

#[tokio::test]
async fn a_store_that_is_only_to_be_checked_stays_at_the_first_schema_until_it_is_told() {
    for bed in Bed::each() {
        make(&bed).await;
        for _ in 0..2 {
            let refused = bed.try_open(Migrate::Check).await.unwrap_err();
            let outdated = matches!(
                refused,
                StoreError::Outdated {
                    found: 1,
                    known: 2,
                    ..
                }
            );
            assert!(outdated, "{refused:?}");
            let said = refused.to_string();
            assert!(said.contains("tollgate store migrate"), "{said}");
        }
        let store = bed.try_open(Migrate::Auto).await.unwrap();
        everything_is_there(&store).await;
        store.close().await;
        let store = bed.try_open(Migrate::Check).await.unwrap();
        everything_is_there(&store).await;
        store.close().await;
    }
}

async fn make(bed: &Bed) {
    match bed.file() {
        Some(file) => former::in_file(&file).await,
        None => former::on_server(bed.url()).await,
    }
}

/// Every row, column by column.
async fn everything_is_there(store: &Store) {
    let counts = store.count().await.unwrap();
    let rows: Vec<_> = counts
        .iter()
        .map(|count| (count.table, count.rows))
        .collect();
    let expected = [
        ("account", 2),
        ("client", 1),
        ("signing_key", 1),
        ("session", 4),
        ("lifetime", 0),
        ("one_time", 2),
        ("consent", 1),
        ("revocation", 2),
    ];
    assert_eq!(rows, expected);
    let accounts = store.accounts("hub").await.unwrap();
    assert_eq!(format!("{accounts:?}"), format!("{:?}", people()));
    assert_eq!(accounts[0].password.reveal(), "$argon2id$..");
    let clients = store.clients().await.unwrap();
    assert_eq!(format!("{clients:?}"), format!("{:?}", [cart()]));
    assert_eq!(store.keys("hub").await.unwrap(), [key()]);
    for session in sessions() {
        let found = store.session(session.id).await.unwrap();
        assert_eq!(format!("{found:?}"), format!("{:?}", Some(session)));
    }
    let found = store.session_by_digest("hub", filled(0x33)).await.unwrap();
    assert_eq!(found.unwrap().id, session_id(0x51));
    let unspent = store.one_time(OneTimeKind::Code, filled(0x44)).await;
    let unspent = unspent.unwrap().unwrap();
    assert_eq!(
        (&*unspent.payload, unspent.expires_at),
        ("unspent", at(900_000))
    );
    let allowed = store.consent("hub", account_id(0x0a), "cart").await;
    assert_eq!(allowed.unwrap(), Some(scope("orders:read")));
    let spoken = store.revocations_since(0).await.unwrap();
    let spoken: Vec<_> = spoken.into_iter().map(|(_, verdict)| verdict).collect();
    assert_eq!(spoken, verdicts());
}

/// Whoever was logged in still is, what was spent still is, and what ended long ago is found and swept away.
async fn and_goes_on(store: &Store) {
    let again = store
        .redeem(OneTimeKind::Nonce, filled(0x55), at(60), None)
        .await
        .unwrap();
    assert!(
        matches!(again, Redeemed::Again(Some(id)) if id == session_id(0x51)),
        "{again:?}"
    );
    let turn = Turn {
        id: session_id(0x51),
        from: 7,
        now: at(60),
        idle_end: at(900_000),
        digest: Some(filled(0x66)),
    };
    assert!(store.rotate_session(turn).await.unwrap());
    assert_eq!(
        store.sweep(at(800_000)).await.unwrap(),
        4,
        "all are looked at"
    );
    assert_eq!(store.sweep(at(800_000)).await.unwrap(), 0, "once");
    assert!(store.session(session_id(0x54)).await.unwrap().is_none());
    assert!(store.session(session_id(0x51)).await.unwrap().is_some());
    let ending = store.end_sessions("hub", Whose::Client("cart"), ended(), None);
    assert_eq!(ending.await.unwrap(), 2);
}

fn people() -> [Account; 2] {
    let (ada, bob) = (account_id(0x0a), account_id(0x0b));
    [
        Account {
            key: "ada-key".to_owned(),
            password: Secret::new("$argon2id$.."),
            scope: scope("orders:read"),
            generation: 3,
            email: Some("ada@example.com".to_owned()),
            title: Some("Ada L".to_owned()),
            totp: Some(vec![1, 2, 3]),
            ..Account::new(ada, "hub", "ada", at(1))
        },
        Account {
            key: "bob-key".to_owned(),
            status: Status::Disabled,
            owner: Some(ada),
            must_reset: true,
            ..Account::new(bob, "hub", "bob", at(2))
        },
    ]
}

fn cart() -> Client {
    Client {
        name: "cart".to_owned(),
        secret: Some(filled(0x11)),
        former: Some(FormerSecret {
            digest: filled(0x22),
            until: at(900_000),
        }),
        scope: scope("orders:read"),
        grants: vec!["authorization_code".to_owned(), "refresh_token".to_owned()],
        status: Status::Active,
        created_at: at(3),
        redirect_uris: vec![
            "https://c.test/cb".to_owned(),
            "https://c.test/2".to_owned(),
        ],
        title: Some("Cart".to_owned()),
        registered_at: Some("hub".to_owned()),
    }
}

fn key() -> StoredKey {
    StoredKey {
        kid: "k1".to_owned(),
        realm: "hub".to_owned(),
        algorithm: "RS256".to_owned(),
        sealed: vec![4, 5, 6],
        state: KeyState::Active,
        created_at: at(4),
        since: at(5),
    }
}

fn sessions() -> [Session; 4] {
    let [first, second] = of_ada();
    let [third, fourth] = of_the_shop(&second);
    [first, second, third, fourth]
}

fn of_ada() -> [Session; 2] {
    let first = Session {
        id: session_id(0x51),
        root: session_id(0x51),
        realm: "hub".to_owned(),
        account: Some(account_id(0x0a)),
        subject: "ada".to_owned(),
        client: "cart".to_owned(),
        scope: scope("orders:read"),
        salt: begun(0x5a),
        generation: 7,
        seen: 6,
        renewed_at: at(20),
        idle_end: at(900_000),
        absolute_end: at(950_000),
        digest: Some(filled(0x33)),
        exclusive: true,
        created_at: at(10),
        ended: None,
    };
    let second = Session {
        id: session_id(0x52),
        salt: begun(0x5b),
        generation: 0,
        seen: 0,
        renewed_at: at(30),
        digest: None,
        exclusive: false,
        created_at: at(30),
        ..first.clone()
    };
    [first, second]
}

fn of_the_shop(second: &Session) -> [Session; 2] {
    let third = Session {
        id: session_id(0x53),
        root: session_id(0x53),
        account: None,
        subject: "shop".to_owned(),
        client: "shop".to_owned(),
        scope: scope(""),
        salt: begun(0x5c),
        generation: 1,
        seen: 1,
        renewed_at: at(40),
        ended: Some(Ended {
            at: at(45),
            why: Ending::Revoked,
        }),
        ..second.clone()
    };
    let fourth = Session {
        id: session_id(0x54),
        root: session_id(0x54),
        salt: begun(0x5d),
        generation: 0,
        seen: 0,
        renewed_at: at(10),
        idle_end: at(20),
        absolute_end: at(20),
        created_at: at(10),
        ended: None,
        ..third.clone()
    };
    [third, fourth]
}

fn verdicts() -> [Revocation; 2] {
    let verdict = |of, spoken| Revocation {
        realm: "hub".to_owned(),
        of,
        at: at(spoken),
        until: at(900_000),
    };
    [
        verdict(Revoked::Session(session_id(0x53)), 45),
        verdict(Revoked::Token("t1".to_owned()), 46),
    ]
}

/// This byte, and nothing but zeros after it.
const fn begun(byte: u8) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[0] = byte;
    bytes
}

const fn account_id(byte: u8) -> AccountId {
    AccountId::from_bytes(begun(byte))
}

const fn session_id(byte: u8) -> SessionId {
    SessionId::from_bytes(begun(byte))
}

const fn filled(byte: u8) -> Digest {
    Digest::from_bytes([byte; 32])
}
