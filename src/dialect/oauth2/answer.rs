//! What a client is told, in the words of RFC 6749 §5, RFC 7662 §2.2 and RFC 7009 §2.2.

use std::time::Duration;

use http::header::{CACHE_CONTROL, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use serde_json::{Map, Value, json};

use crate::dialect::standard::{answer, whole_seconds};
use crate::issue::{Introspected, IssueError, Issued};
use crate::net::Body;
use crate::token::Secret;

/// What is wrong with a request, in the words of RFC 6749 §5.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mistake {
    pub(super) error: &'static str,
    pub(super) description: &'static str,
}

impl Mistake {
    pub(super) const fn request(description: &'static str) -> Self {
        Self {
            error: "invalid_request",
            description,
        }
    }

    pub(super) const fn client(description: &'static str) -> Self {
        Self {
            error: "invalid_client",
            description,
        }
    }

    /// 401 and a challenge for a client that could not be authenticated, else 400.
    pub(super) fn response(self) -> Response<Body> {
        if self.error != "invalid_client" {
            return failed(StatusCode::BAD_REQUEST, self);
        }
        let mut response = failed(StatusCode::UNAUTHORIZED, self);
        let challenge = HeaderValue::from_static("Basic realm=\"token\", charset=\"UTF-8\"");
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        response
    }
}

/// RFC 6749 §5.1.
pub(super) fn granted(issued: &Issued) -> Response<Body> {
    let mut body = Map::new();
    body.insert("access_token".into(), issued.access_token.reveal().into());
    body.insert("token_type".into(), "Bearer".into());
    body.insert("expires_in".into(), issued.expires_in.as_secs().into());
    // Said even where nothing is permitted, if something was asked for (RFC 6749 §5.1).
    if !issued.scope.is_empty() || !issued.scope_as_asked {
        body.insert("scope".into(), issued.scope.as_str().into());
    }
    if let Some(token) = &issued.refresh_token {
        body.insert("refresh_token".into(), token.reveal().into());
    }
    said(&Value::Object(body))
}

/// RFC 7662 §2.2.
pub(super) fn introspected(token: Option<&Introspected>) -> Response<Body> {
    said(&Introspected::members(token))
}

/// RFC 9701 §5.
pub(super) fn introspected_signed(jwt: &Secret) -> Response<Body> {
    uncached(answer(
        StatusCode::OK,
        INTROSPECTION_JWT,
        jwt.reveal().to_owned(),
    ))
}

/// RFC 7009 §2.2: the status says it all.
pub(super) fn revoked() -> Response<Body> {
    said(&json!({}))
}

/// What everybody may know and keep for a while.
pub(super) fn published(kind: &'static str, body: &Value) -> Response<Body> {
    let mut response = answer(StatusCode::OK, kind, body.to_string());
    let for_a_while = HeaderValue::from_static("public, max-age=3600");
    response.headers_mut().insert(CACHE_CONTROL, for_a_while);
    response
}

pub(super) fn failure(error: &IssueError) -> Response<Body> {
    let refused =
        |error, description| failed(StatusCode::BAD_REQUEST, Mistake { error, description });
    match error {
        IssueError::InvalidClient { .. } => {
            Mistake::client("the client is unknown or its proof is wrong").response()
        }
        IssueError::UnauthorizedClient | IssueError::ForbiddenClient => refused(
            "unauthorized_client",
            "this client may not use this grant type",
        ),
        IssueError::InvalidScope => failed(StatusCode::BAD_REQUEST, INVALID_SCOPE),
        IssueError::InvalidCredentials | IssueError::InvalidGrant => {
            refused("invalid_grant", "the grant is invalid, expired or revoked")
        }
        IssueError::InvalidRequest(sentence) => refused("invalid_request", sentence),
        IssueError::Busy { retry_after } | IssueError::TooManyAttempts { retry_after } => {
            later(StatusCode::TOO_MANY_REQUESTS, *retry_after)
        }
        IssueError::Store(_) => later(StatusCode::SERVICE_UNAVAILABLE, Duration::from_secs(1)),
        _ => failed(StatusCode::INTERNAL_SERVER_ERROR, SERVER_ERROR),
    }
}

fn later(status: StatusCode, wait: Duration) -> Response<Body> {
    let mistake = Mistake {
        error: "temporarily_unavailable",
        description: "the request cannot be answered at the moment",
    };
    let mut response = failed(status, mistake);
    response
        .headers_mut()
        .insert(RETRY_AFTER, whole_seconds(wait));
    response
}

fn said(body: &Value) -> Response<Body> {
    uncached(answer(StatusCode::OK, "application/json", body.to_string()))
}

pub(super) fn failed(status: StatusCode, mistake: Mistake) -> Response<Body> {
    let body = json!({ "error": mistake.error, "error_description": mistake.description });
    uncached(answer(status, "application/json", body.to_string()))
}

/// For caches older than `Cache-Control` (RFC 6749 §5.1).
fn uncached(mut response: Response<Body>) -> Response<Body> {
    let headers = response.headers_mut();
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

pub(super) const INVALID_SCOPE: Mistake = Mistake {
    error: "invalid_scope",
    description: "the scope is malformed, unknown, or more than this client may have",
};

pub(super) const SERVER_ERROR: Mistake = Mistake {
    error: "server_error",
    description: "something went wrong on our side",
};

/// What a signed answer is called, by whoever asks for one (RFC 9701 §4).
pub(super) const INTROSPECTION_JWT: &str = "application/token-introspection+jwt";
