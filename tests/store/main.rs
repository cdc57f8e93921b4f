//! What every store promises, shown on the real ones.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod accounts;
mod bed;
mod clients;
mod file;
mod former;
mod keys;
mod lifetimes;
mod moving;
mod once;
#[path = "../postgres/mod.rs"]
mod postgres;
mod revocations;
mod server;
mod sessions;
mod sweeping;
mod upgrading;
