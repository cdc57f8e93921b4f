//! Sessions, and how they change.

use std::fmt;

use super::AccountId;
use crate::token::{Digest, Scope, Timestamp};

/// One login of one account, or client, through one mount: what its tokens hang on. No token has a row of its own.
#[derive(Clone, Debug)]
pub struct Session {
    /// Random, and never given to a second session.
    pub id: SessionId,
    /// The session that this one continues, which ends both when it ends; itself if it continues none. Its tokens name it.
    pub root: SessionId,
    /// The mount.
    pub realm: String,
    /// Whose login it is; none if the client's own.
    pub account: Option<AccountId>,
    /// What its tokens call the subject.
    pub subject: String,
    /// The client it was opened for.
    pub client: String,
    /// The most its tokens may do.
    pub scope: Scope,
    /// Part of what its refresh tokens are derived from, so that neither the store nor the master key alone yields one.
    pub salt: [u8; 16],
    /// How often it has been renewed: which refresh token is the live one.
    pub generation: u32,
    /// The newest generation of which a token has been seen in use.
    pub seen: u32,
    /// When it was opened or last renewed.
    pub renewed_at: Timestamp,
    /// From when on it can be renewed no more, unless it is before.
    pub idle_end: Timestamp,
    /// From when on it can be renewed no more.
    pub absolute_end: Timestamp,
    /// The SHA-256 of the live refresh token, where that does not say which session is its own.
    pub digest: Option<Digest>,
    /// Whether a later session of the same account, client and realm supersedes it.
    pub exclusive: bool,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When and why it ended.
    pub ended: Option<Ended>,
}

/// The identity of a session: 128 random bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId([u8; 16]);

impl SessionId {
    /// The session with these 16 bytes, which whoever opens a session draws at random.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The first half of it.
    pub fn start(&self) -> u64 {
        u64::try_from(u128::from_be_bytes(self.0) >> 64).unwrap_or_default()
    }

    /// The least and the greatest that start like this.
    pub fn that_start(start: u64) -> (Self, Self) {
        let least = u128::from(start) << 64;
        let most = least | u128::from(u64::MAX);
        (Self(least.to_be_bytes()), Self(most.to_be_bytes()))
    }

    /// The 16 bytes.
    pub const fn bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Reads the 32 hexadecimal digits that [`fmt::Display`] writes.
    pub fn from_hex(text: &str) -> Option<Self> {
        let is_written_so = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 32 || !text.bytes().all(is_written_so) {
            return None;
        }
        let number = u128::from_str_radix(text, 16).ok()?;
        Some(Self(number.to_be_bytes()))
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({self})")
    }
}

/// When and why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub why: Ending,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Its client, its owner or the operator ended it.
    Revoked,
    /// A spent refresh token or code came back.
    Replayed,
    /// A later one took its place. Its access tokens live out their time.
    Superseded,
    /// Its account was disabled or got another password.
    Account,
}

impl Ending {
    pub(in crate::store) const fn word(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::Replayed => "replayed",
            Self::Superseded => "superseded",
            Self::Account => "account",
        }
    }

    pub(in crate::store) fn from_word(word: &str) -> Option<Self> {
        [
            Self::Revoked,
            Self::Replayed,
            Self::Superseded,
            Self::Account,
        ]
        .into_iter()
        .find(|why| why.word() == word)
    }
}

/// One renewal of a session: it spends one generation and begins the next.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    /// The session.
    pub id: SessionId,
    /// The generation that is spent. If it is not the session's own any more, somebody was faster.
    pub from: u32,
    /// The time. A session whose end has come is not renewed.
    pub now: Timestamp,
    /// From when on the renewed session can be renewed no more, unless it is before.
    pub idle_end: Timestamp,
    /// The SHA-256 of the next refresh token, where the session is found by it.
    pub digest: Option<Digest>,
}

/// Whose sessions are meant.
#[derive(Clone, Copy, Debug)]
pub enum Whose<'a> {
    /// Those of this account, whatever the client.
    Account(AccountId),
    /// Those opened for this client, whatever the account.
    Client(&'a str),
}
