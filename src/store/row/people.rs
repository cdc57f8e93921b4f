//! Accounts and clients.

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

impl Account {
    /// An active account that nobody has said anything else of: it logs in with its name, and nobody with a password.
    pub fn new(id: AccountId, realm: &str, name: &str, created_at: Timestamp) -> Self {
        Self {
            id,
            realm: realm.to_owned(),
            name: name.to_owned(),
            key: name.to_owned(),
            password: Secret::new(""),
            scope: Scope::empty(),
            generation: 0,
            status: Status::Active,
            created_at,
            email: None,
            title: None,
            owner: None,
            totp: None,
            must_reset: false,
        }
    }
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
    pub(in crate::store) const fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
        }
    }

    pub(in crate::store) fn from_word(word: &str) -> Option<Self> {
        [Self::Active, Self::Disabled]
            .into_iter()
            .find(|status| status.word() == word)
    }
}
