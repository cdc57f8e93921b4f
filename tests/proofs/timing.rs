//! Whether the time a refusal takes tells if there is anybody of that name (TK-09).
//!
//! The figure is the area under the curve (AUC) of the best guess from the time alone: the probability that a refusal
//! of one kind took longer than one of the other. 0.5 is knowing nothing; anything within 0.45 and 0.55 passes.

use std::time::{Duration, Instant};

use tollgate::issue::{Accounts, Ask, IssueError};
use tollgate::settings::ByteSize;
use tollgate::store::Status;
use tollgate::token::{Secret, Timestamp};

use crate::harness::tollgate::Tollgate;

const NOW: Timestamp = Timestamp::from_seconds(1_000_000);
const BCRYPT: &str = "$2b$08$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2";

/// Where there are people with passwords. Nobody has to wait, however often they are wrong.
const FILE: &str = r#"
[server]
public_url = "https://gw.test"

[listener.public]
address = "127.0.0.1:0"

[admin]
address = "127.0.0.1:0"

[passwords]
memory = "@memory@"
concurrent = 1
lockout = { enabled = false }

[dialect.it]
speak = "nexudus"
"#;

/// People with passwords, one of them disabled, one of them with a hash from elsewhere.
struct House {
    gateway: Tollgate,
    door: Door,
}

/// Where a name and a password are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    /// For the name to log in with.
    Recovery,
    /// For a session: the login of a program that shows both (RFC 6749 §4.3).
    Login,
}

impl House {
    async fn new(memory: ByteSize, door: Door, with_foreign: bool) -> Self {
        let file = FILE.replace("@memory@", &memory.to_string());
        let gateway = Tollgate::start(&file).await;
        let house = Self { gateway, door };
        let accounts = house.accounts();
        for name in ["known", "disabled"] {
            let password = Secret::new("right");
            accounts.register("it", name, password, NOW).await.unwrap();
        }
        accounts
            .set_status("it", "disabled", Status::Disabled)
            .await
            .unwrap();
        if with_foreign {
            let line = format!(r#"{{"name":"foreign","hash":"{BCRYPT}"}}"#);
            accounts.import("it", &line, NOW).await.unwrap();
            accounts.acquaint().await.unwrap();
        }
        house
    }

    fn accounts(&self) -> &Accounts {
        &self.gateway.kept().accounts
    }

    async fn shows(&self, name: &str, password: &str) -> Result<(), IssueError> {
        let password = Some(Secret::new(password));
        match self.door {
            Door::Recovery => {
                let recovered = self.accounts().recover("it", name, password, NOW);
                recovered.await.map(|_| ())
            }
            Door::Login => {
                let ask = Ask::Password {
                    program: "app".to_owned(),
                    name: name.to_owned(),
                    password,
                    totp: None,
                };
                let kept = self.gateway.kept();
                let answered = kept.mint.answer(ask, kept.mounts["it"].issuer(), NOW);
                answered.await.map(|_| ())
            }
        }
    }

    /// How long it takes until somebody is refused.
    async fn refused(&self, name: &str, password: &str) -> Duration {
        let begun = Instant::now();
        let refusal = self.shows(name, password).await;
        let took = begun.elapsed();
        assert!(matches!(refusal, Err(IssueError::InvalidCredentials)));
        took
    }

    /// The two kinds by turns, each turn in another order, so that whatever drifts falls on both alike.
    async fn auc(&self, rounds: usize, known: (&str, &str)) -> f64 {
        let (mut strangers, mut others) = (Vec::new(), Vec::new());
        for round in 0..rounds {
            let stranger = format!("stranger-{round}");
            if round % 2 == 0 {
                strangers.push(self.refused(&stranger, "wrong").await);
                others.push(self.refused(known.0, known.1).await);
            } else {
                others.push(self.refused(known.0, known.1).await);
                strangers.push(self.refused(&stranger, "wrong").await);
            }
        }
        auc(&mut strangers, &others)
    }
}

/// The probability that one of `others` is greater than one of `ones`; a tie is half.
#[expect(clippy::cast_precision_loss, reason = "thousands, not 2^53")]
fn auc(ones: &mut [Duration], others: &[Duration]) -> f64 {
    ones.sort_unstable();
    let below = |other: &Duration| {
        let less = ones.partition_point(|one| one < other);
        let not_more = ones.partition_point(|one| one <= other);
        (less + not_more) as f64 / 2.0
    };
    others.iter().map(below).sum::<f64>() / (ones.len() * others.len()) as f64
}

const KNOWN: (&str, &str) = ("known", "wrong");
const DISABLED: (&str, &str) = ("disabled", "right");
const FOREIGN: (&str, &str) = ("foreign", "wrong");

/// TK-09
#[tokio::test]
#[ignore = "takes minutes"]
async fn tk_09_a_thousand_refusals_of_each_kind_cannot_be_told_apart_by_time() {
    for (door, with_foreign, known) in [
        (Door::Recovery, true, FOREIGN),
        (Door::Recovery, true, KNOWN),
        (Door::Recovery, true, DISABLED),
        (Door::Recovery, false, KNOWN),
        (Door::Recovery, false, DISABLED),
        (Door::Login, true, FOREIGN),
        (Door::Login, false, KNOWN),
        (Door::Login, false, DISABLED),
    ] {
        let house = House::new(ByteSize::mib(19), door, with_foreign).await;
        house.auc(20, known).await;
        let auc = house.auc(1000, known).await;
        let place = if with_foreign {
            "mixed hashes"
        } else {
            "our own hashes"
        };
        println!("{door:?}: {} among {place}: AUC {auc:.3}", known.0);
        assert!(
            (0.45..=0.55).contains(&auc),
            "{door:?}, {known:?} among {place}: {auc}"
        );
    }
}

/// TK-09, the short form: few refusals, and only a difference that no noise makes counts. A hash left out would make
/// nearly every pair differ the same way.
#[tokio::test]
async fn a_few_refusals_of_each_kind_do_not_differ_grossly_in_time() {
    for (door, with_foreign, known) in [
        (Door::Recovery, false, KNOWN),
        (Door::Recovery, false, DISABLED),
        (Door::Recovery, true, FOREIGN),
        (Door::Login, false, KNOWN),
        (Door::Login, false, DISABLED),
        (Door::Login, true, FOREIGN),
    ] {
        let house = House::new(ByteSize::mib(4), door, with_foreign).await;
        house.auc(4, known).await;
        let mut found = Vec::new();
        // Noise does not stay; a difference does.
        for _ in 0..5 {
            let auc = house.auc(30, known).await;
            if (0.25..=0.75).contains(&auc) {
                found.clear();
                break;
            }
            found.push(auc);
        }
        assert!(found.is_empty(), "{door:?}, {known:?}: {found:?}");
    }
}
