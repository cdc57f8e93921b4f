//! A flood of logins slows down logins, and nothing else.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;

use crate::harness::bench::Bench;

const MORE: &str = r#"
[passwords.lockout]
enabled = false

[dialect.hub]
speak = "nexushub"
hosts = ["auth.hub.test"]
path = "/"
limit = { attempts = 10000, within = "1s" }
"#;

/// TK-10: the short form; what proxied requests feel of it is measured by `benches/flood.rs`.
#[tokio::test]
async fn tk_10_a_flood_of_logins_is_hashed_by_few_threads_and_the_surplus_is_told_when_to_come_back()
 {
    let bench = Bench::with(MORE).await;
    let login = |n: usize| {
        let client = bench.client().named("auth.hub.test");
        let body = json!({ "user_key": format!("nobody-{n}"), "user_secret": "x" });
        client.post("/authenticate").json(&body).send()
    };
    let token = bench.token().sign();
    let proxied = async {
        let mut session = bench.client().session().await;
        let mut slowest = Duration::ZERO;
        for _ in 0..100 {
            let begun = Instant::now();
            let answer = session.send(session.get("/api/x").bearer(&token)).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            slowest = slowest.max(begun.elapsed());
        }
        slowest
    };
    let (answers, slowest) = tokio::join!(join_all((0..100).map(login)), proxied);
    assert!(
        slowest < Duration::from_secs(5),
        "a proxied request took {slowest:?}"
    );
    let (refused, hashed): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|answer| answer.status == 429);
    assert!(hashed.iter().all(|answer| answer.status == 403));
    assert!(
        !hashed.is_empty() && !refused.is_empty(),
        "{} refused",
        refused.len()
    );
    for answer in &refused {
        let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=2).contains(&wait), "{wait}");
    }
    let cores = std::thread::available_parallelism().unwrap().get();
    let busiest = bench.gateway.kept().accounts.hashing().busiest();
    assert!(
        (1..=cores.div_ceil(2)).contains(&busiest),
        "{busiest} at once"
    );
    assert_eq!(login(0).await.status, 403, "it is over");
}

#[tokio::test]
async fn a_flood_of_forged_tokens_is_not_verified_for_long() {
    let bench = Bench::start().await;
    let (good, new) = (
        bench.token().sign(),
        bench.token().with("jti", "new").sign(),
    );
    let (head, _) = new.rsplit_once('.').unwrap();
    let (_, signature) = good.rsplit_once('.').unwrap();
    let forged = format!("{head}.{signature}");
    let mut session = bench.client().session().await;
    let mut comes_with = async |token: &str| {
        let request = session.get("/api/x").bearer(token);
        session.send(request).await
    };
    assert_eq!(comes_with(&good).await.status, 200);
    let mut answer = comes_with(&forged).await;
    let mut verified = 0;
    while answer.status == 401 {
        verified += 1;
        answer = comes_with(&forged).await;
    }
    assert_eq!((verified, answer.status), (1000, 429));
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(comes_with(&new).await.status, 429, "nobody looks at it");
    assert_eq!(comes_with(&good).await.status, 200, "it is remembered");
    bench.gateway.advance(Duration::from_secs(1));
    assert_eq!(comes_with(&new).await.status, 200);
}
