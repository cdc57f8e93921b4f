//! The real executable: its arguments, exit codes, signals, and what it writes where.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod canaries;
mod commands;
mod demo;
#[path = "../store/former.rs"]
mod former;
mod keeping;
mod members;
#[expect(
    dead_code,
    reason = "shared with the tests of the store, which need more of it"
)]
#[path = "../postgres/mod.rs"]
mod postgres;
mod serving;
mod starting;
mod storing;
mod telling;
mod tollgate;
mod trail;
mod verifying;
mod wire;
