//! What is remembered of tokens: the last one of each connection, and all of them in one cache.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use moka::sync::Cache;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::Identity;
use crate::settings::ByteSize;
use crate::token::{Digest, DigestHasher, Timestamp};

/// `[cache]`: what is remembered.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CacheSettings {
    /// Verified tokens, each until it expires.
    pub tokens: TokenCacheSettings,
}

/// How much is remembered of verified tokens.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TokenCacheSettings {
    /// The memory they may take. Where it is full, those used least make room.
    pub capacity: ByteSize,
}

impl Default for TokenCacheSettings {
    fn default() -> Self {
        Self {
            capacity: ByteSize::mib(64),
        }
    }
}

/// Verified tokens, shared by all connections and kept over reloads. Cloning gives another hand on the same cache.
#[derive(Clone)]
pub struct TokenCache {
    identities: Cache<Key, Arc<Identity>, DigestHasher>,
    /// Moves on whenever a token is forgotten, so that no connection remembers it on its own.
    epoch: Arc<AtomicU64>,
}

/// A token under one route's issuers. The number of the set is new with every configuration, so that a changed issuer
/// inherits no old verdict.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    digest: Digest,
    set: u32,
}

impl TokenCache {
    /// A cache that takes about this many bytes at most.
    pub fn new(capacity: u64) -> Self {
        let identities = Cache::builder()
            .max_capacity(capacity)
            .weigher(|_, identity: &Arc<Identity>| identity.weight())
            .build_with_hasher(DigestHasher::default());
        Self {
            identities,
            epoch: Arc::default(),
        }
    }

    /// How many tokens are in it, roughly.
    pub fn len(&self) -> u64 {
        self.identities.entry_count()
    }

    /// Whether there is nothing in it, roughly.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn find(&self, digest: Digest, set: u32) -> Option<Arc<Identity>> {
        self.identities.get(&Key { digest, set })
    }

    pub(super) fn keep(&self, identity: &Arc<Identity>, set: u32) {
        let key = Key {
            digest: identity.digest,
            set,
        };
        self.identities.insert(key, Arc::clone(identity));
    }

    /// Drops what is of no use any more. To be called every minute: a timer for each token would take more memory than
    /// the dead take until then.
    pub fn tidy(&self, now: Timestamp) {
        for (key, identity) in &self.identities {
            if now >= identity.expires_at.min(identity.fresh_until) {
                self.identities.invalidate(&*key);
            }
        }
    }

    pub(super) fn forget(&self, digest: Digest, sets: impl Iterator<Item = u32>) {
        for set in sets {
            self.identities.invalidate(&Key { digest, set });
        }
        self.epoch.fetch_add(1, Ordering::Release);
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenCache({} tokens)", self.len())
    }
}

/// What one connection remembers: its last token and whose it is. A client that keeps its connection mostly sends the
/// same token again, and comparing it with its own last one is quicker than any lookup.
#[derive(Default)]
pub struct Memo(Mutex<Option<Remembered>>);

struct Remembered {
    token: Zeroizing<Vec<u8>>,
    set: u32,
    epoch: u64,
    identity: Arc<Identity>,
}

impl Memo {
    pub(super) fn find(&self, token: &str, set: u32, epoch: u64) -> Option<Arc<Identity>> {
        let remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        remembered
            .as_ref()
            .filter(|last| {
                last.set == set && last.epoch == epoch && *last.token == token.as_bytes()
            })
            .map(|last| Arc::clone(&last.identity))
    }

    /// `epoch` is that of before the identity was looked up, so that one forgotten meanwhile is not remembered.
    pub(super) fn keep(&self, token: &str, set: u32, epoch: u64, identity: &Arc<Identity>) {
        let mut remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bytes = match remembered.take() {
            Some(last) => last.token,
            None => Zeroizing::default(),
        };
        bytes.clear();
        bytes.extend_from_slice(token.as_bytes());
        *remembered = Some(Remembered {
            token: bytes,
            set,
            epoch,
            identity: Arc::clone(identity),
        });
    }
}

impl fmt::Debug for Memo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Memo(..)")
    }
}
