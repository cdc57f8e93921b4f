//! What a form at one of the endpoints asks for.

use std::collections::HashSet;

use bytes::Bytes;
use http::HeaderMap;
use http::header::ACCEPT;
use http::request::Parts;

use super::answer::{INTROSPECTION_JWT, INVALID_SCOPE, Mistake};
use super::client::{Credentials, credentials};
use crate::dialect::form::{self, Kind};
use crate::issue::{Ask, ClientCredentials, ClientProof, Grant, Program};
use crate::token::{Scope, Secret};

/// A request at the token endpoint (RFC 6749 §3.2).
pub(super) fn token(head: &Parts, body: &Bytes) -> Result<Ask, Mistake> {
    let mut form = Parameters::read(head, body)?;
    let word = form.grant_type.take();
    let word = word.ok_or(Mistake::request("grant_type is missing"))?;
    let grant = Grant::from_word(&word).ok_or(Mistake {
        error: "unsupported_grant_type",
        description: "this grant type is not supported",
    })?;
    let scope = form.scope.take().map(|text| Scope::parse(&text));
    let scope = scope.transpose().map_err(|_| INVALID_SCOPE)?;
    let client = credentials(&head.headers, form.credentials())?;
    match grant {
        Grant::ClientCredentials => Ok(Ask::ClientCredentials {
            client: proven(client)?,
            scope,
        }),
        Grant::AuthorizationCode => Ok(Ask::Code {
            client,
            code: wanted(form.code, "code is missing")?,
            redirect_uri: form.redirect_uri,
            verifier: form.code_verifier,
        }),
        Grant::RefreshToken => Ok(Ask::Refresh {
            by: Program::Known(client),
            refresh_token: wanted(form.refresh_token, "refresh_token is missing")?,
            scope,
        }),
    }
}

/// A request at the introspection endpoint (RFC 7662 §2.1). Whoever cannot authenticate could try tokens out.
pub(super) fn introspect(head: &Parts, body: &Bytes) -> Result<Ask, Mistake> {
    let mut form = Parameters::read(head, body)?;
    let client = proven(credentials(&head.headers, form.credentials())?)?;
    let token = wanted(form.token, "token is missing")?;
    Ok(Ask::Introspect {
        client,
        token,
        signed: wants_jwt(&head.headers),
    })
}

/// Whether a signed answer is what is asked for (RFC 9701 §4): by its name, and no less than the plain one, which is
/// what whoever takes anything gets.
fn wants_jwt(headers: &HeaderMap) -> bool {
    let fields = headers.get_all(ACCEPT).iter();
    let ranges = fields
        .filter_map(|field| field.to_str().ok())
        .flat_map(|field| field.split(','));
    let (mut signed, mut plain) = (0.0, 0.0);
    for range in ranges {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        let weight = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
        let weight: f32 = weight.map_or(1.0, |weight| weight.parse().unwrap_or(0.0));
        if kind.eq_ignore_ascii_case(INTROSPECTION_JWT) {
            signed = weight;
        } else if kind.eq_ignore_ascii_case("application/json") {
            plain = weight;
        }
    }
    signed > 0.0 && signed >= plain
}

/// A request at the revocation endpoint (RFC 7009 §2.1).
pub(super) fn revoke(head: &Parts, body: &Bytes) -> Result<Ask, Mistake> {
    let mut form = Parameters::read(head, body)?;
    let client = credentials(&head.headers, form.credentials())?;
    let token = wanted(form.token, "token is missing")?;
    Ok(Ask::Revoke { client, token })
}

/// Only for clients that prove which one they are.
fn proven(client: ClientCredentials) -> Result<ClientCredentials, Mistake> {
    match client.proof {
        ClientProof::Nothing => Err(Mistake::client("the client did not authenticate")),
        _ => Ok(client),
    }
}

fn wanted<T>(value: Option<T>, otherwise: &'static str) -> Result<T, Mistake> {
    value.ok_or(Mistake::request(otherwise))
}

/// The parameters we know. Unknown ones are ignored, empty ones absent (RFC 6749 §3.2). `token_type_hint` is among the
/// unknown: every token here says by itself of which kind it is (RFC 7009 §2.1, RFC 7662 §2.1).
#[derive(Default)]
struct Parameters {
    grant_type: Option<String>,
    scope: Option<String>,
    client_id: Option<String>,
    client_secret: Option<Secret>,
    client_assertion_type: Option<String>,
    client_assertion: Option<Secret>,
    code: Option<Secret>,
    redirect_uri: Option<String>,
    code_verifier: Option<Secret>,
    refresh_token: Option<Secret>,
    token: Option<Secret>,
}

impl Parameters {
    fn read(head: &Parts, body: &Bytes) -> Result<Self, Mistake> {
        if Kind::of(head) != Kind::Form || form::is_encoded(head) {
            return Err(Mistake::request(
                "the body is not application/x-www-form-urlencoded",
            ));
        }
        let mut found = Self::default();
        let mut names = HashSet::new();
        for (name, value) in form::pairs(body) {
            if value.contains('\0') {
                return Err(Mistake::request("a parameter holds a NUL"));
            }
            if !value.is_empty() {
                found.set(&name, value.into_owned());
            }
            if !names.insert(name) {
                return Err(Mistake::request("a parameter occurs more than once"));
            }
        }
        Ok(found)
    }

    fn set(&mut self, name: &str, value: String) {
        match name {
            "grant_type" => self.grant_type = Some(value),
            "scope" => self.scope = Some(value),
            "client_id" => self.client_id = Some(value),
            "client_secret" => self.client_secret = Some(Secret::new(value)),
            "client_assertion_type" => self.client_assertion_type = Some(value),
            "client_assertion" => self.client_assertion = Some(Secret::new(value)),
            "code" => self.code = Some(Secret::new(value)),
            "redirect_uri" => self.redirect_uri = Some(value),
            "code_verifier" => self.code_verifier = Some(Secret::new(value)),
            "refresh_token" => self.refresh_token = Some(Secret::new(value)),
            "token" => self.token = Some(Secret::new(value)),
            _ => {}
        }
    }

    fn credentials(&mut self) -> Credentials {
        Credentials {
            id: self.client_id.take(),
            secret: self.client_secret.take(),
            assertion_type: self.client_assertion_type.take(),
            assertion: self.client_assertion.take(),
        }
    }
}
