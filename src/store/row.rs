//! What is kept, as values.

use std::fmt;

use crate::token::{Digest, Scope, Secret, Timestamp};

/// A person known to one mount.
#[derive(Clone, Debug)]
pub struct Account {
    /// Random, and never given to a second account.
    pub id: AccountId,
    /// The mount it belongs to.
    pub realm: String,
    /// The name its owner chose: unique in the realm, compared byte for byte.
    pub name: String,
    /// The name it logs in with where the two differ; unique.
    pub key: String,
    /// The hash of its password, as a PHC string.
    pub password: Secret,
    /// What its tokens may do.
    pub scope: Scope,
    /// Part of what its refresh token is derived from: one more, and every refresh token out there is void.
    pub generation: u32,
    /// Whether it may log in.
    pub status: Status,
    /// When it was made.
    pub created_at: Timestamp,
    /// Where its owner can be written to.
    pub email: Option<String>,
    /// What its owner is called by people.
    pub title: Option<String>,
    /// The account it belongs to, for APIs in which accounts have members.
    pub owner: Option<AccountId>,
    /// The secret of its second factor (RFC 6238), sealed.
    pub totp: Option<Vec<u8>>,
    /// Whether its owner must choose another password before getting tokens.
    pub must_reset: bool,
}

/// The identity of an account: 128 random bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct AccountId([u8; 16]);

impl AccountId {
    /// The account with these 16 bytes, which whoever makes an account draws at random.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes.
    pub const fn bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccountId({self})")
    }
}

/// A program that was registered while Tollgate ran, or from the command line.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its identifier; unique.
    pub name: String,
    /// The SHA-256 of its secret. The secret is random and long, so that nothing slower is needed. None: it cannot keep
    /// one (RFC 6749 §2.1).
    pub secret: Option<Digest>,
    /// The secret before that one, while it is still good.
    pub former: Option<FormerSecret>,
    /// The most its tokens may do.
    pub scope: Scope,
    /// The grants it may use, in the words of RFC 6749.
    pub grants: Vec<String>,
    /// Whether it may ask at all.
    pub status: Status,
    /// When it was made.
    pub created_at: Timestamp,
    /// Where people may be sent back to, each compared byte for byte.
    pub redirect_uris: Vec<String>,
    /// What it is called by people.
    pub title: Option<String>,
    /// The mount it registered itself at (RFC 7591); the operator added the others.
    pub registered_at: Option<String>,
}

/// A secret that has been replaced and is good for a while longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FormerSecret {
    /// Its SHA-256.
    pub digest: Digest,
    /// From this moment on it is good no more.
    pub until: Timestamp,
}

/// Whether an account or a client may be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It may.
    Active,
    /// It may not, until somebody says so again.
    Disabled,
}

impl Status {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
        }
    }

    pub(super) fn from_word(word: &str) -> Option<Self> {
        [Self::Active, Self::Disabled]
            .into_iter()
            .find(|status| status.word() == word)
    }
}

/// One of our signing keys, as it lies in the store.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredKey {
    /// Its identifier in tokens and key sets.
    pub kid: String,
    /// The mount whose tokens it signs.
    pub realm: String,
    /// The word of RFC 7518 for what it does.
    pub algorithm: String,
    /// The private key, encrypted.
    pub sealed: Vec<u8>,
    /// What it is used for now.
    pub state: KeyState,
    /// When it was made.
    pub created_at: Timestamp,
}

impl fmt::Debug for StoredKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredKey")
            .field("kid", &self.kid)
            .field("realm", &self.realm)
            .field("algorithm", &self.algorithm)
            .field("state", &self.state)
            .field("created_at", &self.created_at)
            .finish_non_exhaustive()
    }
}

/// What a signing key is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// It signs. There is one such key for each realm and algorithm.
    Active,
    /// It signs no more; what it signed is still good.
    Retiring,
}

impl KeyState {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Retiring => "retiring",
        }
    }

    pub(super) fn from_word(word: &str) -> Option<Self> {
        [Self::Active, Self::Retiring]
            .into_iter()
            .find(|state| state.word() == word)
    }
}

/// What became of something that was to be added under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Addition {
    /// It is there now.
    Added,
    /// The name was somebody else's, and still is.
    NameTaken,
}

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

    /// The 16 bytes.
    pub const fn bytes(&self) -> &[u8; 16] {
        &self.0
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

/// Something that can be used once: a code, or a proof that must not be shown twice.
#[derive(Clone, Debug)]
pub struct OneTime {
    /// What it is.
    pub kind: OneTimeKind,
    /// The SHA-256 of the secret, or of what makes it this one.
    pub digest: Digest,
    /// What it stands for; its kind knows how to read it. Nothing secret.
    pub payload: String,
    /// When it is worth nothing any more, and may be forgotten.
    pub expires_at: Timestamp,
}

/// What can be used once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OneTimeKind {
    /// An authorization code (RFC 6749 §4.1.2).
    Code,
    /// A code that hands a session over to a browser.
    Handoff,
    /// The nonce of a message signed by a wallet (EIP-4361).
    Nonce,
    /// The `jti` of a client assertion (RFC 7523 §3).
    Assertion,
    /// A step of a second factor (RFC 6238 §5.2).
    Totp,
}

/// What became of an attempt to use something that can be used once.
#[derive(Clone, Debug)]
#[must_use]
pub enum Redeemed {
    /// It was there and is spent now.
    First(OneTime),
    /// It had been spent before, for this session if for any.
    Again(Option<SessionId>),
    /// There is no such thing, or its time is over.
    Unknown,
}

/// A verdict on tokens that are still out there: nobody may accept them any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// The mount whose tokens it is about.
    pub realm: String,
    /// Which of them.
    pub of: Revoked,
    /// When it was spoken. For what is not a session or a token, those issued in this second or before are meant.
    pub at: Timestamp,
    /// When the last token it is about is dead by itself.
    pub until: Timestamp,
}

/// Which tokens a revocation is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Revoked {
    /// Those of a session.
    Session(SessionId),
    /// Those of this subject.
    Subject(String),
    /// Those given to this client.
    Client(String),
    /// Those signed with this key.
    Key(String),
    /// The one with this `jti`.
    Token(String),
}
