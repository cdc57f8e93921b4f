//! What the audit log says. A program of its own, because the log belongs to the whole program.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tollgate::issue::{
    Answer, Ask, Circumstances, ClientCredentials, ClientProof, ClientSettings, Clients, Grant,
    Hashing, IssueError, LocalIssuer, MasterKey, Mint, Opening, PasswordSettings, Program,
    Registration, open_keyring,
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
    let at = Circumstances {
        now: NOW,
        address: Some(STRANGER.into()),
    };
    let _ = mint.answer(login(&key, "wr0ng-one"), &issuer, at).await;
    let _ = ask(Ask::Renew {
        refresh_token: Secret::new("l0st-token"),
    })
    .await;
    let (access, _) = tokens(ask(client("shop", "shop-s3cret")).await);
    let _ = ask(client("shop", "wr0ng-s3cret")).await;

    let tokens_of_session = session(&mint, &issuer, &store).await;
    let lines = log.lines();
    let events = events(&lines);
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
        .into_iter()
        .chain(OF_A_SESSION)
        .collect::<Vec<_>>()
    );
    // The others are asked in this process.
    let afar = |line: &&Value| line["fields"].get("remote").is_some();
    let afar: Vec<_> = lines.iter().filter(afar).collect();
    assert_eq!(afar.len(), 1, "{afar:?}");
    assert_eq!(afar[0]["fields"]["remote"], "203.0.113.7");
    assert_eq!(afar[0]["fields"]["event"], "ask.refused");
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
        .chain(tokens_of_session.iter().map(Secret::reveal))
    {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

/// Event, actor and reason of every line of the audit log.
fn events(lines: &[Value]) -> Vec<(&str, &str, &str)> {
    lines
        .iter()
        .filter(|line| line["target"] == "tollgate::audit")
        .map(|line| {
            let field = |name: &str| line["fields"][name].as_str().unwrap_or_default();
            // The name of a session is new every time.
            let is_session = field("actor.kind") == "session";
            let actor = if is_session {
                "session"
            } else {
                field("actor")
            };
            (field("event"), actor, field("reason"))
        })
        .collect()
}

/// What is told of a session that is opened, renewed, raced for, stolen, looked into and taken back.
const OF_A_SESSION: [(&str, &str, &str); 18] = [
    ("session.opened", "", ""),
    ("token.issued", "session", ""),
    ("token.issued", "session", ""),
    ("session.answered_again", "", ""),
    ("token.issued", "session", ""),
    ("token.issued", "session", ""),
    ("session.refused", "", "brought by another client"),
    ("ask.refused", "kiosk", "invalid_grant"),
    ("session.replayed", "", ""),
    ("ask.refused", "shop", "invalid_grant"),
    ("token.introspected", "", ""),
    (
        "session.refused",
        "",
        "shown for revocation by another client",
    ),
    ("session.ended", "", "revoked"),
    ("ask.refused", "shop", "invalid_grant"),
    ("tokens.revoked", "", ""),
    ("tokens.revoked", "", ""),
    ("tokens.revoked", "", ""),
    ("tokens.revoked", "", ""),
];

/// The life of a session; returns every token of it.
async fn session(mint: &Mint, issuer: &LocalIssuer, store: &Store) -> Vec<Secret> {
    let account = store.account_by_name("hub", "ada").await.unwrap().unwrap();
    let opening = Opening {
        account: Some(&account),
        client: "shop",
        scope: Scope::empty(),
        continues: None,
        grant: "authorization_code",
    };
    let ask = async |ask: Ask| mint.answer(ask, issuer, NOW).await;
    let refresh = |client: &str, token: &Secret| Ask::Refresh {
        by: Program::Known(credentials(client, &format!("{client}-s3cret"))),
        refresh_token: token.clone(),
        scope: None,
    };
    let first = mint.sessions().open(&opening, issuer, NOW).await.unwrap();
    let mut all = vec![first.access_token];
    let one = first.refresh_token.unwrap();
    let mut keep = |answer| {
        let (access, refresh) = tokens(answer);
        all.extend([access, refresh.clone().unwrap()]);
        refresh.unwrap()
    };
    let two = keep(ask(refresh("shop", &one)).await);
    let again = keep(ask(refresh("shop", &one)).await);
    assert_eq!(two.reveal(), again.reveal());
    let three = keep(ask(refresh("shop", &two)).await);
    let _ = ask(refresh("kiosk", &three)).await;
    let _ = ask(refresh("shop", &one)).await;
    let (client, token) = (credentials("kiosk", "kiosk-s3cret"), three.clone());
    let signed = false;
    let _ = ask(Ask::Introspect {
        client,
        token,
        signed,
    })
    .await;
    for client in ["kiosk", "shop"] {
        let (client, token) = (
            credentials(client, &format!("{client}-s3cret")),
            three.clone(),
        );
        let _ = ask(Ask::Revoke { client, token }).await;
    }
    let _ = ask(refresh("shop", &three)).await;
    mint.end_account("ada", issuer, NOW).await.unwrap();
    mint.end_client("shop", issuer, NOW).await.unwrap();
    mint.revoke_key("a-key", issuer, NOW).await.unwrap();
    mint.revoke_id("a-token", issuer, NOW).await.unwrap();
    all.push(one);
    all
}

const STRANGER: [u8; 4] = [203, 0, 113, 7];
const NOW: Timestamp = Timestamp::from_seconds(1_000_000);

async fn mint(store: &Store) -> (Mint, LocalIssuer) {
    let master = MasterKey::read(&Secret::new("A".repeat(43))).unwrap();
    let listed = ["shop", "kiosk"].map(|name| {
        let settings = ClientSettings {
            secret: Some(SecretSource {
                literal: Some(Secret::new(format!("{name}-s3cret"))),
                ..SecretSource::default()
            }),
            grants: vec![Grant::ClientCredentials, Grant::RefreshToken],
            scopes: vec![Scope::parse("orders:read").unwrap()],
            ..ClientSettings::default()
        };
        (name.to_owned(), settings)
    });
    let listed = BTreeMap::from(listed);
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
        former_end: Timestamp::from_millis(i64::MIN),
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
    Ask::ClientCredentials {
        client: credentials(id, secret),
        scope: None,
    }
}

fn credentials(id: &str, secret: &str) -> ClientCredentials {
    ClientCredentials {
        id: id.to_owned(),
        proof: ClientProof::Secret(Secret::new(secret)),
        in_header: true,
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
