//! Refusals in the plain words of RFC 9110 and RFC 6750: the default voice, and the one table from refusal to answer.

use std::fmt::Write as _;
use std::time::Duration;

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde_json::json;

use super::Place;
use crate::net::Body;
use crate::observe::Refusal;

/// The status of a refusal: the one table.
pub fn status(refusal: &Refusal) -> StatusCode {
    use Refusal as R;
    match refusal {
        R::BadRequest(_) | R::AmbiguousPath(_) | R::TwoCredentials => StatusCode::BAD_REQUEST,
        R::MissingToken { .. }
        | R::MalformedToken
        | R::AlgorithmRefused
        | R::UnknownIssuer
        | R::UnknownKey
        | R::BadSignature
        | R::Expired { .. }
        | R::NotYetValid
        | R::WrongAudience
        | R::ClaimType
        | R::Revoked
        | R::Inactive => StatusCode::UNAUTHORIZED,
        R::InsufficientScope { .. } | R::ClaimMismatch => StatusCode::FORBIDDEN,
        R::NoRoute => StatusCode::NOT_FOUND,
        R::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
        R::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        R::Misdirected => StatusCode::MISDIRECTED_REQUEST,
        R::RateLimited { .. } => StatusCode::TOO_MANY_REQUESTS,
        R::NoUpstream | R::UpstreamError => StatusCode::BAD_GATEWAY,
        R::KeysUnavailable | R::IntrospectionUnavailable | R::StoreUnavailable | R::Overloaded => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        R::UpstreamTimeout => StatusCode::GATEWAY_TIMEOUT,
    }
}

/// What is wrong, in a sentence that is the same every time: without digits, and without anything the client sent.
pub const fn sentence(refusal: &Refusal) -> &'static str {
    use Refusal as R;
    match refusal {
        R::BadRequest(sentence) | R::AmbiguousPath(sentence) => sentence,
        R::TwoCredentials => "more than one credential was sent",
        R::MissingToken { .. } => "an access token is required",
        R::MalformedToken => "the access token is malformed",
        R::AlgorithmRefused => "the algorithm of the access token is not accepted",
        R::UnknownIssuer => "the issuer of the access token is not accepted here",
        R::UnknownKey => "the key of the access token is unknown",
        R::BadSignature => "the signature of the access token does not fit",
        R::Expired { .. } => "the access token has expired",
        R::NotYetValid => "the access token is not valid yet",
        R::WrongAudience => "the access token is meant for somebody else",
        R::ClaimType => "a claim of the access token is missing or has the wrong type",
        R::Revoked => "the access token was revoked",
        R::Inactive => "the access token is not active",
        R::InsufficientScope { .. } => "the access token does not permit this",
        R::ClaimMismatch => "the access token does not meet what is asked here",
        R::NoRoute => "nothing is found here",
        R::MethodNotAllowed { .. } => "this method is not allowed here",
        R::BodyTooLarge => "the body of the request is too large",
        R::Misdirected => "this connection is not for this host",
        R::RateLimited { .. } => "too many requests",
        R::KeysUnavailable | R::IntrospectionUnavailable => {
            "the access token cannot be checked at the moment"
        }
        R::StoreUnavailable => "the request cannot be decided at the moment",
        R::Overloaded => "there is more work than there is room for at the moment",
        R::NoUpstream => "the server behind this gateway cannot be reached",
        R::UpstreamError => "the server behind this gateway gave no usable answer",
        R::UpstreamTimeout => "the server behind this gateway took too long",
    }
}

/// Refuses in the standard voice: status, the headers of [`tell`], and a problem document (RFC 9457).
pub fn refuse(refusal: &Refusal, place: &Place<'_>) -> Response<Body> {
    let status = status(refusal);
    let problem = json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or_default(),
        "status": status.as_u16(),
        "code": refusal.code(),
        "detail": sentence(refusal),
        "request_id": place.request_id,
    });
    let mut response = answer(status, "application/problem+json", problem.to_string());
    tell(refusal, place, response.headers_mut());
    response
}

/// The headers that go with a refusal in whatever voice: `WWW-Authenticate`, `Retry-After`, `Allow`.
pub fn tell(refusal: &Refusal, place: &Place<'_>, headers: &mut HeaderMap) {
    if let Some(challenge) = challenge(refusal, place.realm) {
        headers.insert(WWW_AUTHENTICATE, challenge);
    }
    if let Some(wait) = refusal.retry_after() {
        headers.insert(RETRY_AFTER, whole_seconds(wait));
    }
    if let Refusal::MethodNotAllowed { allow } = refusal {
        set(headers, ALLOW, allow);
    }
}

/// The challenge of RFC 6750 §3. Without a token there is no error to name (§3.1).
fn challenge(refusal: &Refusal, realm: &str) -> Option<HeaderValue> {
    let (error, needed) = match refusal {
        Refusal::MissingToken { needed } => (None, Some(needed)),
        Refusal::TwoCredentials => (Some("invalid_request"), None),
        Refusal::InsufficientScope { needed, .. } => (Some("insufficient_scope"), Some(needed)),
        token if token.is_invalid_token() => (Some("invalid_token"), None),
        _ => return None,
    };
    let mut text = format!("Bearer realm={}", Quoted(realm));
    if let Some(error) = error {
        let description = Quoted(sentence(refusal));
        let _ = write!(text, ", error=\"{error}\", error_description={description}");
    }
    if let Some(scope) = needed.filter(|scope| !scope.is_empty()) {
        let _ = write!(text, ", scope={}", Quoted(scope.as_str()));
    }
    HeaderValue::try_from(text).ok()
}

/// A response with this body, which no cache keeps.
pub(super) fn answer(
    status: StatusCode,
    kind: &'static str,
    body: impl Into<Body>,
) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A wait in whole seconds (RFC 9110 §10.2.3), rounded up: whoever comes back then is not early.
pub(super) fn whole_seconds(wait: Duration) -> HeaderValue {
    let spare = u64::from(wait.subsec_nanos() > 0);
    HeaderValue::from(wait.as_secs().saturating_add(spare).max(1))
}

fn set(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.insert(name, value);
    }
}

/// A quoted string (RFC 9110 §5.6.4). What may not stand in a header value is left out.
pub(super) struct Quoted<'a>(pub(super) &'a str);

impl std::fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_char('"')?;
        for character in self.0.chars() {
            match character {
                '"' | '\\' => write!(f, "\\{character}")?,
                ' '..='~' => f.write_char(character)?,
                _ => {}
            }
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::testing::{body_of, place};
    use crate::token::{Scope, Timestamp};

    fn refused(refusal: &Refusal) -> (u16, Option<String>, serde_json::Value) {
        let response = refuse(refusal, &place());
        let challenge = response.headers().get(WWW_AUTHENTICATE);
        let challenge = challenge.map(|value| value.to_str().unwrap().to_owned());
        let status = response.status().as_u16();
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        (
            status,
            challenge,
            serde_json::from_slice(&body_of(response)).unwrap(),
        )
    }

    #[test]
    fn b01_without_a_token_the_challenge_names_no_error() {
        let needed = Scope::parse("orders:read orders:write").unwrap();
        let (status, challenge, body) = refused(&Refusal::MissingToken { needed });
        assert_eq!(status, 401);
        assert_eq!(
            challenge.as_deref(),
            Some(r#"Bearer realm="orders", scope="orders:read orders:write""#)
        );
        assert_eq!(
            body,
            json!({
                "type": "about:blank",
                "title": "Unauthorized",
                "status": 401,
                "code": "missing_token",
                "detail": "an access token is required",
                "request_id": "0193a1c2",
            })
        );
        let (_, challenge, _) = refused(&Refusal::MissingToken {
            needed: Scope::empty(),
        });
        assert_eq!(challenge.as_deref(), Some(r#"Bearer realm="orders""#));
    }

    #[test]
    fn b02_a_bad_token_is_an_invalid_token() {
        let (status, challenge, body) = refused(&Refusal::Expired {
            at: Timestamp::from_seconds(0),
        });
        assert_eq!(status, 401);
        assert_eq!(
            challenge.as_deref(),
            Some(
                r#"Bearer realm="orders", error="invalid_token", error_description="the access token has expired""#
            )
        );
        assert_eq!(body["code"], "expired");
    }

    #[test]
    fn b02_too_little_scope_is_told_with_the_scope_that_would_do() {
        let (status, challenge, _) = refused(&Refusal::InsufficientScope {
            needed: Scope::parse("admin").unwrap(),
            held: Scope::parse("read").unwrap(),
        });
        assert_eq!(status, 403);
        assert_eq!(
            challenge.as_deref(),
            Some(
                r#"Bearer realm="orders", error="insufficient_scope", error_description="the access token does not permit this", scope="admin""#
            )
        );
    }

    #[test]
    fn b03_two_credentials_are_an_invalid_request() {
        let (status, challenge, _) = refused(&Refusal::TwoCredentials);
        assert_eq!(status, 400);
        assert!(challenge.unwrap().contains(r#"error="invalid_request""#));
    }

    #[test]
    fn waiting_and_methods_are_told_in_headers() {
        let wait = Duration::from_millis(1001);
        let response = refuse(&Refusal::RateLimited { retry_after: wait }, &place());
        assert_eq!(response.headers()[RETRY_AFTER], "2");
        let allow = "GET, HEAD".to_owned();
        let response = refuse(&Refusal::MethodNotAllowed { allow }, &place());
        assert_eq!(
            (response.status().as_u16(), &response.headers()[ALLOW]),
            (405, &HeaderValue::from_static("GET, HEAD"))
        );
    }

    #[test]
    fn a_realm_cannot_break_out_of_its_quotes() {
        assert_eq!(Quoted("a\"b\\c\r\nd\u{e9}").to_string(), r#""a\"b\\cd""#);
    }
}
