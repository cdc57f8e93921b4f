//! A set of public keys, and which of them a token means.

use std::sync::Arc;

use serde_json::Value;

use crate::token::{Algorithm, Claims, KeyError, VerifyingKey};

/// The keys of one issuer: an entry for each name and algorithm. Keys that may not verify never enter.
#[derive(Debug, Default)]
pub struct KeySet {
    keys: Vec<Arc<VerifyingKey>>,
    /// Why the first key that was left out was left out.
    left_out: Option<KeyError>,
}

/// Why a text is not a key set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// Not one JSON object with an array `keys`.
    #[error("not a JWK set")]
    NotAJwkSet,
    /// More keys than an honest issuer has.
    #[error("more than 100 keys")]
    TooMany,
}

/// Which key a token means.
#[derive(Debug)]
pub(super) enum Choice {
    /// This one.
    Key(Arc<VerifyingKey>),
    /// The name is known, but not for this algorithm.
    OtherAlgorithm,
    /// The token names no key, and several would fit.
    Several,
    /// There is no such key.
    None,
}

impl KeySet {
    /// Reads a JWK set (RFC 7517 §5). Keys of unknown kinds and keys that may not verify are left out.
    pub fn read(json: &[u8], allowed: &[Algorithm]) -> Result<Self, KeySetError> {
        let set = Claims::read(json).map_err(|_| KeySetError::NotAJwkSet)?;
        let jwks = set.at("keys").and_then(Value::as_array);
        let jwks = jwks.ok_or(KeySetError::NotAJwkSet)?;
        if jwks.len() > MOST_KEYS {
            return Err(KeySetError::TooMany);
        }
        let mut keys = Self::default();
        for jwk in jwks {
            keys.add(VerifyingKey::from_jwk(jwk, allowed));
        }
        Ok(keys)
    }

    /// Reads what a person may have at hand: a public key in PEM, one JWK, or a JWK set.
    pub fn read_any(text: &[u8], allowed: &[Algorithm]) -> Result<Self, KeySetError> {
        let mut keys = Self::default();
        if text.trim_ascii_start().starts_with(b"-----") {
            keys.add(VerifyingKey::from_pem(text, allowed));
            return Ok(keys);
        }
        let json = Claims::read(text).map_err(|_| KeySetError::NotAJwkSet)?;
        if json.has("keys") {
            return Self::read(text, allowed);
        }
        let jwk: Value = serde_json::from_slice(text).map_err(|_| KeySetError::NotAJwkSet)?;
        keys.add(VerifyingKey::from_jwk(&jwk, allowed));
        Ok(keys)
    }

    /// Adds what was read; of two entries with one name and algorithm the first stays.
    fn add(&mut self, read: Result<Vec<Arc<VerifyingKey>>, KeyError>) {
        match read {
            Ok(entries) => {
                for entry in entries {
                    let taken = self.keys.iter().any(|known| {
                        known.kid() == entry.kid()
                            && known.algorithm() == entry.algorithm()
                            && (entry.kid().is_some() || known.is_same_entry(&entry))
                    });
                    if !taken {
                        self.keys.push(entry);
                    }
                }
            }
            Err(error) => self.left_out = self.left_out.take().or(Some(error)),
        }
    }

    /// The key for this name and algorithm. Without a name, the one key that fits the algorithm, if it is only one. In a
    /// set where no key has a name, names choose nothing.
    pub(super) fn choose(&self, kid: Option<&str>, algorithm: Algorithm) -> Choice {
        let named = self.keys.iter().any(|key| key.kid().is_some());
        let Some(kid) = kid.filter(|_| named) else {
            let mut fitting = self.keys.iter().filter(|key| key.algorithm() == algorithm);
            return match (fitting.next(), fitting.next()) {
                (Some(key), None) => Choice::Key(Arc::clone(key)),
                (Some(_), Some(_)) => Choice::Several,
                (None, _) => Choice::None,
            };
        };
        let mut of_name = self.keys.iter().filter(|key| key.kid() == Some(kid));
        match of_name.clone().find(|key| key.algorithm() == algorithm) {
            Some(key) => Choice::Key(Arc::clone(key)),
            None if of_name.next().is_some() => Choice::OtherAlgorithm,
            None => Choice::None,
        }
    }

    /// The keys.
    pub fn keys(&self) -> &[Arc<VerifyingKey>] {
        &self.keys
    }

    /// Why a key was left out, if one was.
    pub fn left_out(&self) -> Option<&KeyError> {
        self.left_out.as_ref()
    }

    /// This set, with the entries of `old` in the place of their equals, so that what was verified with one of them
    /// stays verified.
    pub(super) fn keeping(mut self, old: &Self) -> Self {
        for key in &mut self.keys {
            if let Some(same) = old.keys.iter().find(|known| known.is_same_entry(key)) {
                *key = Arc::clone(same);
            }
        }
        self
    }
}

/// An issuer with more keys than this is not believed.
const MOST_KEYS: usize = 100;
