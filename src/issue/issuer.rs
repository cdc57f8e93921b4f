//! Ourselves as the issuer of one mount's tokens.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::token::{Keyring, Profile, Timestamp};

/// The issuer of one mount: what its tokens look like and who signs them.
#[derive(Clone, Debug)]
pub struct LocalIssuer {
    /// The mount's name; also the realm its accounts and keys belong to.
    pub name: Arc<str>,
    /// The issuer identifier: the `iss` of its tokens, and of its metadata (RFC 8414 §2).
    pub identifier: String,
    /// The `aud` of its tokens.
    pub audience: String,
    /// The shape of its tokens.
    pub profile: Profile,
    /// Its keys.
    pub keyring: Arc<Keyring>,
    /// Whether strangers may register.
    pub register: Registration,
    /// By when the last access token is dead that was issued while they lived longer than they do now; the beginning of
    /// time if there is none.
    pub former_end: Timestamp,
}

/// Whether strangers may make themselves an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Registration {
    /// Anybody may.
    Open,
    /// Only the operator makes accounts.
    #[default]
    Closed,
}
