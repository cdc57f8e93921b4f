//! A refresh token has one winner, however many ask at the same time and however often it is tried.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tollgate::issue::{
    Answer, Ask, Clients, Hashing, IssueError, LocalIssuer, MasterKey, Mint, Opening,
    PasswordSettings, Program, Registration, open_keyring,
};
use tollgate::settings::ByteSize;
use tollgate::store::{Store, StoreSettings};
use tollgate::token::{OnReplay, Profile, Renewal, Rotation, Scope, Secret, Timestamp};

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// TK-03: 1,000 races of 50.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes"]
async fn of_fifty_who_renew_at_once_one_wins_a_thousand_times() {
    let folder = tempfile::tempdir().unwrap();
    let file = StoreSettings::default();
    let store = Store::open(&file, folder.path()).await.unwrap();
    let (mint, issuer) = strict(&store).await;
    for round in 0..1000 {
        let opening = Opening {
            account: None,
            client: "app",
            scope: Scope::empty(),
            continues: None,
            grant: "password",
        };
        let opened = mint.sessions().open(&opening, &issuer, NOW).await.unwrap();
        let token = opened.refresh_token.unwrap();
        let runners: Vec<_> = (0..50)
            .map(|_| {
                let (mint, issuer, token) = (mint.clone(), issuer.clone(), token.clone());
                tokio::runtime::Handle::current()
                    .spawn(async move { renew(&mint, &issuer, token).await })
            })
            .collect();
        let mut won = 0;
        for runner in runners {
            match runner.await.unwrap() {
                Ok(_) => won += 1,
                Err(error) => assert!(matches!(error, IssueError::InvalidGrant), "{error}"),
            }
        }
        assert_eq!(won, 1, "round {round}");
    }
    store.close().await;
}

async fn renew(mint: &Mint, issuer: &LocalIssuer, token: Secret) -> Result<Answer, IssueError> {
    let ask = Ask::Refresh {
        by: Program::Named("app".to_owned()),
        refresh_token: token,
        scope: None,
    };
    mint.answer(ask, issuer, NOW).await
}

/// A mint at a mount without windows.
async fn strict(store: &Store) -> (Mint, LocalIssuer) {
    let master = MasterKey::read(&Secret::new("A".repeat(43))).unwrap();
    let nobody = BTreeMap::new();
    let clients = Clients::open(&nobody, store.clone()).await.unwrap();
    let hashing = Hashing::start(&PasswordSettings {
        memory: ByteSize::kib(64),
        passes: 1,
        ..PasswordSettings::default()
    });
    let mint = Mint::new(store.clone(), clients, hashing.unwrap(), &master).unwrap();
    let profile = Profile {
        renewal: Renewal::Rotating(Rotation {
            race: Duration::ZERO,
            lost: Duration::ZERO,
            on_replay: OnReplay::Refuse,
            ..Rotation::standard()
        }),
        ..Profile::standard()
    };
    let keyring = open_keyring(store, "oauth", profile.algorithm, &master, NOW).await;
    let issuer = LocalIssuer {
        name: Arc::from("oauth"),
        identifier: "https://api.test/oauth".to_owned(),
        audience: "https://api.test/oauth".to_owned(),
        profile,
        keyring: keyring.unwrap(),
        register: Registration::Closed,
        former_end: Timestamp::from_millis(i64::MIN),
    };
    (mint, issuer)
}
