//! Proofs that take long, and therefore run only when they are asked for:
//!
//! `cargo test --release --test proofs -- --ignored --nocapture`
//!
//! A short form of each runs in the other suites.
#![expect(clippy::unwrap_used, reason = "a proof that cannot go on should stop")]

mod refreshing;
mod timing;
