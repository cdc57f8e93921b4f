//! Behaviour tests: they start Tollgate as the executable does and speak HTTP to it, in good words and in bad ones.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    dead_code,
    reason = "a test that cannot go on should stop, and the harness offers more than each test takes"
)]

mod harness;
