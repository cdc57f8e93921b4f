//! Proofs that take long, and therefore run only when they are asked for:
//!
//! `cargo test --release --test proofs -- --ignored --nocapture`
//!
//! A short form of each runs here or in the other suites.

#![expect(clippy::unwrap_used, reason = "a proof that cannot go on should stop")]

#[expect(
    dead_code,
    reason = "shared with the tests of the store, which need more of it"
)]
#[path = "../store/bed.rs"]
mod bed;
mod crowd;
#[expect(
    clippy::panic,
    dead_code,
    reason = "shared with the tests of the executable, which need more of it"
)]
#[path = "."]
mod executable {
    #[path = "../process/tollgate.rs"]
    pub(crate) mod tollgate;
    #[path = "../process/wire.rs"]
    pub(crate) mod wire;
}
mod gateways;
#[expect(
    clippy::expect_used,
    clippy::panic,
    dead_code,
    unused_imports,
    reason = "shared with the tests of behaviour, which need more of it"
)]
#[path = "../behaviour/harness/mod.rs"]
mod harness;
mod kills;
#[expect(
    clippy::panic,
    dead_code,
    reason = "shared with the tests of behaviour, which need more of it"
)]
#[path = "../behaviour/nodes.rs"]
mod nodes;
#[path = "../postgres/mod.rs"]
mod postgres;
mod races;
mod refreshing;
mod restarts;
mod timing;
