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
