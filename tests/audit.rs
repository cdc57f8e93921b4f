//! What the audit log says. A program of its own, because the log belongs to the whole program.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tollgate::issue::{
    Answer, Ask, ClientCredentials, ClientProof, ClientSettings, Clients, Grant, Hashing,
    IssueError, LocalIssuer, MasterKey, Mint, PasswordSettings, Registration, open_keyring,
};
use tollgate::settings::{ByteSize, SecretSource};
use tollgate::store::{Store, StoreSettings};
use tollgate::token::{Profile, Scope, Secret, Timestamp};

/// P18
#[tokio::test]
async fn the_audit_log_names_everybody_and_tells_no_secret() {
    let log = Log::listen();
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&StoreSettings::default(), folder.path())
        .await
        .unwrap();
    let (mint, issuer) = mint(&store).await;
    let ask = async |ask: Ask| mint.answer(ask, &issuer, NOW).await;

    let key = key(ask(register("ada", "s3cret-one")).await);
    let (_, refresh) = tokens(ask(login(&key, "s3cret-one")).await);
    let _ = ask(login(&key, "wr0ng-one")).await;
    let _ = ask(Ask::Renew {
        refresh_token: Secret::new("l0st-token"),
    })
    .await;
    let (access, _) = tokens(ask(client("shop", "shop-s3cret")).await);
    let _ = ask(client("shop", "wr0ng-s3cret")).await;

    let lines = log.lines();
    let events: Vec<_> = lines
        .iter()
        .filter(|line| line["target"] == "tollgate::audit")
        .map(|line| {
            let field = |name: &str| line["fields"][name].as_str().unwrap_or_default();
            (field("event"), field("actor"), field("reason"))
        })
        .collect();
    let (digest, lost) = (fingerprint(&key), fingerprint("l0st-token"));
    assert_eq!(
        events,
        [
            ("key.made", "", ""),
            ("account.registered", "", ""),
            ("token.issued", "ada", ""),
            ("ask.refused", &*digest, "invalid_credentials"),
            ("ask.refused", &*lost, "invalid_grant"),
            ("token.issued", "shop", ""),
            ("ask.refused", "shop", "invalid_client"),
        ]
    );
    let text = format!("{lines:?}");
    let secrets = [
        "s3cret-one",
        "wr0ng-one",
        "l0st-token",
        "shop-s3cret",
        "wr0ng-s3cret",
    ];
    for secret in secrets
        .into_iter()
        .chain([&*key, refresh.unwrap().reveal(), access.reveal()])
    {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

const NOW: Timestamp = Timestamp::from_seconds(1_000_000);

async fn mint(store: &Store) -> (Mint, LocalIssuer) {
    let master = MasterKey::read(&Secret::new("A".repeat(43))).unwrap();
    let shop = ClientSettings {
        secret: Some(SecretSource {
            literal: Some(Secret::new("shop-s3cret")),
            ..SecretSource::default()
        }),
        grants: vec![Grant::ClientCredentials],
        scopes: vec![Scope::parse("orders:read").unwrap()],
        ..ClientSettings::default()
    };
    let listed = BTreeMap::from([("shop".to_owned(), shop)]);
    let clients = Clients::open(&listed, store.clone()).await.unwrap();
    let passwords = PasswordSettings {
        memory: ByteSize::kib(64),
        passes: 1,
        ..PasswordSettings::default()
    };
    let hashing = Hashing::start(&passwords).unwrap();
    let profile = Profile::standard();
    let keyring = open_keyring(store, "hub", profile.algorithm, &master, NOW)
        .await
        .unwrap();
    let issuer = LocalIssuer {
        name: Arc::from("hub"),
        identifier: "https://api.example/hub".to_owned(),
        audience: "https://api.example/hub".to_owned(),
        profile,
        keyring,
        register: Registration::Open,
    };
    (
        Mint::new(store.clone(), clients, hashing, &master).unwrap(),
        issuer,
    )
}

fn register(name: &str, password: &str) -> Ask {
    Ask::Register {
        name: name.to_owned(),
        password: Secret::new(password),
    }
}

fn login(key: &str, password: &str) -> Ask {
    Ask::Login {
        key: key.to_owned(),
        password: Some(Secret::new(password)),
    }
}

fn client(id: &str, secret: &str) -> Ask {
    let client = ClientCredentials {
        id: id.to_owned(),
        proof: ClientProof::Secret(Secret::new(secret)),
        in_header: true,
    };
    Ask::ClientCredentials {
        client,
        scope: None,
    }
}

fn key(answer: Result<Answer, IssueError>) -> String {
    match answer {
        Ok(Answer::AccountKey(key)) => key,
        other => unreachable!("{other:?}"),
    }
}

fn tokens(answer: Result<Answer, IssueError>) -> (Secret, Option<Secret>) {
    match answer {
        Ok(Answer::Issued(issued)) => (issued.access_token, issued.refresh_token),
        other => unreachable!("{other:?}"),
    }
}

fn fingerprint(text: &str) -> String {
    tollgate::token::Digest::of(text.as_bytes())
        .fingerprint()
        .to_string()
}

/// What was logged, at the most talkative level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn listen() -> Self {
        let log = Self::default();
        let copy = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(move || copy.clone())
            .finish();
        tracing::subscriber::set_global_default(subscriber).unwrap();
        log
    }

    fn lines(&self) -> Vec<Value> {
        let bytes = self.0.lock().unwrap();
        let lines = bytes
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty());
        lines
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
