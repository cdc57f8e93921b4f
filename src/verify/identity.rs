//! Proof that a token was verified.

use std::sync::Arc;

use http::HeaderValue;
use serde_json::Value;

use super::revocations::FoundGood;
use super::wanted::ClaimId;
use crate::token::{Digest, Scope, Timestamp, VerifyingKey};

/// Proof that a token was verified, and what it said. Made only in this folder.
///
/// It keeps facts, not verdicts: whether its time has come and whether its key is still believed is asked again on
/// every request, and what a route makes of the facts is the route's matter.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The name of the issuer or mount in the operator's file.
    pub issuer: Arc<str>,
    /// Whom the token speaks for.
    pub subject: Option<Arc<str>>,
    /// The client it was given to.
    pub client: Option<Arc<str>>,
    /// What it may do.
    pub scope: Scope,
    /// What else is known of a token of our own, which we can take back.
    pub own: Option<Box<Own>>,
    /// When it stops being accepted: `exp`, and the clock skew its issuer is allowed. The end of time if there is none.
    pub expires_at: Timestamp,
    /// When it starts being accepted: `nbf`, less the clock skew. The beginning of time if there is none.
    pub not_before: Timestamp,
    /// The token's name that may be logged.
    pub digest: Digest,
    /// Its `exp` as written, for those who must be told.
    pub(super) written_expiry: Timestamp,
    /// Until when the facts may be used without asking the issuer again.
    pub(super) fresh_until: Timestamp,
    /// The key that signed it.
    pub(super) key: Option<Arc<VerifyingKey>>,
    /// The claims that some route wants, by ascending identifier.
    pub(super) claims: Box<[(ClaimId, ClaimValue)]>,
}

/// What a token of our own says for us alone. Kept apart, as those of others are remembered by the hundred thousand.
#[derive(Clone, Debug)]
pub struct Own {
    /// Its `jti`.
    pub token_id: Option<Box<str>>,
    /// The session it belongs to, in hexadecimal digits.
    pub session: Option<Box<str>>,
    /// When it was issued, if it says so.
    pub issued_at: Option<Timestamp>,
    /// When it was last looked for among those taken back.
    pub(super) found_good: FoundGood,
}

/// One claim, as a header would carry it and as it was.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimValue {
    /// Ready to send to an upstream; none if there is nothing to send, as for `null`.
    pub header: Option<HeaderValue>,
    /// As it stood in the token, if some route requires a value of it.
    pub json: Option<Box<Value>>,
}

/// What a verified token is worth now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It may be used.
    Good,
    /// Its time is over.
    Expired,
    /// Its time has yet to come.
    NotYet,
    /// Its key is gone, or the issuer's answer is too old: ask again.
    AskAgain,
}

impl Identity {
    /// The claim that was wanted under this identifier, if the token has it.
    pub fn claim(&self, id: ClaimId) -> Option<&ClaimValue> {
        let place = self.claims.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        self.claims.get(place).map(|(_, value)| value)
    }

    /// Whether a verdict could make it worthless before its time.
    pub const fn can_be_taken_back(&self) -> bool {
        self.own.is_some()
    }

    /// Its `jti`, if it is one of ours.
    pub fn token_id(&self) -> Option<&str> {
        self.own.as_ref()?.token_id.as_deref()
    }

    /// The session it belongs to, in hexadecimal digits, if it is one of ours.
    pub fn session(&self) -> Option<&str> {
        self.own.as_ref()?.session.as_deref()
    }

    pub(super) fn standing(&self, now: Timestamp) -> Standing {
        // A token is dead at `exp` itself, not after it (RFC 7519 §4.1.4: "on or after").
        if now >= self.expires_at {
            Standing::Expired
        } else if now < self.not_before {
            Standing::NotYet
        } else if now >= self.fresh_until || self.key.as_ref().is_some_and(|k| !k.is_trusted(now)) {
            Standing::AskAgain
        } else {
            Standing::Good
        }
    }

    /// Roughly the bytes it takes, with its entry in a cache.
    pub(super) fn weight(&self) -> u32 {
        let subject = self.subject.as_ref().map_or(0, |text| text.len());
        let own = self.own.as_ref().map_or(0, |own| own.weight());
        let claims: usize = self.claims.iter().map(|(_, value)| value.weight()).sum();
        // Clients and scopes are shared with others.
        let all = ENTRY + size_of::<Self>() + subject + own + claims;
        u32::try_from(all).unwrap_or(u32::MAX)
    }
}

impl Own {
    fn weight(&self) -> usize {
        let names = [&self.token_id, &self.session].into_iter().flatten();
        size_of::<Self>() + names.map(|text| text.len()).sum::<usize>()
    }
}

impl ClaimValue {
    fn weight(&self) -> usize {
        let header = self.header.as_ref().map_or(0, HeaderValue::len);
        // The JSON says what the header says, in nodes.
        let json = self
            .json
            .as_ref()
            .map_or(0, |_| size_of::<Value>() + header);
        size_of::<(ClaimId, Self)>() + header + json
    }
}

/// What a cache needs for an entry beside its value: key, links, counters, and what the allocator adds.
const ENTRY: usize = 360;
