//! The vocabulary: pure values that every other folder speaks in.
//!
//! Here is what a token says ([`Claims`], [`Scope`], [`Audience`]), what one API's tokens look like as data
//! ([`Profile`]), the keys that sign and verify ([`SigningKey`], [`VerifyingKey`], [`Keyring`]), how a secret is held
//! ([`Secret`], [`Digest`]), and what time it is ([`Timestamp`], [`TimeSource`]).
//!
//! Promises: nothing here waits, does I/O, or knows HTTP; a [`Secret`] cannot be printed; only [`TimeSource::now`]
//! reads the wall clock.
//!
//! Reading order: `time`, `secret`, `digest`, `scope`, `audience`, `claims`, `profile`, `algorithm`, `key`, `roca`,
//! `signing`, `keyring`, `error`.

mod algorithm;
mod audience;
mod claims;
mod digest;
mod error;
mod key;
mod keyring;
mod profile;
mod roca;
mod scope;
mod secret;
mod signing;
mod time;

pub use algorithm::Algorithm;
pub use audience::Audience;
pub use claims::Claims;
pub use digest::{Digest, DigestHasher};
pub use error::{BadSignature, ClaimError, KeyError};
pub use key::VerifyingKey;
pub use keyring::Keyring;
pub use profile::{
    Carriers, Ceiling, Excess, OnReplay, Profile, RefreshForm, Renewal, Rotation, Subject,
};
pub use scope::{InvalidScope, Scope};
pub use secret::Secret;
pub use signing::SigningKey;
pub use time::{TimeSource, Timestamp};
