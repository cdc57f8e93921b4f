//! What must survive a restart: accounts, clients, signing keys, sessions, things to be used once, consents, verdicts.
//!
//! [`Store`] is an enum of its engines. One method is one event that happens wholly or not at all; no transaction
//! leaves this folder, so no caller can forget to commit. A method that changes something returns when the change is
//! on the disk, not before.
//!
//! Promises: the engine lives on threads of its own, so its methods may be awaited on any runtime; a damaged file, a
//! folder that cannot be written and a newer schema are told apart, each with the remedy; nothing here is a secret in
//! the clear: passwords, client secrets and codes are hashes, refresh tokens are not here at all, keys are sealed
//! before they come here.
//!
//! It refuses to know what a token is, what HTTP is, and what time it is.
//!
//! Reading order: `engine`, `row`, `settings`, `error`, then `table` (what can happen), with `statement` and `fields`
//! (how a statement is asked and a row read), then the engines: `schema`, `sqlite`, `postgres`.

mod engine;
mod error;
mod fields;
mod postgres;
mod row;
mod schema;
mod settings;
mod sqlite;
mod statement;
mod table;

pub use engine::Store;
pub use error::StoreError;
pub use row::{
    Account, AccountId, Addition, Client, Ended, Ending, FormerSecret, KeyState, OneTime,
    OneTimeKind, Redeemed, Revocation, Revoked, Session, SessionId, Status, StoredKey, Turn, Whose,
};
pub use schema::Standing;
pub use settings::{Migrate, PoolSettings, StoreSettings};
pub use table::Count;
