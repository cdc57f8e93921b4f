//! Why a request has no identity, and why an issuer could not be asked.

use std::sync::Arc;
use std::time::Duration;

use crate::net::OutboundError;
use crate::observe::Refusal;
use crate::token::{BadSignature, ClaimError, KeyError, Timestamp};

/// Why a request has no identity.
#[derive(Clone, Debug, thiserror::Error)]
pub enum VerifyError {
    /// More than one credential came (RFC 6750 §2).
    #[error("choose between several credentials")]
    TwoCredentials,
    /// What came is not a token; the words say what is wrong with it.
    #[error("read the token: {0}")]
    Malformed(&'static str),
    /// The token's algorithm is not one its issuer may use.
    #[error("accept the token's algorithm")]
    AlgorithmRefused,
    /// Nobody whose tokens the route accepts.
    #[error("find the token's issuer among those of the route")]
    UnknownIssuer,
    /// Its issuer has no such key.
    #[error("find the token's key among those of its issuer")]
    UnknownKey,
    /// The signature does not fit.
    #[error("verify the token")]
    BadSignature(#[source] BadSignature),
    /// Too many forged tokens came from there, and this one may be another.
    #[error("look at another token from where so many forged ones came from")]
    TooManyForgeries {
        /// How long none is looked at.
        retry_after: Duration,
    },
    /// The token's time is over.
    #[error("accept a token that expired at {at}")]
    Expired {
        /// Its `exp`.
        at: Timestamp,
    },
    /// The token's time has yet to come.
    #[error("accept a token before its time")]
    NotYetValid,
    /// The token is meant for somebody else.
    #[error("accept a token that is meant for somebody else")]
    WrongAudience,
    /// A claim is missing, or has the wrong type or an unusable value.
    #[error("use the token's claims")]
    Claim(#[source] ClaimError),
    /// It is an ID token (`OpenID` Connect Core §2), or of another type that is not for access.
    #[error("accept a token that is not an access token")]
    NotAnAccessToken,
    /// The token was taken back.
    #[error("accept a token that was taken back")]
    Revoked,
    /// Nobody can say now whether the token was taken back.
    #[error("learn from the store whether the token was taken back")]
    RevocationsUnknown,
    /// The introspection endpoint does not know the token as active (RFC 7662 §2.2).
    #[error("accept a token that is not active")]
    Inactive,
    /// The issuer's keys cannot be had now.
    #[error("get the keys of issuer {issuer}")]
    KeysUnavailable {
        /// The issuer's name in the operator's file.
        issuer: Arc<str>,
    },
    /// The introspection endpoint cannot be asked now.
    #[error("ask issuer {issuer} about the token")]
    IntrospectionUnavailable {
        /// The issuer's name in the operator's file.
        issuer: Arc<str>,
        /// What went wrong; shared by all who waited for the same answer.
        #[source]
        cause: Arc<AskError>,
    },
}

impl From<ClaimError> for VerifyError {
    fn from(error: ClaimError) -> Self {
        match error {
            ClaimError::NotAnObject => Self::Malformed("claims are not one strict JSON object"),
            error => Self::Claim(error),
        }
    }
}

impl From<VerifyError> for Refusal {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::TwoCredentials => Self::TwoCredentials,
            VerifyError::Malformed(_) => Self::MalformedToken,
            VerifyError::AlgorithmRefused => Self::AlgorithmRefused,
            VerifyError::UnknownIssuer => Self::UnknownIssuer,
            VerifyError::UnknownKey => Self::UnknownKey,
            VerifyError::BadSignature(_) => Self::BadSignature,
            VerifyError::TooManyForgeries { retry_after } => Self::RateLimited { retry_after },
            VerifyError::Expired { at } => Self::Expired { at },
            VerifyError::NotYetValid => Self::NotYetValid,
            VerifyError::WrongAudience => Self::WrongAudience,
            VerifyError::Claim(_) | VerifyError::NotAnAccessToken => Self::ClaimType,
            VerifyError::Revoked => Self::Revoked,
            VerifyError::RevocationsUnknown => Self::StoreUnavailable,
            VerifyError::Inactive => Self::Inactive,
            VerifyError::KeysUnavailable { .. } => Self::KeysUnavailable,
            VerifyError::IntrospectionUnavailable { .. } => Self::IntrospectionUnavailable,
        }
    }
}

/// Why an issuer could not be asked for its keys, or about a token.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// It could not be reached, or broke off.
    #[error("reach the issuer")]
    Outbound(#[from] OutboundError),
    /// It answered with a status other than 200. Redirects are never followed.
    #[error("use an answer with status {0}")]
    Status(http::StatusCode),
    /// Its answer does not have the shape it must have.
    #[error("read the answer: {0}")]
    Answer(&'static str),
    /// The key set holds no key that may be used.
    #[error("find a usable key in the set")]
    NoUsableKey(#[source] Option<KeyError>),
    /// The file cannot be read.
    #[error("read the key file")]
    File(#[source] std::io::Error),
    /// It was not asked to the end, because the program is stopping.
    #[error("wait for the issuer while stopping")]
    Stopped,
}

/// Why an issuer of the operator's file cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// An address is not one we may ask.
    #[error("use the address of issuer {issuer}")]
    Address {
        /// The issuer's name.
        issuer: String,
        /// Why not.
        #[source]
        cause: OutboundError,
    },
    /// A setting is missing, or does not belong there.
    #[error("set up issuer {issuer}: {fault}")]
    Setting {
        /// The issuer's name.
        issuer: String,
        /// What is wrong.
        fault: &'static str,
    },
    /// The client secret cannot be had.
    #[error("get the client secret of issuer {issuer}")]
    Secret {
        /// The issuer's name.
        issuer: String,
        /// Why not.
        #[source]
        cause: crate::settings::SecretError,
    },
    /// A route names an issuer that is not there.
    #[error("find issuer {0}")]
    NoSuchIssuer(String),
    /// Two issuers of one route cannot be told apart.
    #[error("tell issuers {0} and {1} of one route apart by their tokens")]
    Alike(String, String),
}
