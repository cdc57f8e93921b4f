//! Claims in the shape of a profile, signed.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::audit::{self, Who};
use super::{IssueError, LocalIssuer, random};
use crate::store::SessionId;
use crate::token::{Scope, Secret, Timestamp};
use crate::verify::TokenName;

/// Whom a token is for, and what it permits.
#[derive(Clone, Debug)]
pub struct Bearer<'a> {
    /// Whose token it is.
    pub subject: &'a str,
    /// The program that asked for it, if one did.
    pub client: Option<&'a str>,
    /// What it permits.
    pub scope: Scope,
}

/// A signed access token.
#[derive(Clone, Debug)]
pub(super) struct Signed {
    pub(super) token: Secret,
    /// Its `jti`, if its profile has one.
    pub(super) id: Option<String>,
    pub(super) expires_in: Duration,
}

/// Signs an access token that the operator asked for, and tells the audit log.
pub fn sign_by_hand(
    bearer: &Bearer<'_>,
    issuer: &LocalIssuer,
    now: Timestamp,
) -> Result<Secret, IssueError> {
    let signed = sign(bearer, issuer, now)?;
    let who = Who::Name(bearer.subject.to_owned());
    audit::token_issued(
        &issuer.name,
        "operator",
        &who,
        signed.id.as_deref(),
        &bearer.scope,
    );
    Ok(signed.token)
}

/// Signs an access token that belongs to no session.
pub(super) fn sign(
    bearer: &Bearer<'_>,
    issuer: &LocalIssuer,
    now: Timestamp,
) -> Result<Signed, IssueError> {
    sign_naming(bearer, &[], issuer, now)
}

/// Signs an access token that belongs to no session, and names more than a subject and a client.
pub(super) fn sign_naming(
    bearer: &Bearer<'_>,
    names: &[(&'static str, &str)],
    issuer: &LocalIssuer,
    now: Timestamp,
) -> Result<Signed, IssueError> {
    let id = URL_SAFE_NO_PAD.encode(random::bytes::<16>()?);
    let id = issuer.profile.identified.then_some(id);
    let mut claims = claims(bearer, issuer, id.as_deref(), now);
    for (claim, name) in names {
        claims.insert((*claim).to_owned(), (*name).into());
    }
    finish(&claims, id, issuer)
}

/// Signs an access token of a session's generation: it says which session ends it, and is itself named after both.
pub(super) fn sign_for_session(
    bearer: &Bearer<'_>,
    (root, name): (SessionId, TokenName),
    issuer: &LocalIssuer,
    now: Timestamp,
) -> Result<Signed, IssueError> {
    let id = issuer.profile.identified.then(|| name.write());
    let mut claims = claims(bearer, issuer, id.as_deref(), now);
    if issuer.profile.identified {
        claims.insert("sid".to_owned(), root.to_string().into());
    }
    finish(&claims, id, issuer)
}

fn finish(
    claims: &Map<String, Value>,
    id: Option<String>,
    issuer: &LocalIssuer,
) -> Result<Signed, IssueError> {
    let token = issuer.keyring.signing().token(&issuer.profile, claims)?;
    Ok(Signed {
        token: Secret::new(token),
        id,
        expires_in: issuer.profile.access_lifetime,
    })
}

fn claims(
    bearer: &Bearer<'_>,
    issuer: &LocalIssuer,
    id: Option<&str>,
    now: Timestamp,
) -> Map<String, Value> {
    let profile = &issuer.profile;
    let lifetime = i64::try_from(profile.access_lifetime.as_secs()).unwrap_or(i64::MAX);
    let mut claims = Map::new();
    let mut claim = |name: &str, value: Value| claims.insert(name.to_owned(), value);
    claim("iat", now.seconds().into());
    claim("exp", now.seconds().saturating_add(lifetime).into());
    claim(profile.subject_claim, bearer.subject.into());
    // RFC 6749 §3.3 knows no empty scope; the older APIs always write the claim.
    if !profile.identified || !bearer.scope.is_empty() {
        claim(profile.scope_claim, bearer.scope.as_str().into());
    }
    // RFC 9068 §2.2
    if profile.identified {
        claim("iss", issuer.identifier.as_str().into());
        claim("aud", issuer.audience.as_str().into());
        claim("jti", id.into());
        if let Some(client) = bearer.client {
            claim("client_id", client.into());
        }
    }
    claims
}
