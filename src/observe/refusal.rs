//! Every reason a request does not pass: a closed list.

use std::time::Duration;

use crate::token::{Scope, Timestamp};

/// Why a request did not pass.
///
/// Each reason has one code ([`Refusal::code`]), the same in log, metric, explanation and answer. The facts it carries
/// are those an answer may tell; the chain of causes goes to the log where the failure happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The request breaks a rule of HTTP; the sentence says which.
    BadRequest(&'static str),
    /// The path can be read in more than one way; the sentence says why.
    AmbiguousPath(&'static str),
    /// More than one credential came with the request (RFC 6750 §2).
    TwoCredentials,
    /// The route wants a token and none came (RFC 6750 §3.1: no error code).
    MissingToken {
        /// What the route would want of a token.
        needed: Scope,
    },
    /// What came is not a token.
    MalformedToken,
    /// The token's algorithm is not one its issuer may use.
    AlgorithmRefused,
    /// Nobody whose tokens this route accepts.
    UnknownIssuer,
    /// Its issuer has no such key.
    UnknownKey,
    /// The signature does not fit.
    BadSignature,
    /// The token's time is over.
    Expired {
        /// Its `exp`.
        at: Timestamp,
    },
    /// The token's time has yet to come.
    NotYetValid,
    /// The token is meant for somebody else.
    WrongAudience,
    /// A claim is missing or has the wrong type.
    ClaimType,
    /// The token was taken back.
    Revoked,
    /// The introspection endpoint does not know the token as active.
    Inactive,
    /// The token may not do this (RFC 6750 §3.1).
    InsufficientScope {
        /// What the route wants.
        needed: Scope,
        /// What the token has.
        held: Scope,
    },
    /// A claim does not have one of the values the route wants.
    ClaimMismatch,
    /// No route leads there.
    NoRoute,
    /// A route leads there, but not for this method.
    MethodNotAllowed {
        /// The methods that would do, as the `Allow` header lists them.
        allow: String,
    },
    /// The body is larger than the route takes.
    BodyTooLarge,
    /// The request came over a connection that is not for this host (RFC 9110 §15.5.20).
    Misdirected,
    /// Too often.
    RateLimited {
        /// How long to wait.
        retry_after: Duration,
    },
    /// The issuer's keys cannot be had now.
    KeysUnavailable,
    /// The introspection endpoint cannot be asked now.
    IntrospectionUnavailable,
    /// The store cannot be asked now.
    StoreUnavailable,
    /// More work than there is room for.
    Overloaded,
    /// The upstream cannot be reached.
    NoUpstream,
    /// The upstream broke off or answered what is not HTTP.
    UpstreamError,
    /// The upstream took too long.
    UpstreamTimeout,
}

/// Whose doing a refusal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The client sent what cannot pass.
    Client,
    /// The upstream did not do its part.
    Upstream,
    /// The gate, or something it depends on, could not decide.
    Gate,
}

impl Refusal {
    /// The stable word for this reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::BadRequest(_) => "bad_request",
            Self::AmbiguousPath(_) => "ambiguous_path",
            Self::TwoCredentials => "two_credentials",
            Self::MissingToken { .. } => "missing_token",
            Self::MalformedToken => "malformed_token",
            Self::AlgorithmRefused => "algorithm_refused",
            Self::UnknownIssuer => "unknown_issuer",
            Self::UnknownKey => "unknown_key",
            Self::BadSignature => "bad_signature",
            Self::Expired { .. } => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::WrongAudience => "wrong_audience",
            Self::ClaimType => "claim_type",
            Self::Revoked => "revoked",
            Self::Inactive => "inactive",
            Self::InsufficientScope { .. } => "insufficient_scope",
            Self::ClaimMismatch => "claim_mismatch",
            Self::NoRoute => "no_route",
            Self::MethodNotAllowed { .. } => "method_not_allowed",
            Self::BodyTooLarge => "body_too_large",
            Self::Misdirected => "misdirected",
            Self::RateLimited { .. } => "rate_limited",
            Self::KeysUnavailable => "keys_unavailable",
            Self::IntrospectionUnavailable => "introspection_unavailable",
            Self::StoreUnavailable => "store_unavailable",
            Self::Overloaded => "overloaded",
            Self::NoUpstream => "no_upstream",
            Self::UpstreamError => "upstream_error",
            Self::UpstreamTimeout => "upstream_timeout",
        }
    }

    /// Whose doing it is.
    pub const fn fault(&self) -> Fault {
        match self {
            Self::NoUpstream | Self::UpstreamError | Self::UpstreamTimeout => Fault::Upstream,
            Self::KeysUnavailable
            | Self::IntrospectionUnavailable
            | Self::StoreUnavailable
            | Self::Overloaded => Fault::Gate,
            _ => Fault::Client,
        }
    }

    /// Whether a token came and was judged bad: what RFC 6750 §3.1 calls `invalid_token`.
    pub const fn is_invalid_token(&self) -> bool {
        matches!(
            self,
            Self::MalformedToken
                | Self::AlgorithmRefused
                | Self::UnknownIssuer
                | Self::UnknownKey
                | Self::BadSignature
                | Self::Expired { .. }
                | Self::NotYetValid
                | Self::WrongAudience
                | Self::ClaimType
                | Self::Revoked
                | Self::Inactive
        )
    }

    /// When it is worth trying again, where that is known.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after } => Some(*retry_after),
            Self::KeysUnavailable
            | Self::IntrospectionUnavailable
            | Self::StoreUnavailable
            | Self::Overloaded => Some(Duration::from_secs(1)),
            _ => None,
        }
    }
}
