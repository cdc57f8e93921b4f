//! Two nodes with one PostgreSQL: they are one issuer, and stay it when the network between them breaks.
//!
//! Reading order: `one`, `deaf`.

mod deaf;
mod one;

use std::{
    future::Future,
    time::{Duration, Instant},
};

use crate::nodes::Node;

/// Asks again and again until the answer is the one that is waited for, and says how long that took.
///
/// # Panics
/// After `limit`, or at an answer that must not come meanwhile.
async fn within<T: std::fmt::Debug + PartialEq, F: Future<Output = T>>(
    limit: Duration,
    awaited: T,
    meanwhile: &[T],
    mut ask: impl FnMut() -> F,
) -> Duration {
    let begun = Instant::now();
    loop {
        let answer = ask().await;
        if answer == awaited {
            return begun.elapsed();
        }
        assert!(meanwhile.contains(&answer), "{answer:?}, not {awaited:?}");
        assert!(begun.elapsed() < limit, "still {answer:?}, not {awaited:?}");
    }
}

/// Takes a token of the public client back, and is told so.
async fn revoke(node: &Node, token: &str) {
    let request = node.client().post("/oauth/revoke");
    let answer = request
        .form(&[("token", token), ("client_id", "app")])
        .send()
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// How soon another node knows of what was taken back, at the latest.
const HEARD: Duration = Duration::from_secs(5);
