//! Renewal (RFC 6749 §6) with a refresh token that is spent at every use (RFC 9700 §4.14.2).
//!
//! The token of a generation is an HMAC over the session, the generation and the session's salt, under a key that is not
//! in the store. It says which session it belongs to, and so is recognised for that session's whole life, however long
//! ago it was spent. One form says so openly. The other must be a number of 128 bits that says nothing: it is the
//! encryption of one block, in which there is room for half of the session's name, the generation, and the beginning of
//! the HMAC. A cipher permutes the blocks, so such a number is as hard to guess as one drawn at random. The live one is
//! found by its digest; where that finds nothing, the block is read.

use std::sync::Arc;

use aws_lc_rs::cipher::{
    AES_256, DecryptingKey, DecryptionContext, EncryptingKey, UnboundCipherKey,
};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::{constant_time, hmac};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::issue::IssueError;
use crate::issue::master::{MasterKey, Purpose};
use crate::store::{Session, SessionId, Store};
use crate::token::{Digest, KeyError, OnReplay, RefreshForm, Rotation, Secret, Timestamp};

/// Derives and recognises refresh tokens that are spent at every use.
#[derive(Clone, Debug)]
pub(in crate::issue) struct RotatingRefresh(Arc<Keys>);

#[derive(Debug)]
struct Keys {
    mac: hmac::Key,
    hide: EncryptingKey,
    show: DecryptingKey,
}

impl RotatingRefresh {
    pub(in crate::issue) fn new(master: &MasterKey) -> Result<Self, KeyError> {
        let key = master.derive(Purpose::RotatingRefresh)?;
        let block = master.derive(Purpose::NumberedRefresh)?;
        let cipher = || UnboundCipherKey::new(&AES_256, block.as_ref());
        // One block at a time, no two of which are equal: what the mode is bad at does not occur.
        let hide = cipher().and_then(EncryptingKey::ecb);
        let show = cipher().and_then(DecryptingKey::ecb);
        Ok(Self(Arc::new(Keys {
            mac: hmac::Key::new(hmac::HMAC_SHA256, key.as_ref()),
            hide: hide.map_err(cryptography)?,
            show: show.map_err(cryptography)?,
        })))
    }

    /// The refresh token of the session's generation.
    pub(in crate::issue) fn token(
        &self,
        session: &Session,
        form: RefreshForm,
    ) -> Result<Secret, KeyError> {
        let tag = self.tag(session, session.generation);
        Ok(match form {
            RefreshForm::Structured => {
                let mut body = Vec::with_capacity(BODY);
                body.extend_from_slice(session.id.bytes());
                body.extend_from_slice(&session.generation.to_be_bytes());
                body.extend_from_slice(tag.as_ref());
                Secret::new(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(body)))
            }
            RefreshForm::Hex => {
                let block = Block {
                    start: session.id.start(),
                    generation: session.generation,
                    tag: beginning(&tag),
                };
                let number = self.hide(&block)?;
                Secret::new(format!("{number:032x}"))
            }
        })
    }

    /// What the live refresh token is found by, where it does not say which session is its own.
    pub(in crate::issue) fn digest(
        &self,
        session: &Session,
        form: RefreshForm,
    ) -> Result<Option<Digest>, KeyError> {
        Ok(match form {
            RefreshForm::Structured => None,
            RefreshForm::Hex => {
                let token = self.token(session, form)?;
                Some(Digest::of(token.reveal().as_bytes()))
            }
        })
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
            RefreshForm::Hex => self.find_by_number(store, realm, presented).await?,
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

    async fn find_by_number(
        &self,
        store: &Store,
        realm: &str,
        presented: &Secret,
    ) -> Result<Option<(Session, u32)>, IssueError> {
        let Some(number) = read_number(presented.reveal()) else {
            return Ok(None);
        };
        let digest = Digest::of(presented.reveal().as_bytes());
        if let Some(session) = store.session_by_digest(realm, digest).await? {
            let generation = session.generation;
            return Ok(Some((session, generation)));
        }
        let block = self.show(number)?;
        let sessions = store.sessions_that_start(block.start).await?;
        let mut sessions = sessions
            .into_iter()
            .filter(|session| session.realm == realm);
        Ok(sessions
            .find(|session| {
                let expected = beginning(&self.tag(session, block.generation));
                constant_time::verify_slices_are_equal(&expected, &block.tag).is_ok()
            })
            .map(|session| (session, block.generation)))
    }

    fn hide(&self, block: &Block) -> Result<u128, KeyError> {
        let mut bytes = block.bytes();
        self.0.hide.encrypt(&mut bytes).map_err(cryptography)?;
        Ok(u128::from_be_bytes(bytes))
    }

    fn show(&self, number: u128) -> Result<Block, KeyError> {
        let mut bytes = number.to_be_bytes();
        let shown = self.0.show.decrypt(&mut bytes, DecryptionContext::None);
        shown.map_err(cryptography)?;
        Ok(Block::read(u128::from_be_bytes(bytes)))
    }

    /// Every part has a fixed length, so no two tokens are made from the same bytes.
    fn tag(&self, session: &Session, generation: u32) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.0.mac);
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

fn read_number(token: &str) -> Option<u128> {
    let digit = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
    let is_one = token.len() == HEX_DIGITS && token.bytes().all(digit);
    is_one
        .then(|| u128::from_str_radix(token, 16).ok())
        .flatten()
}

/// What a token that is a number says to whoever has the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Block {
    /// The first half of the session's name: of a million sessions, hardly ever do two have the same.
    start: u64,
    generation: u32,
    /// The beginning of the HMAC, which hangs on the salt, and so on the store.
    tag: [u8; 4],
}

impl Block {
    fn bytes(self) -> [u8; 16] {
        let high = u128::from(self.start) << 64;
        let middle = u128::from(self.generation) << 32;
        (high | middle | u128::from(u32::from_be_bytes(self.tag))).to_be_bytes()
    }

    fn read(number: u128) -> Self {
        let low = |number: u128| u32::try_from(number & u128::from(u32::MAX)).unwrap_or_default();
        Self {
            start: u64::try_from(number >> 64).unwrap_or_default(),
            generation: low(number >> 32),
            tag: low(number).to_be_bytes(),
        }
    }
}

fn beginning(tag: &hmac::Tag) -> [u8; 4] {
    let start = tag.as_ref().first_chunk();
    // The tag has 32 bytes.
    start.copied().unwrap_or_default()
}

fn cryptography(_: Unspecified) -> KeyError {
    KeyError::Cryptography
}

/// By which programs that look for leaked secrets know one of ours.
const PREFIX: &str = "tgrt_";
const KIND: &[u8] = b"refresh";
const TAG: usize = 32;
const BODY: usize = 16 + 4 + TAG;
/// 128 bits.
const HEX_DIGITS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn refresh(byte: u8) -> RotatingRefresh {
        let text = URL_SAFE_NO_PAD.encode([byte; 32]);
        RotatingRefresh::new(&MasterKey::read(&Secret::new(text)).unwrap()).unwrap()
    }

    #[test]
    fn a_number_says_to_us_and_nobody_else_what_it_is_made_of() {
        let block = Block {
            start: 0x0102_0304_0506_0708,
            generation: 9,
            tag: [10, 11, 12, 13],
        };
        let number = refresh(1).hide(&block).unwrap();
        assert_eq!(refresh(1).show(number).unwrap(), block);
        assert_ne!(refresh(2).show(number).unwrap(), block);
        let next = Block {
            generation: 10,
            ..block
        };
        let other = refresh(1).hide(&next).unwrap();
        let differing = (number ^ other).count_ones();
        assert!((32..=96).contains(&differing), "{number:032x} {other:032x}");
    }
}
