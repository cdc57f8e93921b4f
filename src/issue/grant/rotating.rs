//! Renewal (RFC 6749 §6) with a refresh token that is spent at every use (RFC 9700 §4.14.2).
//!
//! The token of a generation is an HMAC over the session, the generation and the session's salt, under a key that is not
//! in the store. One form says which session it belongs to, and so is recognised for that session's whole life, however
//! long ago it was spent; the other is found by the digest of the live one only.

use std::sync::Arc;

use aws_lc_rs::{constant_time, hmac};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::issue::IssueError;
use crate::issue::master::{MasterKey, Purpose};
use crate::store::{Session, SessionId, Store};
use crate::token::{Digest, KeyError, OnReplay, RefreshForm, Rotation, Secret, Timestamp};

/// Derives and recognises refresh tokens that are spent at every use.
#[derive(Clone, Debug)]
pub(in crate::issue) struct RotatingRefresh(Arc<hmac::Key>);

impl RotatingRefresh {
    pub(in crate::issue) fn new(master: &MasterKey) -> Result<Self, KeyError> {
        let key = master.derive(Purpose::RotatingRefresh)?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_ref());
        Ok(Self(Arc::new(key)))
    }

    /// The refresh token of the session's generation.
    pub(in crate::issue) fn token(&self, session: &Session, form: RefreshForm) -> Secret {
        let tag = self.tag(session, session.generation);
        match form {
            RefreshForm::Structured => {
                let mut body = Vec::with_capacity(BODY);
                body.extend_from_slice(session.id.bytes());
                body.extend_from_slice(&session.generation.to_be_bytes());
                body.extend_from_slice(tag.as_ref());
                Secret::new(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(body)))
            }
            RefreshForm::Hex => {
                let head = tag.as_ref().first_chunk::<HEX_BYTES>();
                let number = u128::from_be_bytes(head.copied().unwrap_or_default());
                Secret::new(format!("{number:032x}"))
            }
        }
    }

    /// What the live refresh token is found by, where it does not say which session is its own.
    pub(in crate::issue) fn digest(&self, session: &Session, form: RefreshForm) -> Option<Digest> {
        match form {
            RefreshForm::Structured => None,
            RefreshForm::Hex => {
                let token = self.token(session, form);
                Some(Digest::of(token.reveal().as_bytes()))
            }
        }
    }

    /// The session whose refresh token this is or was, and the generation it was given for.
    pub(in crate::issue) async fn find(
        &self,
        store: &Store,
        realm: &str,
        presented: &Secret,
        form: RefreshForm,
    ) -> Result<(Session, u32), IssueError> {
        let found = match form {
            RefreshForm::Structured => self.find_by_name(store, realm, presented).await?,
            RefreshForm::Hex if is_hex(presented.reveal()) => {
                let digest = Digest::of(presented.reveal().as_bytes());
                let session = store.session_by_digest(realm, digest).await?;
                session.map(|session| {
                    let generation = session.generation;
                    (session, generation)
                })
            }
            RefreshForm::Hex => None,
        };
        found.ok_or(IssueError::InvalidGrant)
    }

    async fn find_by_name(
        &self,
        store: &Store,
        realm: &str,
        presented: &Secret,
    ) -> Result<Option<(Session, u32)>, IssueError> {
        let Some((id, generation, tag)) = read(presented.reveal()) else {
            return Ok(None);
        };
        let session = store.session(id).await?;
        let session = session.filter(|session| session.realm == realm);
        Ok(session
            .filter(|session| {
                let expected = self.tag(session, generation);
                constant_time::verify_slices_are_equal(expected.as_ref(), &tag).is_ok()
            })
            .map(|session| (session, generation)))
    }

    /// Every part has a fixed length, so no two tokens are made from the same bytes.
    fn tag(&self, session: &Session, generation: u32) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(KIND);
        context.update(session.id.bytes());
        context.update(&generation.to_be_bytes());
        context.update(&session.salt);
        context.sign()
    }
}

/// What a refresh token that is not the live one means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::issue) enum Spent {
    /// Somebody asked with the same one at the same time.
    Race,
    /// The answer that spent it was never used, so it may never have arrived.
    LostAnswer,
    /// There are two who hold it.
    Replay,
    /// It was issued, and the store does not know of it.
    Ahead,
}

impl Spent {
    /// Judges a refresh token of the generation `presented`, if a token of generation `seen` has been seen in use.
    pub(in crate::issue) fn judge(
        session: &Session,
        presented: u32,
        seen: u32,
        rotation: &Rotation,
        now: Timestamp,
    ) -> Self {
        if presented > session.generation {
            return Self::Ahead;
        }
        let is_last = presented.checked_add(1) == Some(session.generation);
        let age = now.since(session.renewed_at);
        if is_last && age < rotation.race {
            Self::Race
        } else if is_last && age < rotation.lost && seen < session.generation {
            Self::LostAnswer
        } else {
            Self::Replay
        }
    }
}

impl OnReplay {
    /// Whether the session ends.
    pub(in crate::issue) const fn ends(self, is_public: bool) -> bool {
        match self {
            Self::Refuse => false,
            Self::End => true,
            Self::EndIfPublic => is_public,
        }
    }
}

fn read(token: &str) -> Option<(SessionId, u32, [u8; TAG])> {
    let body = token.strip_prefix(PREFIX)?;
    let body: [u8; BODY] = URL_SAFE_NO_PAD.decode(body).ok()?.try_into().ok()?;
    let (id, rest) = body.split_first_chunk::<16>()?;
    let (generation, tag) = rest.split_first_chunk::<4>()?;
    Some((
        SessionId::from_bytes(*id),
        u32::from_be_bytes(*generation),
        tag.try_into().ok()?,
    ))
}

fn is_hex(token: &str) -> bool {
    let digit = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
    token.len() == 2 * HEX_BYTES && token.bytes().all(digit)
}

/// By which programs that look for leaked secrets know one of ours.
const PREFIX: &str = "tgrt_";
const KIND: &[u8] = b"refresh";
const TAG: usize = 32;
const BODY: usize = 16 + 4 + TAG;
/// 128 bits.
const HEX_BYTES: usize = 16;
