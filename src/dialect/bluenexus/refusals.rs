//! What goes wrong, in the two shapes.

use std::time::Duration;

use http::header::{PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use serde_json::json;

use super::endpoints::{self, AUTHENTICATE, HANDOFF_REDEEM, REGISTER};
use super::fields::Mistake;
use crate::dialect::standard::{self, answer, whole_seconds};
use crate::dialect::{Endpoint, Malformed, Place};
use crate::issue::IssueError;
use crate::net::Body;
use crate::observe::Refusal;

/// What is told to a request that could not be read.
pub(super) fn malformed(at: &Endpoint, mistake: &Mistake) -> Malformed {
    let response = if mistake.error == "invalid_client" {
        not_a_client(at, &mistake.sentence)
    } else if endpoints::speaks_oauth(at) {
        oauth(StatusCode::BAD_REQUEST, mistake.error, &mistake.sentence)
    } else {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        api(status, "ValidationError", &mistake.sentence)
    };
    Malformed::new(mistake.error, response)
}

/// What is told of an ask that was not answered.
pub(super) fn failed(at: &Endpoint, error: &IssueError) -> Response<Body> {
    match error {
        IssueError::Busy { retry_after } | IssueError::TooManyAttempts { retry_after } => {
            throttled(*retry_after)
        }
        IssueError::Store(_) => unavailable(at),
        IssueError::Sign(_) => broken(at),
        _ if at.name == AUTHENTICATE => not_authenticated(at, error),
        _ if endpoints::speaks_oauth(at) => not_granted(at, error),
        _ => not_handed_over(at, error),
    }
}

/// What is told of a request that did not pass, on a route or in front of an endpoint.
pub(super) fn refused(refusal: &Refusal, place: &Place<'_>) -> Response<Body> {
    let status = standard::status(refusal);
    let message = match refusal {
        Refusal::RateLimited { .. } => THROTTLED,
        refusal => standard::sentence(refusal),
    };
    let mut response = api(status, name(refusal, status), message);
    standard::tell(refusal, place, response.headers_mut());
    response
}

/// What the shape without OAuth calls a refusal.
fn name(refusal: &Refusal, status: StatusCode) -> &'static str {
    match refusal {
        Refusal::MissingToken { .. } => "UnauthorizedError",
        Refusal::Expired { .. } => "TokenExpiredError",
        Refusal::Revoked => "SessionRevokedError",
        Refusal::InsufficientScope { .. } => "InsufficientScopeError",
        token if token.is_invalid_token() => "InvalidTokenError",
        _ => match status {
            StatusCode::BAD_REQUEST => "BadRequestError",
            StatusCode::FORBIDDEN => "ForbiddenError",
            StatusCode::NOT_FOUND => "NotFoundError",
            StatusCode::METHOD_NOT_ALLOWED => "MethodNotAllowedError",
            StatusCode::PAYLOAD_TOO_LARGE => "PayloadTooLargeError",
            StatusCode::MISDIRECTED_REQUEST => "MisdirectedRequestError",
            StatusCode::TOO_MANY_REQUESTS => "TooManyRequestsError",
            StatusCode::BAD_GATEWAY => "BadGatewayError",
            StatusCode::SERVICE_UNAVAILABLE => "ServiceUnavailableError",
            StatusCode::GATEWAY_TIMEOUT => "GatewayTimeoutError",
            _ => "InternalServerError",
        },
    }
}

/// Whatever is wrong with a signed message or with the session it is to continue is told in the same words.
fn not_authenticated(at: &Endpoint, error: &IssueError) -> Response<Body> {
    match error {
        IssueError::InvalidRequest(sentence) => {
            oauth(StatusCode::BAD_REQUEST, "invalid_request", sentence)
        }
        IssueError::InvalidClient { in_header } => {
            let mut response = not_a_client(at, NOT_A_CLIENT);
            if *in_header {
                let challenge =
                    HeaderValue::from_static("Basic realm=\"authenticate\", charset=\"UTF-8\"");
                response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
            }
            response
        }
        IssueError::ForbiddenClient | IssueError::UnauthorizedClient => {
            unauthorized("this client may not sign users in by their wallets")
        }
        _ => unauthorized("the signed message was not accepted"),
    }
}

fn not_granted(at: &Endpoint, error: &IssueError) -> Response<Body> {
    let bad = |error, sentence| oauth(StatusCode::BAD_REQUEST, error, sentence);
    match error {
        IssueError::InvalidClient { .. } => not_a_client(at, NOT_A_CLIENT),
        IssueError::UnauthorizedClient | IssueError::ForbiddenClient => bad(
            "unauthorized_client",
            "this client may not use this grant type",
        ),
        IssueError::InvalidScope => bad("invalid_scope", "this scope cannot be granted"),
        IssueError::InvalidGrant | IssueError::InvalidCredentials => {
            bad("invalid_grant", "the grant is invalid, expired or revoked")
        }
        IssueError::InvalidRequest(sentence) => bad("invalid_request", sentence),
        IssueError::InvalidRedirectUri(sentence) => bad("invalid_redirect_uri", sentence),
        IssueError::InvalidMetadata(sentence) => bad("invalid_client_metadata", sentence),
        IssueError::ForeignRegistration => not_registered(),
        IssueError::TooManyClients => later(unavailable(at), Duration::from_hours(1)),
        IssueError::RegistrationClosed if at.name == REGISTER => api(
            StatusCode::FORBIDDEN,
            "ForbiddenError",
            "registration is closed",
        ),
        _ => broken(at),
    }
}

/// RFC 7592 §2, RFC 6750 §3.
fn not_registered() -> Response<Body> {
    let sentence = "the token is not that of this registration";
    let mut response = oauth(StatusCode::UNAUTHORIZED, "invalid_token", sentence);
    let challenge =
        HeaderValue::from_static("Bearer realm=\"registration\", error=\"invalid_token\"");
    response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    response
}

fn not_handed_over(at: &Endpoint, error: &IssueError) -> Response<Body> {
    let bad = |sentence| api(StatusCode::BAD_REQUEST, "BadRequestError", sentence);
    match error {
        IssueError::ForbiddenClient => {
            let sentence = "only clients under their own label may hand sessions over";
            api(StatusCode::FORBIDDEN, "ForbiddenError", sentence)
        }
        // The words of the original.
        IssueError::UnfitClient => bad("Unable to determine client criterias for secure handoff"),
        IssueError::InvalidRedirectUri(sentence) | IssueError::InvalidRequest(sentence) => {
            bad(sentence)
        }
        IssueError::InvalidGrant if at.name == HANDOFF_REDEEM => {
            bad("the code is unknown, spent or expired")
        }
        IssueError::InvalidGrant => {
            let sentence = "the session of this access token has ended";
            api(StatusCode::UNAUTHORIZED, "SessionRevokedError", sentence)
        }
        _ => broken(at),
    }
}

/// The original says 400 where RFC 6749 §5.2 would have 401, except of `/authenticate`.
fn not_a_client(at: &Endpoint, sentence: &str) -> Response<Body> {
    if at.name == AUTHENTICATE {
        unauthorized(sentence)
    } else {
        oauth(StatusCode::BAD_REQUEST, "invalid_client", sentence)
    }
}

fn unauthorized(sentence: &str) -> Response<Body> {
    uncached(api(StatusCode::UNAUTHORIZED, "UnauthorizedError", sentence))
}

fn throttled(wait: Duration) -> Response<Body> {
    let status = StatusCode::TOO_MANY_REQUESTS;
    later(api(status, "TooManyRequestsError", THROTTLED), wait)
}

fn unavailable(at: &Endpoint) -> Response<Body> {
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let sentence = "the request cannot be answered at the moment";
    let response = if endpoints::speaks_oauth(at) {
        oauth(status, "temporarily_unavailable", sentence)
    } else {
        api(status, "ServiceUnavailableError", sentence)
    };
    later(response, Duration::from_secs(1))
}

/// Something is wrong on our side.
pub(super) fn broken(at: &Endpoint) -> Response<Body> {
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    let sentence = "something went wrong on our side";
    if endpoints::speaks_oauth(at) {
        oauth(status, "server_error", sentence)
    } else {
        api(status, "InternalServerError", sentence)
    }
}

fn later(mut response: Response<Body>, wait: Duration) -> Response<Body> {
    let headers = response.headers_mut();
    headers.insert(RETRY_AFTER, whole_seconds(wait));
    response
}

fn oauth(status: StatusCode, error: &str, sentence: &str) -> Response<Body> {
    let body = json!({
        "error": error,
        "error_description": sentence,
        "message": sentence,
        "statusCode": status.as_u16(),
    });
    uncached(answer(status, "application/json", body.to_string()))
}

fn api(status: StatusCode, error: &str, message: &str) -> Response<Body> {
    let body = json!({ "error": error, "message": message, "statusCode": status.as_u16() });
    answer(status, "application/json", body.to_string())
}

/// For caches older than `Cache-Control` (RFC 6749 §5.1).
pub(super) fn uncached(mut response: Response<Body>) -> Response<Body> {
    let headers = response.headers_mut();
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

const NOT_A_CLIENT: &str = "the client is unknown or its secret is wrong";
const THROTTLED: &str = "Rate limit exceeded";
