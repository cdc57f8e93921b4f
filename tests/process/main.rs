//! The real executable: its arguments, exit codes, signals, and what it writes where.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod canaries;
mod commands;
mod demo;
mod members;
mod serving;
mod starting;
mod storing;
mod telling;
mod tollgate;
mod trail;
mod verifying;
mod wire;
