//! What a client wants of the issuing side, in nobody's dialect, and what it gets.

use std::time::Duration;

use crate::token::{Scope, Secret};

/// What a client wants.
#[derive(Clone, Debug)]
pub enum Ask {
    /// A token for the client itself (RFC 6749 §4.4).
    ClientCredentials {
        /// Which program is asking.
        client: ClientCredentials,
        /// What it would like to be allowed; nothing said means all it may have.
        scope: Option<Scope>,
    },
    /// A token for a person who proves a name and a password.
    Login {
        /// The name they log in with: the account's key.
        key: String,
        /// Their password; absent is as wrong as wrong.
        password: Option<Secret>,
    },
    /// A new access token for a refresh token that never changes.
    Renew {
        /// The refresh token.
        refresh_token: Secret,
    },
    /// A new account.
    Register {
        /// The name they choose.
        name: String,
        /// The password they choose.
        password: Secret,
    },
    /// The key of an account whose owner has forgotten it.
    RecoverKey {
        /// The account's name.
        name: String,
        /// Their password; absent is as wrong as wrong.
        password: Option<Secret>,
    },
    /// The public keys (RFC 7517 §5).
    Keys,
    /// What this token service offers (RFC 8414).
    Metadata,
}

/// How a program says which one it is (RFC 6749 §2.3).
#[derive(Clone, Debug)]
pub struct ClientCredentials {
    /// Its identifier.
    pub id: String,
    /// Its secret.
    pub secret: Secret,
    /// Whether these came in the `Authorization` header; a failure is then answered with a challenge (RFC 6749 §5.2).
    pub in_header: bool,
}

/// What a client gets.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Tokens.
    Issued(Issued),
    /// The key of an account: new, or recovered.
    AccountKey(String),
    /// The public keys, as a JWK set (RFC 7517 §5).
    Keys(serde_json::Value),
    /// The identifier of this issuer; the dialect adds its own paths.
    Metadata {
        /// The issuer identifier (RFC 8414 §2).
        issuer: String,
    },
}

/// Tokens that were issued (RFC 6749 §5.1).
#[derive(Clone, Debug)]
pub struct Issued {
    /// The access token.
    pub access_token: Secret,
    /// How long it lives.
    pub expires_in: Duration,
    /// The refresh token, if there is one.
    pub refresh_token: Option<Secret>,
    /// What it permits.
    pub scope: Scope,
}
