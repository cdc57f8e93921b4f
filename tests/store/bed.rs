//! Stores to be tried, each new and empty, and things to put into them.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use tempfile::TempDir;
use tollgate::settings::Lifetime;
use tollgate::store::{
    Account, AccountId, Client, Ended, Ending, KeyState, Migrate, OneTime, OneTimeKind,
    PoolSettings, Revocation, Revoked, Session, SessionId, Status, Store, StoreError,
    StoreSettings, StoredKey,
};
use tollgate::token::{Digest, Scope, Secret, Timestamp};

use crate::postgres::Server;

pub(crate) const REALM: &str = "hub";

/// One engine's store.
#[derive(Debug)]
pub(crate) struct Bed {
    /// What it is, for whoever reads the output of a failed test.
    pub(crate) engine: &'static str,
    folder: TempDir,
    settings: StoreSettings,
}

impl Bed {
    /// A new store of every engine.
    pub(crate) fn each() -> Vec<Self> {
        vec![Self::sqlite(), Self::postgres()]
    }

    /// A new store in a file.
    pub(crate) fn sqlite() -> Self {
        Self {
            engine: "sqlite",
            folder: tempfile::tempdir().unwrap(),
            settings: StoreSettings::default(),
        }
    }

    /// A new database on a server.
    pub(crate) fn postgres() -> Self {
        Self {
            engine: "postgres",
            folder: tempfile::tempdir().unwrap(),
            settings: StoreSettings {
                pool: PoolSettings {
                    max: 4,
                    // A hundred ask at once, and all of them are to be answered.
                    acquire_timeout: Lifetime::seconds(30),
                    ..PoolSettings::default()
                },
                ..StoreSettings::at(Server::shared().database())
            },
        }
    }

    /// Opens it, as one more process would.
    #[expect(
        clippy::print_stdout,
        reason = "whoever reads the output of a failed test asks which engine"
    )]
    pub(crate) async fn open(&self) -> Store {
        println!("on {}", self.engine);
        Store::open(&self.settings, self.folder.path())
            .await
            .unwrap()
    }

    /// The same, if it may do this about an earlier schema.
    pub(crate) async fn try_open(&self, migrate: Migrate) -> Result<Store, StoreError> {
        let settings = StoreSettings {
            migrate,
            ..self.settings.clone()
        };
        Store::open(&settings, self.folder.path()).await
    }

    /// The file it is in, if it is in one.
    pub(crate) fn file(&self) -> Option<PathBuf> {
        (self.engine == "sqlite").then(|| self.folder.path().join("tollgate.db"))
    }

    /// Where it is, as the settings say.
    pub(crate) fn url(&self) -> &str {
        &self.settings.url
    }
}

/// Runs a task beside the others.
#[expect(
    clippy::disallowed_methods,
    reason = "a test waits for its tasks itself"
)]
pub(crate) fn start<T: Send + 'static>(
    task: impl Future<Output = T> + Send + 'static,
) -> tokio::task::JoinHandle<T> {
    tokio::spawn(task)
}

/// Runs all of these at the same time and gives their answers in order.
pub(crate) async fn at_once<T: Send + 'static>(
    tasks: impl IntoIterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let tasks: Vec<_> = tasks.into_iter().map(start).collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}

/// Opens all of these sessions, not so many at once that the store refuses some.
pub(crate) async fn open_all(store: &Store, sessions: impl IntoIterator<Item = Session>) {
    let mut sessions = sessions.into_iter().peekable();
    while sessions.peek().is_some() {
        let openings = sessions.by_ref().take(500).map(|session| {
            let store = store.clone();
            async move { store.add_session(session).await.unwrap() }
        });
        at_once(openings.collect::<Vec<_>>()).await;
    }
}

/// So many seconds after the beginning of time.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

pub(crate) fn scope(text: &str) -> Scope {
    Scope::parse(text).unwrap()
}

/// 16 bytes that nobody else gets.
fn fresh() -> [u8; 16] {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut id = [0; 16];
    id.copy_from_slice(&Digest::of(&n.to_be_bytes()).bytes()[..16]);
    id
}

pub(crate) fn account_id() -> AccountId {
    AccountId::from_bytes(fresh())
}

pub(crate) fn session_id() -> SessionId {
    SessionId::from_bytes(fresh())
}

/// An account with an id and a key of its own.
pub(crate) fn account(realm: &str, name: &str) -> Account {
    let id = account_id();
    Account {
        key: format!("{name}-{id}"),
        password: Secret::new("$argon2id$.."),
        ..Account::new(id, realm, name, at(1))
    }
}

pub(crate) fn client(name: &str) -> Client {
    Client {
        name: name.to_owned(),
        secret: Some(Digest::of(b"secret")),
        former: None,
        scope: scope("orders:read"),
        grants: vec!["client_credentials".to_owned()],
        status: Status::Active,
        created_at: at(2),
        redirect_uris: Vec::new(),
        title: None,
        registered_at: None,
    }
}

pub(crate) fn key(realm: &str, kid: &str) -> StoredKey {
    StoredKey {
        kid: kid.to_owned(),
        realm: realm.to_owned(),
        algorithm: "RS256".to_owned(),
        sealed: vec![1, 2, 3],
        state: KeyState::Active,
        created_at: at(3),
        since: at(3),
    }
}

/// A session opened at second 10, that can be renewed until 100 and no later than 1,000.
pub(crate) fn session(account: Option<AccountId>) -> Session {
    let id = session_id();
    Session {
        id,
        root: id,
        realm: REALM.to_owned(),
        account,
        subject: "ada".to_owned(),
        client: "shop".to_owned(),
        scope: scope("orders:read orders:write"),
        salt: fresh(),
        generation: 0,
        seen: 0,
        renewed_at: at(10),
        idle_end: at(100),
        absolute_end: at(1000),
        digest: None,
        exclusive: false,
        created_at: at(10),
        ended: None,
    }
}

/// A code that is good until second 60.
pub(crate) fn code(text: &str) -> OneTime {
    OneTime {
        kind: OneTimeKind::Code,
        digest: Digest::of(text.as_bytes()),
        payload: r#"{"client":"shop"}"#.to_owned(),
        expires_at: at(60),
    }
}

/// An end at second 20, as the operator makes it.
pub(crate) fn ended() -> Ended {
    Ended {
        at: at(20),
        why: Ending::Revoked,
    }
}

/// A verdict spoken at second 20 on tokens that are dead by second 600.
pub(crate) fn verdict(of: Revoked) -> Revocation {
    Revocation {
        realm: REALM.to_owned(),
        of,
        at: at(20),
        until: at(600),
    }
}
