//! The vocabulary: pure values that every other folder speaks in.
//!
//! Here is what a token says (`Claims`, [`Scope`], `Audience`), what one API's tokens look like as data
//! (`Profile`), the keys that sign and verify (`SigningKey`, `VerifyingKey`, `Keyring`), how a secret is held
//! ([`Secret`], [`Digest`]), and what time it is ([`Timestamp`], [`TimeSource`]).
//!
//! Promises: nothing here waits, does I/O, or knows HTTP; a [`Secret`] cannot be printed; only [`TimeSource::now`]
//! reads the wall clock.
//!
//! Reading order: `time`, `secret`, `digest`, `scope`, `audience`, `claims`, `profile`, `key`, `keyring`.

mod digest;
mod scope;
mod secret;
mod time;

pub use digest::{Digest, DigestHasher};
pub use scope::{InvalidScope, Scope};
pub use secret::Secret;
pub use time::{TimeSource, Timestamp};
