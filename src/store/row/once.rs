//! What can be used once.

use super::SessionId;
use crate::token::{Digest, Timestamp};

/// Something that can be used once: a code, or a proof that must not be shown twice.
#[derive(Clone, Debug)]
pub struct OneTime {
    /// What it is.
    pub kind: OneTimeKind,
    /// The SHA-256 of the secret, or of what makes it this one.
    pub digest: Digest,
    /// What it stands for; its kind knows how to read it. Nothing secret.
    pub payload: String,
    /// When it is worth nothing any more, and may be forgotten.
    pub expires_at: Timestamp,
}

/// What can be used once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OneTimeKind {
    /// An authorization code (RFC 6749 §4.1.2).
    Code,
    /// A code that hands a session over to a browser.
    Handoff,
    /// The nonce of a message signed by a wallet (EIP-4361).
    Nonce,
    /// The `jti` of a client assertion (RFC 7523 §3).
    Assertion,
    /// A step of a second factor (RFC 6238 §5.2).
    Totp,
}

/// What became of an attempt to use something that can be used once.
#[derive(Clone, Debug)]
#[must_use]
pub enum Redeemed {
    /// It was there and is spent now.
    First(OneTime),
    /// It had been spent before, for this session if for any.
    Again(Option<SessionId>),
    /// There is no such thing, or its time is over.
    Unknown,
}

impl OneTimeKind {
    pub(in crate::store) const fn word(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Handoff => "handoff",
            Self::Nonce => "nonce",
            Self::Assertion => "assertion",
            Self::Totp => "totp",
        }
    }
}
