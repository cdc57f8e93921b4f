//! Whose tokens count, and how we know: the closed list of kinds.
//!
//! | kind | what we hold | what may fail |
//! |---|---|---|
//! | `local` | the keyring itself | nothing |
//! | `jwks` | their public keys, fetched and kept fresh | fetching, until which the last good set serves |
//! | `introspection` | nothing: their endpoint is asked about each token | asking |
//!
//! [`Issuers`] holds them all and hands out sets of them for routes. No issuer that is down keeps the program from
//! starting or spoils another issuer's tokens.
//!
//! Reading order: `list`, `settings`, `setup`, `local`, `jwks`, `key_source`, `pace`, `introspection`.

mod introspection;
mod jwks;
mod key_source;
mod list;
mod local;
mod pace;
pub(super) mod settings;
mod setup;

pub(super) use introspection::Introspection;
pub(super) use jwks::Jwks;
pub use list::{IssuerId, IssuerSet, IssuerState, Issuers};
pub use local::Local;
pub(super) use local::LocalIssuer;

use std::sync::Arc;

/// Somebody whose tokens count.
#[derive(Debug)]
pub(super) enum Issuer {
    /// We ourselves.
    Local(Box<LocalIssuer>),
    /// Someone whose keys we fetch.
    Jwks(Arc<Jwks>),
    /// Someone we must ask about each token.
    Introspection(Introspection),
}

impl Issuer {
    /// Its name in the operator's file.
    pub(super) fn name(&self) -> &Arc<str> {
        match self {
            Self::Local(local) => local.name(),
            Self::Jwks(jwks) => jwks.name(),
            Self::Introspection(endpoint) => endpoint.name(),
        }
    }
}
