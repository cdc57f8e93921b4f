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
    /// The SHA-256 of its secret. The secret is random and long, so that nothing slower is needed.
    pub secret: Digest,
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
