//! Behaviour tests: they start Tollgate as the executable does and speak HTTP to it, in good words and in bad ones.
//!
//! Ids such as `FR-01` name cases of the acceptance list, `NH-7` rows of a contract.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    dead_code,
    reason = "a test that cannot go on should stop, and the harness offers more than each test takes"
)]

mod harness;

mod authorizing;
mod cluster;
mod draining;
mod flooding;
mod framing;
mod guessing;
mod headers;
mod issuing;
mod multiplexing;
mod nodes;
mod outages;
mod passing;
mod paths;
mod permitting;
#[path = "../postgres/mod.rs"]
mod postgres;
mod refreshing;
mod refusing;
mod revoking;
mod rotating;
mod routing;
mod speaking;
mod streaming;
mod tls;
mod upgrading;
mod verifying;
