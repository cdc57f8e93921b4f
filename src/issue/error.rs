//! Why an ask is not answered.

use std::time::Duration;

/// Why an ask is not answered. What each means on the wire is the dialect's word.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The client is unknown, its secret wrong, or it is disabled (RFC 6749 §5.2 `invalid_client`).
    #[error("authenticate the client")]
    InvalidClient {
        /// Whether the attempt was made in the `Authorization` header.
        in_header: bool,
    },
    /// The client may not use this grant (`unauthorized_client`).
    #[error("let this client use this grant")]
    UnauthorizedClient,
    /// The client asked for more than it may have (`invalid_scope`).
    #[error("grant this scope")]
    InvalidScope,
    /// The name is unknown, the password wrong, or the account disabled; nobody outside learns which.
    #[error("recognise these credentials")]
    InvalidCredentials,
    /// The refresh token is unknown, or was taken back (`invalid_grant`).
    #[error("recognise this refresh token")]
    InvalidGrant,
    /// A name or password of blanks, too long, or with control characters.
    #[error("register such a name or password")]
    UnusableName,
    /// The name is somebody else's.
    #[error("register a name that is taken")]
    NameTaken,
    /// This mount registers nobody.
    #[error("register anybody: registration is closed")]
    RegistrationClosed,
    /// The queue for password hashing is full.
    #[error("hash another password now")]
    Busy {
        /// How long to wait.
        retry_after: Duration,
    },
    /// The store cannot be asked now.
    #[error("reach the store")]
    Store(#[source] crate::store::StoreError),
    /// Signing failed: there is no usable key.
    #[error("sign the token")]
    Sign(#[source] crate::token::KeyError),
}
