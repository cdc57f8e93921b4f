//! Our signing keys: one signs, its predecessors still verify.

use std::sync::Arc;

use arc_swap::ArcSwap;
use serde_json::{Value, json};

use super::{SigningKey, Timestamp, VerifyingKey};

/// The keys of one profile. Reading takes no lock; a rotation replaces all at once.
#[derive(Debug)]
pub struct Keyring(ArcSwap<Keys>);

#[derive(Debug)]
struct Keys {
    signing: Arc<SigningKey>,
    verifying: Vec<Arc<VerifyingKey>>,
    published: Value,
}

impl Keyring {
    /// A keyring in which `signing` signs; it and `others` verify and are published: those that signed before, and the
    /// one that will sign next.
    pub fn new(signing: Arc<SigningKey>, others: &[Arc<SigningKey>]) -> Self {
        Self(ArcSwap::from_pointee(Keys::new(signing, others)))
    }

    /// The key that signs now.
    pub fn signing(&self) -> Arc<SigningKey> {
        Arc::clone(&self.0.load().signing)
    }

    /// The key of this name; without a name, the key that signs now.
    pub fn find(&self, kid: Option<&str>) -> Option<Arc<VerifyingKey>> {
        let keys = self.0.load();
        let found = match kid {
            None => keys.verifying.first(),
            Some(kid) => keys.verifying.iter().find(|key| key.kid() == Some(kid)),
        };
        found.map(Arc::clone)
    }

    /// Every key that verifies, the one that signs now first.
    pub fn verifying(&self) -> Vec<Arc<VerifyingKey>> {
        self.0.load().verifying.clone()
    }

    /// The public keys as a JWK set (RFC 7517 §5).
    pub fn jwks(&self) -> Value {
        self.0.load().published.clone()
    }

    /// Replaces the keys. Tokens of a key that is gone are refused from now on.
    pub fn replace(&self, signing: Arc<SigningKey>, others: &[Arc<SigningKey>]) {
        let new = Arc::new(Keys::new(signing, others));
        let old = self.0.swap(Arc::clone(&new));
        for key in &old.verifying {
            if !new.verifying.iter().any(|kept| Arc::ptr_eq(kept, key)) {
                key.withdraw();
            }
        }
    }
}

impl Keys {
    fn new(signing: Arc<SigningKey>, others: &[Arc<SigningKey>]) -> Self {
        let mut all = vec![&signing];
        for other in others {
            if !all.iter().any(|known| known.kid() == other.kid()) {
                all.push(other);
            }
        }
        let published: Vec<&Value> = all.iter().map(|key| key.jwk()).collect();
        let verifying: Vec<_> = all.iter().map(|key| key.verifying()).collect();
        // One that was dropped and comes back is believed again.
        for key in &verifying {
            key.trust_until(Timestamp::from_millis(i64::MAX));
        }
        Self {
            published: json!({ "keys": published }),
            verifying,
            signing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::Algorithm;

    fn key() -> Arc<SigningKey> {
        Arc::new(SigningKey::generate(Algorithm::ES256).unwrap())
    }

    #[test]
    fn a_predecessor_still_verifies_and_a_dropped_key_is_believed_no_longer() {
        let now = Timestamp::from_seconds(1);
        let (first, second, third) = (key(), key(), key());
        let ring = Keyring::new(Arc::clone(&first), &[]);
        ring.replace(Arc::clone(&second), &[Arc::clone(&first)]);
        assert_eq!(ring.signing().kid(), second.kid());
        assert!(ring.find(Some(first.kid())).unwrap().is_trusted(now));
        assert_eq!(ring.jwks()["keys"].as_array().unwrap().len(), 2);

        ring.replace(third, &[second]);
        assert!(ring.find(Some(first.kid())).is_none());
        assert!(!first.verifying().is_trusted(now));
    }
}
