//! The tables: every event that can happen in the store, with the statements it is made of.
//!
//! Each statement is written once and read by both engines. What can happen once only is one conditional statement, so
//! that no two can both have been first, whatever the engine.
//!
//! Reading order: `account`, `client`, `key`, `session`, `one_time`, `consent`,
//! `revocation`, `lifetime`, `sweep`, `copy`.

mod account;
mod client;
mod consent;
mod copy;
mod key;
mod lifetime;
mod one_time;
mod revocation;
mod session;
mod sweep;

pub use self::copy::Count;

/// Every statement there is: whoever looks for damage prepares each once, so that a schema that does not fit is found
/// there.
pub(super) fn statements() -> impl Iterator<Item = &'static str> {
    [
        account::STATEMENTS,
        client::STATEMENTS,
        key::STATEMENTS,
        session::STATEMENTS,
        one_time::STATEMENTS,
        consent::STATEMENTS,
        lifetime::STATEMENTS,
        revocation::STATEMENTS,
        sweep::STATEMENTS,
    ]
    .into_iter()
    .flatten()
    .copied()
    .chain(copy::statements())
}
