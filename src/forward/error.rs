//! Why a request did not reach its upstream, or no answer came back.

use std::error::Error;

use http::header::InvalidHeaderValue;

use crate::net::BodyError;
use crate::observe::Refusal;

/// Why there is no answer from the upstream.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    /// The upstream cannot be reached.
    #[error("connect to the upstream")]
    Connect(#[source] ConnectError),
    /// The upstream broke off before it had answered, or its answer is not HTTP.
    #[error("get an answer from the upstream")]
    Answer(#[source] hyper::Error),
    /// The upstream switched protocols though nobody had asked it to.
    #[error("understand an upstream that switches protocols unasked")]
    Unasked,
    /// The upstream took too long to begin its answer.
    #[error("wait any longer for the upstream")]
    Timeout,
    /// A value that cannot stand in a header field.
    #[error("write the head")]
    Head(#[source] InvalidHeaderValue),
    /// The client's body broke off, was too large, or stalled.
    #[error("pass the client's body on")]
    ClientBody(#[source] BodyError),
}

/// Why a connection to an upstream could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The name has no address.
    #[error("find an address for {host}")]
    Resolve {
        /// The name.
        host: String,
        /// What the resolver said.
        source: std::io::Error,
    },
    /// Nobody answered, or the answer was no.
    #[error("reach {host}")]
    Reach {
        /// The name.
        host: String,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The TLS handshake failed.
    #[error("agree on TLS with {host}")]
    Tls {
        /// The name.
        host: String,
        /// What went wrong.
        source: std::io::Error,
    },
    /// HTTP could not begin on the connection.
    #[error("begin HTTP")]
    Http(#[source] hyper::Error),
    /// The upstream closed the new connection before a request was sent.
    #[error("keep a new connection open")]
    Closed,
    /// It took too long.
    #[error("connect in time")]
    Timeout,
}

impl ForwardError {
    /// Sorts what the HTTP library reports: the client's body may be what failed.
    pub(super) fn of_exchange(error: hyper::Error) -> Self {
        match body_error(&error) {
            Some(BodyError::TooLarge) => Self::ClientBody(BodyError::TooLarge),
            Some(BodyError::Idle) => Self::ClientBody(BodyError::Idle),
            Some(BodyError::PermitEnded) => Self::ClientBody(BodyError::PermitEnded),
            Some(BodyError::Broken(_)) => Self::ClientBody(BodyError::Broken(error)),
            None => Self::Answer(error),
        }
    }
}

fn body_error(error: &hyper::Error) -> Option<&BodyError> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        cause = error.source();
    }
    None
}

impl From<&ForwardError> for Refusal {
    fn from(error: &ForwardError) -> Self {
        match error {
            ForwardError::Connect(_) => Self::NoUpstream,
            ForwardError::Answer(_) | ForwardError::Unasked => Self::UpstreamError,
            ForwardError::Timeout => Self::UpstreamTimeout,
            ForwardError::ClientBody(BodyError::TooLarge) => Self::BodyTooLarge,
            ForwardError::Head(_) => Self::BadRequest("the head cannot be passed on"),
            ForwardError::ClientBody(_) => Self::BadRequest("the body broke off"),
        }
    }
}
