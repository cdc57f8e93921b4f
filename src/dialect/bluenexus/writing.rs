//! What is answered.

use http::header::{CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use serde_json::{Map, Value, json};

use super::endpoints::{
    AUTHENTICATE, AUTHORIZE, KEYS_PATH, REGISTER, REGISTER_PATH, RESOURCE, RESOURCE_PATH,
    REVOKE_PATH, SCOPES, TOKEN_PATH,
};
use super::{SESSION_PREFIX, refusals};
use crate::dialect::Endpoint;
use crate::dialect::standard::answer;
use crate::issue::{Answer, ClientAuth, HandedOver, Issued, Registered};
use crate::net::Body;
use crate::token::{Scope, Secret};

/// Writes answers, for one mount.
#[derive(Debug)]
pub(super) struct Writer {
    /// Where clients reach the mount, without a slash at the end.
    pub(super) url: String,
    /// What tokens can permit.
    pub(super) scopes: Scope,
    /// Whether the scopes are told as a bare list.
    pub(super) as_list: bool,
    /// Whether programs may register themselves.
    pub(super) registers: bool,
}

impl Writer {
    pub(super) fn write(&self, at: &Endpoint, answered: &Answer) -> Response<Body> {
        match answered {
            Answer::Issued(issued) => refusals::uncached(granted(at, issued)),
            Answer::Revoked => empty(),
            Answer::Handoff { code, expires_in } => said(
                StatusCode::OK,
                &json!({ "code": code.reveal(), "expiresIn": expires_in.as_secs() }),
            ),
            Answer::HandedOver(session) => handed_over(session),
            Answer::Registered(client) => refusals::uncached(self.registered(at, client)),
            Answer::Unregistered => gone(),
            Answer::Keys(keys) => published("application/jwk-set+json", keys),
            Answer::Metadata { issuer } => match at.name {
                SCOPES => published("application/json", &self.scopes()),
                RESOURCE => published("application/json", &self.resource(issuer)),
                _ => published("application/json", &self.metadata(issuer)),
            },
            // The others have no place in this dialect, so it never asks for them.
            _ => refusals::broken(at),
        }
    }

    /// Adds to a challenge where a program learns who gives tokens (RFC 9728 §5.1).
    pub(super) fn point_to_metadata(&self, response: &mut Response<Body>) {
        let Some(challenge) = response.headers().get(WWW_AUTHENTICATE) else {
            return;
        };
        let challenge = challenge.to_str().unwrap_or("Bearer");
        let pointed = format!(
            "{challenge}, resource_metadata=\"{}{RESOURCE_PATH}\"",
            self.url
        );
        if response.status() == StatusCode::UNAUTHORIZED
            && let Ok(value) = HeaderValue::try_from(pointed)
        {
            response.headers_mut().insert(WWW_AUTHENTICATE, value);
        }
    }

    fn scopes(&self) -> Value {
        let words: Value = self.scopes.words().collect();
        if self.as_list {
            words
        } else {
            json!({ "scopes": words })
        }
    }

    /// RFC 8414 §2. What is not served is not named.
    fn metadata(&self, issuer: &str) -> Value {
        let at = |path: &str| format!("{}{path}", self.url);
        let ways = ["client_secret_basic", "client_secret_post", "none"];
        let mut document = json!({
            "issuer": issuer,
            "authorization_endpoint": at(AUTHORIZE),
            "token_endpoint": at(TOKEN_PATH),
            "revocation_endpoint": at(REVOKE_PATH),
            "jwks_uri": at(KEYS_PATH),
            "scopes_supported": self.scopes.words().collect::<Value>(),
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ways,
            "revocation_endpoint_auth_methods_supported": ways,
            "authorization_response_iss_parameter_supported": true,
        });
        if self.registers {
            document["registration_endpoint"] = at(REGISTER_PATH).into();
        }
        document
    }

    /// RFC 7591 §3.2.1, RFC 7592 §3.
    fn registered(&self, at: &Endpoint, client: &Registered) -> Response<Body> {
        let said_of_itself = &client.said;
        let method = match said_of_itself.auth {
            ClientAuth::None => "none",
            ClientAuth::Post => "client_secret_post",
            _ => "client_secret_basic",
        };
        let mut body = json!({
            "client_id": client.id,
            "client_id_issued_at": client.at.seconds(),
            "redirect_uris": said_of_itself.redirect_uris,
            "grant_types": said_of_itself.grants,
            "response_types": ["code"],
            "token_endpoint_auth_method": method,
            "scope": said_of_itself.scope.as_ref().map_or("", Scope::as_str),
        });
        let (id, path) = (&client.id, REGISTER_PATH);
        body["registration_client_uri"] = format!("{}{path}?client_id={id}", self.url).into();
        body["registration_access_token"] = client.token.reveal().into();
        if let Some(title) = &said_of_itself.title {
            body["client_name"] = title.as_str().into();
        }
        if let Some(secret) = client.secret.as_ref().map(Secret::reveal) {
            body["client_secret"] = secret.into();
            // Never.
            body["client_secret_expires_at"] = 0.into();
        }
        let status = match at.name {
            REGISTER => StatusCode::CREATED,
            _ => StatusCode::OK,
        };
        said(status, &body)
    }

    /// RFC 9728 §2.
    fn resource(&self, issuer: &str) -> Value {
        json!({
            "resource": self.url,
            "authorization_servers": [issuer],
            "scopes_supported": self.scopes.words().collect::<Value>(),
            "bearer_methods_supported": ["header"],
        })
    }
}

/// RFC 6749 §5.1, and how long the refresh token lives. A wallet's login is told its session, to continue it later.
fn granted(at: &Endpoint, issued: &Issued) -> Response<Body> {
    let mut body = Map::new();
    let mut say = |name: &str, value: Value| body.insert(name.to_owned(), value);
    say("token_type", "Bearer".into());
    say("access_token", issued.access_token.reveal().into());
    say("expires_in", issued.expires_in.as_secs().into());
    if let Some(token) = &issued.refresh_token {
        say("refresh_token", token.reveal().into());
    }
    if let Some(left) = issued.refresh_expires_in {
        say("refresh_expires_in", left.as_secs().into());
    }
    say("scope", issued.scope.as_str().into());
    if let (AUTHENTICATE, Some(session)) = (at.name, &issued.session) {
        say("session_id", shown(session).into());
    }
    said(StatusCode::OK, &Value::Object(body))
}

fn handed_over(session: &HandedOver) -> Response<Body> {
    said(
        StatusCode::OK,
        &json!({
            "clientId": session.client,
            "accountId": session.subject,
            "sessionId": shown(&session.session),
            "redirectUri": session.redirect_uri,
        }),
    )
}

fn shown(session: &str) -> String {
    format!("{SESSION_PREFIX}{session}")
}

fn said(status: StatusCode, body: &Value) -> Response<Body> {
    answer(status, "application/json", body.to_string())
}

/// The status says it all (RFC 7009 §2.2), and the original adds nothing.
fn empty() -> Response<Body> {
    let mut response = answer(StatusCode::OK, "application/json", "");
    response.headers_mut().remove(CONTENT_TYPE);
    response
}

/// RFC 7592 §2.3.
fn gone() -> Response<Body> {
    let mut response = empty();
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// What everybody may know and keep for a while.
fn published(kind: &'static str, body: &Value) -> Response<Body> {
    let mut response = answer(StatusCode::OK, kind, body.to_string());
    let for_a_while = HeaderValue::from_static("public, max-age=3600");
    response.headers_mut().insert(CACHE_CONTROL, for_a_while);
    response
}
