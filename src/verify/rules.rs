//! What one issuer's claims must say, and how they become an identity.

use std::sync::Arc;
use std::time::Duration;

use super::VerifyError;
use super::identity::{Identity, Own};
use super::names::Names;
use super::revocations::FoundGood;
use super::wanted::{Named, Wanted};
use crate::token::{ClaimError, Claims, Digest, Profile, Scope, Timestamp, VerifyingKey};

/// What the claims of one issuer's tokens must say.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    /// Its name in the operator's file.
    pub(super) issuer: Arc<str>,
    /// What `iss` must be, byte for byte; none if the tokens must not have one.
    pub(super) identifier: Option<Box<str>>,
    pub(super) audiences: Audiences,
    /// How far its clock may be off ours.
    pub(super) clock_skew: Duration,
    pub(super) shape: Shape,
    pub(super) names: Arc<Names>,
}

/// Whom its tokens may be for.
#[derive(Clone, Debug)]
pub(super) enum Audiences {
    /// One of these.
    Of(Box<[Box<str>]>),
    /// Anybody: the operator wrote so.
    Any,
    /// Its tokens have no audience, and one that has is somebody else's.
    Unsaid,
}

/// What its tokens look like.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    /// A remote issuer's: RFC 9068, read generously: `scope` or `scp`, `client_id` or `azp`.
    Remote,
    /// Our own, in the shape of a profile.
    Own(Box<Profile>),
    /// The answer of an introspection endpoint (RFC 7662 §2.2).
    Introspected,
}

/// When a token may be used.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) expires_at: Timestamp,
    pub(super) not_before: Timestamp,
    written_expiry: Timestamp,
}

impl Rules {
    /// Checks everything the claims say that does not need a key, cheapest first.
    pub(super) fn check(&self, claims: &Claims, now: Timestamp) -> Result<Span, VerifyError> {
        let span = self.span(claims, now)?;
        self.check_issuer(claims)?;
        self.check_audience(claims)?;
        // An ID token says so (OpenID Connect Core §2, §3.1.3.6); it is no access token (RFC 8725 §3.12).
        if claims.has("nonce") || claims.has("at_hash") {
            return Err(VerifyError::NotAnAccessToken);
        }
        Ok(span)
    }

    /// What the claims say, in our words. They must have been checked, and verified.
    pub(super) fn identity(
        &self,
        claims: &Claims,
        span: Span,
        digest: Digest,
        wanted: &Wanted,
    ) -> Result<Identity, VerifyError> {
        let subject = claims.text(self.subject_claim())?;
        let client = match claims.text("client_id")? {
            None if matches!(self.shape, Shape::Remote) => claims.text("azp")?,
            client => client,
        };
        let token_id = claims.text("jti")?;
        self.require("sub", subject)?;
        self.require("client_id", client)?;
        self.require("jti", token_id)?;
        let scope = self.scope(claims)?;
        let named = Named {
            subject,
            client,
            scope: &scope,
            issuer: &self.issuer,
        };
        Ok(Identity {
            claims: wanted.pick(claims, named)?,
            issuer: Arc::clone(&self.issuer),
            subject: subject.map(Arc::from),
            client: client.map(|client| self.names.share(client)),
            own: self.own(claims)?.map(Box::new),
            scope: scope.map_text(|text| self.names.share(text)),
            expires_at: span.expires_at,
            not_before: span.not_before,
            written_expiry: span.written_expiry,
            fresh_until: Timestamp::from_millis(i64::MAX),
            digest,
            key: None,
        })
    }

    fn own(&self, claims: &Claims) -> Result<Option<Own>, VerifyError> {
        if !matches!(self.shape, Shape::Own(_)) {
            return Ok(None);
        }
        Ok(Some(Own {
            token_id: claims.text("jti")?.map(Box::from),
            session: claims.text("sid")?.map(Box::from),
            issued_at: claims.moment("iat")?,
            found_good: FoundGood::default(),
        }))
    }

    fn span(&self, claims: &Claims, now: Timestamp) -> Result<Span, VerifyError> {
        let expiry = claims.moment("exp")?;
        if expiry.is_none() && !matches!(self.shape, Shape::Introspected) {
            return Err(ClaimError::Missing("exp").into());
        }
        let written_expiry = expiry.unwrap_or(Timestamp::from_millis(i64::MAX));
        let span = Span {
            expires_at: written_expiry.plus(self.clock_skew),
            not_before: claims
                .moment("nbf")?
                .map_or(Timestamp::from_millis(i64::MIN), |start| {
                    start.minus(self.clock_skew)
                }),
            written_expiry,
        };
        // Read for its type only: a token from the future is caught by `nbf` if its issuer means it.
        claims.moment("iat")?;
        if now >= span.expires_at {
            return Err(VerifyError::Expired { at: written_expiry });
        }
        if now < span.not_before {
            return Err(VerifyError::NotYetValid);
        }
        Ok(span)
    }

    fn check_issuer(&self, claims: &Claims) -> Result<(), VerifyError> {
        let said = claims.text("iss")?;
        // RFC 7662 §2.2 leaves `iss` optional, and whom we asked is known anyway.
        let may_differ = matches!(self.shape, Shape::Introspected);
        match (said, self.identifier.as_deref()) {
            (None, None) => Ok(()),
            (Some(said), Some(expected)) if said == expected => Ok(()),
            (None, Some(_)) | (Some(_), None) if may_differ => Ok(()),
            (None, Some(_)) => Err(ClaimError::Missing("iss").into()),
            (Some(_), _) => Err(VerifyError::UnknownIssuer),
        }
    }

    fn check_audience(&self, claims: &Claims) -> Result<(), VerifyError> {
        let said = claims.audience()?;
        match (&self.audiences, said) {
            (Audiences::Any, _) | (Audiences::Unsaid, None) => Ok(()),
            (Audiences::Unsaid, Some(_)) => Err(VerifyError::WrongAudience),
            (Audiences::Of(_), None) => Err(ClaimError::Missing("aud").into()),
            (Audiences::Of(ours), Some(said)) => ours
                .iter()
                .any(|recipient| said.includes(recipient))
                .then_some(())
                .ok_or(VerifyError::WrongAudience),
        }
    }

    fn subject_claim(&self) -> &'static str {
        match &self.shape {
            Shape::Own(profile) => profile.subject_claim,
            Shape::Remote | Shape::Introspected => "sub",
        }
    }

    fn scope(&self, claims: &Claims) -> Result<Scope, VerifyError> {
        let scope = match &self.shape {
            Shape::Own(profile) => claims
                .scope(profile.scope_claim, profile.loose_scope)?
                .map(|scope| scope.or_everything(profile.every_scope)),
            Shape::Remote | Shape::Introspected => match claims.scope("scope", false)? {
                None => claims.scope("scp", false)?,
                scope => scope,
            },
        };
        Ok(scope.unwrap_or_else(Scope::empty))
    }

    // RFC 9068 §2.2 for our own tokens; a profile without identifiers has a subject at least.
    fn require(&self, name: &'static str, value: Option<&str>) -> Result<(), ClaimError> {
        let required = match &self.shape {
            Shape::Own(profile) => profile.identified || name == "sub",
            Shape::Remote | Shape::Introspected => false,
        };
        match value {
            None if required => Err(ClaimError::Missing(name)),
            _ => Ok(()),
        }
    }
}

impl Identity {
    /// This identity, tied to the key that signed it.
    pub(super) fn signed_by(self, key: Arc<VerifyingKey>) -> Self {
        Self {
            key: Some(key),
            ..self
        }
    }

    /// This identity, to be asked about again at `end`.
    pub(super) fn fresh_until(self, end: Timestamp) -> Self {
        Self {
            fresh_until: end,
            ..self
        }
    }
}
