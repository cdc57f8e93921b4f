//! Signing keys.

use std::fmt;

use crate::token::Timestamp;

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
    /// Since when it has been used so.
    pub since: Timestamp,
}

impl fmt::Debug for StoredKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredKey")
            .field("kid", &self.kid)
            .field("realm", &self.realm)
            .field("algorithm", &self.algorithm)
            .field("state", &self.state)
            .field("created_at", &self.created_at)
            .field("since", &self.since)
            .finish_non_exhaustive()
    }
}

/// What a signing key is used for. A key goes this way from the top to the bottom, and never back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// It is published, and signs nothing yet: others fetch it before they need it.
    Pending,
    /// It signs. There is at most one such key for each realm and algorithm.
    Active,
    /// It signs no more; what it signed is still good.
    Retiring,
    /// Nothing it ever signed is good.
    Revoked,
}

impl fmt::Display for KeyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl KeyState {
    const ALL: [Self; 4] = [Self::Pending, Self::Active, Self::Retiring, Self::Revoked];

    pub(in crate::store) const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Retiring => "retiring",
            Self::Revoked => "revoked",
        }
    }

    pub(in crate::store) fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }
}
