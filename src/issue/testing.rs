//! What the tests of this folder share: a mint with clients of every kind, and one person.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::session::Opening;
use super::{
    Answer, Ask, ClientAuth, ClientCredentials, ClientProof, ClientSettings, Clients, Grant,
    Hashing, Introspected, IssueError, Issued, LocalIssuer, MasterKey, Mint, PasswordSettings,
    Program, Registration, open_keyring, revoke,
};
use crate::settings::{ByteSize, FilePath, SecretSource};
use crate::store::{Account, AccountId, SessionId, Store, StoreSettings};
use crate::token::{Algorithm, Profile, Renewal, Rotation, Scope, Secret, SigningKey, Timestamp};

pub(super) const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

pub(super) fn later(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

pub(super) fn is_refused(answer: &Result<Issued, IssueError>) -> bool {
    matches!(answer, Err(IssueError::InvalidGrant))
}

/// A client of the house: its name, and its secret if it has one.
#[derive(Clone, Copy, Debug)]
pub(super) struct App {
    pub(super) name: &'static str,
    pub(super) secret: Option<&'static str>,
}

impl App {
    pub(super) const PUBLIC: Self = Self {
        name: "app",
        secret: None,
    };
    pub(super) const SHOP: Self = Self {
        name: "shop",
        secret: Some("shop secret"),
    };
    pub(super) const KIOSK: Self = Self {
        name: "kiosk",
        secret: Some("kiosk secret"),
    };
    /// It may use no grant at all.
    pub(super) const IDLE: Self = Self {
        name: "idle",
        secret: Some("idle secret"),
    };

    fn credentials(self) -> ClientCredentials {
        ClientCredentials {
            id: self.name.to_owned(),
            proof: self.secret.map_or(ClientProof::Nothing, |secret| {
                ClientProof::Secret(Secret::new(secret))
            }),
            in_header: self.secret.is_some(),
        }
    }

    fn settings(self, grants: &[Grant]) -> (String, ClientSettings) {
        let settings = ClientSettings {
            secret: self.secret.map(|secret| SecretSource {
                literal: Some(Secret::new(secret)),
                ..SecretSource::default()
            }),
            auth: self.secret.is_none().then_some(ClientAuth::None),
            grants: grants.to_vec(),
            scopes: vec![Scope::parse("read write").unwrap()],
            ..ClientSettings::default()
        };
        (self.name.to_owned(), settings)
    }
}

/// A mint with a store of its own, at a mount that speaks standard OAuth 2.
pub(super) struct House {
    pub(super) folder: TempDir,
    pub(super) store: Store,
    pub(super) mint: Mint,
    pub(super) clients: Clients,
    pub(super) issuer: LocalIssuer,
    /// The key of the client `keyed`.
    pub(super) key: SigningKey,
}

impl House {
    pub(super) async fn new() -> Self {
        let house = Self::at(tempfile::tempdir().unwrap()).await;
        let ada = Account {
            key: "ada-key".into(),
            ..Account::new(AccountId::from_bytes([7; 16]), "oauth", "ada", NOW)
        };
        let _added = house.store.add_account(ada).await.unwrap();
        house
    }

    async fn at(folder: TempDir) -> Self {
        let file = StoreSettings::default();
        let store = Store::open(&file, folder.path()).await.unwrap();
        let key = SigningKey::generate(Algorithm::ES256).unwrap();
        let jwks = folder.path().join("keyed.json");
        let set = json!({ "keys": [key.jwk()] }).to_string();
        std::fs::write(&jwks, set).unwrap();
        let listed = listed(FilePath::from(jwks));
        let clients = Clients::open(&listed, store.clone()).await.unwrap();
        let hashing = Hashing::start(&PasswordSettings {
            memory: ByteSize::kib(64),
            passes: 1,
            ..PasswordSettings::default()
        });
        let master = MasterKey::read(&Secret::new(URL_SAFE_NO_PAD.encode([3; 32]))).unwrap();
        let mint = Mint::new(store.clone(), clients.clone(), hashing.unwrap(), &master).unwrap();
        mint.revocations().follow(&store, NOW).await.unwrap();
        let keyring = open_keyring(&store, "oauth", Algorithm::ES256, &master, NOW).await;
        Self {
            issuer: LocalIssuer {
                name: Arc::from("oauth"),
                identifier: "https://api.test/oauth".into(),
                audience: "https://api.test/oauth".into(),
                profile: Profile::standard(),
                keyring: keyring.unwrap(),
                register: Registration::Closed,
                former_end: Timestamp::from_millis(i64::MIN),
            },
            mint,
            clients,
            store,
            key,
            folder,
        }
    }

    pub(super) async fn restart(self) -> Self {
        let Self { folder, store, .. } = self;
        store.close().await;
        Self::at(folder).await
    }

    pub(super) fn rotation(&mut self, change: impl FnOnce(&mut Rotation)) {
        if let Renewal::Rotating(rotation) = &mut self.issuer.profile.renewal {
            change(rotation);
        }
    }

    pub(super) async fn account(&self) -> Account {
        let found = self.store.account_by_name("oauth", "ada").await;
        found.unwrap().unwrap()
    }

    pub(super) async fn open(&self, app: App) -> Issued {
        self.open_at(app, NOW).await
    }

    pub(super) async fn open_at(&self, app: App, now: Timestamp) -> Issued {
        self.begin(app, None, now).await
    }

    pub(super) async fn continued(&self, app: App, root: SessionId) -> Issued {
        self.begin(app, Some(root), NOW).await
    }

    async fn begin(&self, app: App, continues: Option<SessionId>, now: Timestamp) -> Issued {
        let account = self.account().await;
        let opening = Opening {
            account: Some(&account),
            client: app.name,
            scope: Scope::parse("read write").unwrap(),
            continues,
            grant: "authorization_code",
        };
        let opened = self.mint.sessions().open(&opening, &self.issuer, now).await;
        opened.unwrap()
    }

    pub(super) async fn client_token(&self, app: App) -> Issued {
        let ask = Ask::ClientCredentials {
            client: app.credentials(),
            scope: None,
        };
        self.issued(ask, NOW).await.unwrap()
    }

    pub(super) async fn refresh(
        &self,
        app: App,
        issued: &Issued,
        scope: Option<&str>,
        now: Timestamp,
    ) -> Result<Issued, IssueError> {
        let ask = Ask::Refresh {
            by: Program::Known(app.credentials()),
            refresh_token: issued.refresh_token.clone().unwrap(),
            scope: scope.map(|scope| Scope::parse(scope).unwrap()),
        };
        self.issued(ask, now).await
    }

    /// What this many hear who come with one refresh token at the same time.
    pub(super) async fn race(
        &self,
        app: App,
        issued: &Issued,
        count: usize,
    ) -> Vec<Result<Issued, IssueError>> {
        let runners = (0..count).map(|_| {
            let (mint, mount) = (self.mint.clone(), self.issuer.clone());
            let ask = Ask::Refresh {
                by: Program::Known(app.credentials()),
                refresh_token: issued.refresh_token.clone().unwrap(),
                scope: None,
            };
            tokio::runtime::Handle::current()
                .spawn(async move { mint.answer(ask, &mount, NOW).await.map(tokens) })
        });
        let runners: Vec<_> = runners.collect();
        let mut answers = Vec::new();
        for runner in runners {
            answers.push(runner.await.unwrap());
        }
        answers
    }

    async fn issued(&self, ask: Ask, now: Timestamp) -> Result<Issued, IssueError> {
        self.mint.answer(ask, &self.issuer, now).await.map(tokens)
    }

    pub(super) async fn revoke(&self, app: App, issued: &Issued) -> Result<(), IssueError> {
        self.revoke_token(app, &issued.access_token, NOW).await
    }

    pub(super) async fn revoke_token(
        &self,
        app: App,
        token: &Secret,
        now: Timestamp,
    ) -> Result<(), IssueError> {
        let ask = Ask::Revoke {
            client: app.credentials(),
            token: token.clone(),
        };
        self.mint.answer(ask, &self.issuer, now).await.map(drop)
    }

    pub(super) async fn introspect(
        &self,
        app: App,
        token: &Secret,
        now: Timestamp,
    ) -> Result<Option<Introspected>, IssueError> {
        let ask = Ask::Introspect {
            client: app.credentials(),
            token: token.clone(),
            signed: false,
        };
        match self.mint.answer(ask, &self.issuer, now).await? {
            Answer::Introspected(found) => Ok(found),
            other => panic!("{other:?}"),
        }
    }

    /// Whether the gate would let its access token pass.
    pub(super) fn is_good(&self, issued: &Issued, now: Timestamp) -> bool {
        let ours = revoke::ours(&self.issuer);
        let read = ours.read(issued.access_token.reveal(), Some(now));
        read.is_ok_and(|identity| self.mint.revocations().check(&identity).is_ok())
    }

    pub(super) fn claims(&self, issued: &Issued) -> Value {
        let _ = self;
        let payload = issued.access_token.reveal().split('.').nth(1).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
    }

    pub(super) fn key(issued: &Issued) -> String {
        let token = issued.refresh_token.as_ref().unwrap();
        token.reveal().to_owned()
    }

    pub(super) fn credentials(name: &str, secret: &str) -> ClientCredentials {
        ClientCredentials {
            id: name.to_owned(),
            proof: ClientProof::Secret(Secret::new(secret)),
            in_header: true,
        }
    }
}

fn tokens(answer: Answer) -> Issued {
    match answer {
        Answer::Issued(issued) => issued,
        other => panic!("{other:?}"),
    }
}

fn listed(jwks: FilePath) -> BTreeMap<String, ClientSettings> {
    let person = [Grant::AuthorizationCode, Grant::RefreshToken];
    let keyed = ClientSettings {
        auth: Some(ClientAuth::PrivateKeyJwt),
        jwks: Some(jwks),
        ..ClientSettings::default()
    };
    BTreeMap::from([
        App::PUBLIC.settings(&person),
        App::SHOP.settings(&Grant::ALL),
        App::KIOSK.settings(&Grant::ALL),
        App::IDLE.settings(&[]),
        ("keyed".to_owned(), keyed),
    ])
}
