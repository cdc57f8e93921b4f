//! Tokens we minted ourselves: the keyring is at hand.

use std::sync::Arc;
use std::time::Duration;

use crate::token::{Claims, Digest, Keyring, Profile, Timestamp, VerifyingKey};
use crate::verify::judge::Question;
use crate::verify::jwt::Compact;
use crate::verify::rules::{Audiences, Rules, Shape};
use crate::verify::{Identity, VerifyError};

/// What verifying the tokens of one of our own mounts takes.
#[derive(Clone, Debug)]
pub struct Local {
    /// The mount's name in the operator's file.
    pub name: Arc<str>,
    /// The issuer identifier: `iss` of an identified profile.
    pub identifier: String,
    /// `aud` of an identified profile.
    pub audience: String,
    /// What the tokens look like.
    pub profile: Profile,
    /// The keys, which the issuing side rotates.
    pub keyring: Arc<Keyring>,
}

impl Local {
    /// Whose this token is, if we signed it and it is alive at `now`; without a time, dead ones are read too.
    ///
    /// For those who must know what a token was worth, not for admission: what was taken back is not looked for.
    pub fn read(&self, token: &str, now: Option<Timestamp>) -> Result<Identity, VerifyError> {
        let compact = Compact::read(token)?;
        let claims = Claims::read(&compact.payload)?;
        let question = Question {
            token,
            digest: Digest::of(token.as_bytes()),
            wanted: &Arc::default(),
            now: now.unwrap_or(Timestamp::from_millis(i64::MIN)),
        };
        LocalIssuer::new(self.clone()).identify(&compact, &claims, question)
    }
}

/// One of our own mounts, as a member of a route's issuers.
#[derive(Debug)]
pub(in crate::verify) struct LocalIssuer {
    rules: Rules,
    profile: Profile,
    keyring: Arc<Keyring>,
}

impl LocalIssuer {
    pub(in crate::verify) fn new(local: Local) -> Self {
        let identified = local.profile.identified;
        let audience = local.audience.into_boxed_str();
        Self {
            rules: Rules {
                issuer: local.name,
                identifier: identified.then(|| local.identifier.into_boxed_str()),
                audiences: if identified {
                    Audiences::Of(Box::new([audience]))
                } else {
                    Audiences::Unsaid
                },
                // One clock made the token and reads it.
                clock_skew: Duration::ZERO,
                shape: Shape::Own(Box::new(local.profile.clone())),
                names: Arc::default(),
            },
            profile: local.profile,
            keyring: local.keyring,
        }
    }

    pub(in crate::verify) fn name(&self) -> &Arc<str> {
        &self.rules.issuer
    }

    pub(in crate::verify) fn identifier(&self) -> Option<&str> {
        self.rules.identifier.as_deref()
    }

    pub(in crate::verify) fn key_count(&self) -> usize {
        self.keyring.verifying().len()
    }

    pub(in crate::verify) fn identify(
        &self,
        compact: &Compact<'_>,
        claims: &Claims,
        question: Question<'_>,
    ) -> Result<Identity, VerifyError> {
        if compact.header_type.as_deref() != Some(self.profile.header_type) {
            return Err(VerifyError::NotAnAccessToken);
        }
        let span = self.rules.check(claims, question.now)?;
        let key = self.key(compact)?;
        let identity = self
            .rules
            .identity(claims, span, question.digest, question.wanted)?;
        Ok(identity.signed_by(key))
    }

    /// The key that made the signature. Where a profile's tokens do not name it, each is tried: they are as many as a
    /// rotation leaves, two or three.
    fn key(&self, compact: &Compact<'_>) -> Result<Arc<VerifyingKey>, VerifyError> {
        let kid = compact.kid.as_deref();
        let candidates = match kid {
            None if self.profile.key_id_in_header => Vec::new(),
            None => self.keyring.verifying(),
            Some(_) => self.keyring.find(kid).into_iter().collect(),
        };
        let mut verdict = Err(VerifyError::UnknownKey);
        for key in candidates {
            match compact.verify(&key) {
                Ok(()) => return Ok(key),
                Err(error) => verdict = Err(error),
            }
        }
        verdict
    }
}
