//! On what ground a token is given (RFC 6749 §1.3).
//!
//! Each file decides one ground: who may have which scope, and how the token may be renewed. None of them reads a
//! password or signs; that is [`account`](super::account)'s and [`sign`](super::sign)'s business.
//!
//! Reading order: `client_credentials`, `authorization_code`, `password`, `account`, `refresh_token`, `rotating`; then
//! wallets: `siwe`, `ethereum`, `wallet`, `handoff`.

pub(super) mod account;
mod authorization_code;
pub(super) mod client_credentials;
mod ethereum;
mod handoff;
pub(super) mod password;
mod refresh_token;
mod rotating;
mod siwe;
mod wallet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use authorization_code::Agreement;
pub(super) use authorization_code::{AuthorizationCode, Brought, account_id, redeem};
pub(super) use refresh_token::StandingRefresh;
pub(super) use rotating::{RotatingRefresh, Spent};
pub use siwe::SignInText;

/// The grants a client can be allowed to use, in the words of RFC 6749.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Grant {
    /// A token for the client itself (RFC 6749 §4.4).
    ClientCredentials,
    /// A token for a person who sent the client a code (RFC 6749 §4.1).
    AuthorizationCode,
    /// Renewal (RFC 6749 §6).
    RefreshToken,
}

impl Grant {
    /// Every grant there is.
    pub const ALL: [Self; 3] = [
        Self::ClientCredentials,
        Self::AuthorizationCode,
        Self::RefreshToken,
    ];

    /// The word that stands in requests and in the operator's file.
    pub const fn word(self) -> &'static str {
        match self {
            Self::ClientCredentials => "client_credentials",
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
        }
    }

    /// The grant of this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|grant| grant.word() == word)
    }
}
