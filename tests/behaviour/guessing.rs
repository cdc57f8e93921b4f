//! Whoever guesses passwords has to wait, and learns nothing from the waiting.

use std::time::Duration;

use serde_json::json;
use tollgate::store::Status;

use crate::harness::{
    bench::Bench,
    exchange::{Answer, Request},
};

/// A token service with people. What it allows one address is more than any test needs: here it is names that count.
const MORE: &str = r#"
[passwords]
memory = "64KiB"
passes = 1

[dialect.hub]
speak = "nexushub"
hosts = ["auth.hub.test"]
path = "/"
register = "open"
limit = { attempts = 10000, within = "1s" }
"#;

/// A gateway at which John is registered.
struct Hub {
    bench: Bench,
    key: String,
}

const RIGHT: &str = "s3cret-one";
const WRONG: &str = "s3cret-two";

impl Hub {
    async fn start() -> Self {
        Self::with(MORE).await
    }

    async fn with(more: &str) -> Self {
        let bench = Bench::with(more).await;
        let mut hub = Self {
            bench,
            key: String::new(),
        };
        let john = hub.post("/register", "user_id", "john", RIGHT).send().await;
        assert_eq!(john.status, 200, "{}", john.text());
        john.json()["user_key"]
            .as_str()
            .unwrap()
            .clone_into(&mut hub.key);
        hub
    }

    fn post(&self, path: &str, field: &str, name: &str, password: &str) -> Request {
        let client = self.bench.client().named("auth.hub.test");
        client
            .post(path)
            .json(&json!({ field: name, "user_secret": password }))
    }

    async fn recover(&self, name: &str, password: &str) -> Answer {
        self.post("/userkey", "user_id", name, password)
            .send()
            .await
    }

    async fn login(&self, password: &str) -> Answer {
        let request = self.post("/authenticate", "user_key", &self.key, password);
        request.send().await
    }
}

fn wait(answer: &Answer) -> Duration {
    let seconds = answer.header("retry-after").expect("a time to wait");
    Duration::from_secs(seconds.parse().unwrap())
}

fn same(one: &Answer, other: &Answer) {
    assert_eq!((one.status, one.text()), (other.status, other.text()));
    let names = |answer: &Answer| -> Vec<_> { answer.headers.keys().cloned().collect() };
    assert_eq!(names(one), names(other));
}

#[tokio::test]
async fn tk_13_all_spellings_of_a_name_share_one_count_and_the_right_password_waits_too() {
    let hub = Hub::start().await;
    let spellings = ["john", "John", "JOHN", " john"];
    let mut refused = 0;
    for attempt in 0..20 {
        let answer = hub.recover(spellings[attempt % 4], WRONG).await;
        refused += usize::from(answer.status == 429);
        assert!([403, 429].contains(&answer.status), "{}", answer.text());
    }
    assert_eq!(
        refused, 16,
        "three failures are free, and the fourth begins the wait"
    );

    let right = hub.recover("john", RIGHT).await;
    let wrong = hub.recover("john", WRONG).await;
    assert_eq!(right.status, 429);
    same(&right, &wrong);
    same(&hub.login(RIGHT).await, &hub.login(WRONG).await);
    assert_eq!(hub.login(RIGHT).await.status, 429, "it is the same account");

    hub.bench.gateway.advance(wait(&right));
    assert_eq!(hub.recover("john", RIGHT).await.status, 200);
    assert_eq!(hub.login(RIGHT).await.status, 200);
}

#[tokio::test]
async fn nobody_is_treated_like_somebody() {
    let hub = Hub::start().await;
    for _ in 0..6 {
        let (known, unknown) = (
            hub.recover("john", WRONG).await,
            hub.recover("jane", WRONG).await,
        );
        same(&known, &unknown);
    }
}

#[tokio::test]
async fn clients_that_retry_for_ever_gain_nothing_and_lock_nobody_out_for_good() {
    let hub = Hub::start().await;
    for _ in 0..4 {
        assert_eq!(hub.login(WRONG).await.status, 403);
    }
    for _ in 0..100 {
        assert_eq!(hub.login(WRONG).await.status, 429);
    }
    for expected in [1, 3, 5, 10, 10] {
        let refused = hub.login(RIGHT).await;
        assert_eq!(wait(&refused), Duration::from_secs(expected));
        hub.bench.gateway.advance(wait(&refused));
        assert_eq!(hub.login(WRONG).await.status, 403, "the wait is over");
    }
    hub.bench.gateway.advance(Duration::from_secs(10));
    assert_eq!(hub.login(RIGHT).await.status, 200);
    assert_eq!(
        hub.login(WRONG).await.status,
        403,
        "and the count begins anew"
    );
}

#[tokio::test]
async fn an_address_that_tries_many_names_has_to_wait() {
    let hub = Hub::with(&MORE.replace(
        "passes = 1\n",
        "passes = 1\nlockout = { address = \"5/m\" }\n",
    ))
    .await;
    let mut statuses = Vec::new();
    for n in 0..8 {
        statuses.push(hub.recover(&format!("name{n}"), WRONG).await.status);
    }
    assert_eq!(statuses, [403, 403, 403, 403, 403, 403, 429, 429]);
    let refused = hub.login(RIGHT).await;
    assert_eq!(
        (refused.status, wait(&refused)),
        (429, Duration::from_secs(12))
    );
    hub.bench.gateway.advance(Duration::from_secs(12));
    assert_eq!(hub.login(RIGHT).await.status, 200);
}

/// TK-09
#[tokio::test]
async fn unknown_wrong_and_disabled_are_the_same_bytes() {
    let unlimited = "passes = 1\nlockout = { enabled = false }\n";
    let hub = Hub::with(&MORE.replace("passes = 1\n", unlimited)).await;
    let wrong = hub.recover("john", WRONG).await;
    same(&wrong, &hub.recover("nobody", WRONG).await);
    let accounts = &hub.bench.gateway.kept().accounts;
    let disabled = accounts.set_status("hub", "john", Status::Disabled).await;
    assert!(disabled.unwrap());
    for password in [RIGHT, WRONG] {
        same(&wrong, &hub.recover("john", password).await);
        same(&wrong, &hub.login(password).await);
    }
}

#[tokio::test]
async fn people_brought_along_log_in_with_their_passwords_and_get_a_hash_of_our_own() {
    let hub = Hub::start().await;
    let kept = hub.bench.gateway.kept();
    let file = r#"{"name":"ada","scopes":["write_orders"],"hash":"$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2"}

{"name":"bob","email":"bob@example.com","hash":"pbkdf2_sha256$1000$seasalt$mQnueSakb748zqBAC1tmWVZsZbi2zPGZarEzTGdfmso="}
{"name":"eve"}
"#;
    let now = hub.bench.gateway.now();
    assert_eq!(kept.accounts.import("hub", file, now).await.unwrap(), 3);
    for name in ["ada", "bob"] {
        assert_eq!(hub.recover(name, WRONG).await.status, 403);
        assert_eq!(hub.recover(name, "correct horse").await.status, 200);
        let found = kept.store.account_by_name("hub", name).await.unwrap();
        let hash = found.unwrap().password;
        assert!(
            hash.reveal().starts_with("$argon2id$"),
            "{name} has the old hash"
        );
        assert_eq!(hub.recover(name, "correct horse").await.status, 200);
    }
    for password in ["", "x", "correct horse"] {
        assert_eq!(
            hub.recover("eve", password).await.status,
            403,
            "she has no password"
        );
    }
}

#[tokio::test]
async fn a_file_with_a_bad_line_is_not_taken_at_all_and_the_line_is_named() {
    let hub = Hub::start().await;
    let kept = hub.bench.gateway.kept();
    let good = r#"{"name":"ada"}"#;
    for (bad, said) in [
        ("{", "line 3"),
        (
            r#"{"name":"ada"}"#,
            "line 3: the same `name` stands in line 1",
        ),
        (r#"{"name":"john"}"#, "line 3: somebody of that `name`"),
        (
            r#"{"name":"x","hash":"$2b$20$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2"}"#,
            "line 3: cannot take a bcrypt hash that needs so much work: at most cost 14",
        ),
    ] {
        let file = format!("{good}\n\n{bad}\n");
        let taken = kept
            .accounts
            .import("hub", &file, hub.bench.gateway.now())
            .await;
        let error = taken.unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
        let found = kept.store.account_by_name("hub", "ada").await.unwrap();
        assert!(found.is_none(), "half of the file was taken");
    }
}
