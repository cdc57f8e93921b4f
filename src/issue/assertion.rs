//! A client proves which one it is by a JWT that it signed (RFC 7523 §2.2, §3).

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::{IssueError, LocalIssuer};
use crate::store::{Addition, OneTime, OneTimeKind, Store};
use crate::token::{Algorithm, ClaimError, Claims, Digest, Secret, Timestamp};
use crate::verify::{KeySet, KeySetError, jwt};

/// A JWT, and the client that is said to have signed it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Assertion<'a> {
    pub(super) text: &'a Secret,
    pub(super) client: &'a str,
}

/// Why the keys of a client cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum AssertionKeysError {
    /// The setting is missing.
    #[error("write `jwks`, the file with its public keys")]
    Missing,
    /// The file cannot be read.
    #[error("read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file is no key set.
    #[error("read {path} as a JWK set")]
    KeySet {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: KeySetError,
    },
    /// The file holds no key that may verify.
    #[error("find a public key that may verify in {path}")]
    NoKey {
        /// The file.
        path: PathBuf,
    },
}

/// The keys in a client's file.
pub(super) fn keys(path: &Path) -> Result<Arc<KeySet>, AssertionKeysError> {
    let named = || path.to_owned();
    let text = std::fs::read(path).map_err(|source| AssertionKeysError::Read {
        path: named(),
        source,
    })?;
    let keys = KeySet::read_any(&text, &Algorithm::ALL);
    let keys = keys.map_err(|source| AssertionKeysError::KeySet {
        path: named(),
        source,
    })?;
    if keys.keys().is_empty() {
        return Err(AssertionKeysError::NoKey { path: named() });
    }
    Ok(Arc::new(keys))
}

impl Assertion<'_> {
    /// Whether it proves that its client is asking, here and for the first time.
    pub(super) async fn holds(
        &self,
        keys: &KeySet,
        store: &Store,
        issuer: &LocalIssuer,
        now: Timestamp,
    ) -> Result<bool, IssueError> {
        let said = jwt::verify(self.text.reveal(), keys)
            .ok()
            .and_then(|payload| Claims::read(&payload).ok())
            .and_then(|claims| self.read(&claims, issuer, now).ok().flatten());
        let Some(once) = said else {
            return Ok(false);
        };
        // Last, so that only what is otherwise good is remembered.
        Ok(store.keep_once(once).await? == Addition::Added)
    }

    /// RFC 7523 §3, held strictly: one audience, which is the issuer and no endpoint of it, so that no other server can
    /// use it here; an end soon; an identity of its own.
    fn read(
        &self,
        claims: &Claims,
        issuer: &LocalIssuer,
        now: Timestamp,
    ) -> Result<Option<OneTime>, ClaimError> {
        let ours = claims.text("iss")? == Some(self.client)
            && claims.text("sub")? == Some(self.client)
            && claims
                .audience()?
                .is_some_and(|audience| audience.is_only(&issuer.identifier));
        let begun = claims.moment("nbf")?.is_none_or(|start| start <= now);
        claims.moment("iat")?;
        let end = claims
            .moment("exp")?
            .filter(|end| now < *end && *end <= now.plus(LONGEST));
        let id = claims
            .text("jti")?
            .filter(|id| !id.is_empty() && id.len() <= LONGEST_ID);
        let (true, true, Some(end), Some(id)) = (ours, begun, end, id) else {
            return Ok(None);
        };
        let named = [&*issuer.name, self.client, id].join("\0");
        Ok(Some(OneTime {
            kind: OneTimeKind::Assertion,
            digest: Digest::of(named.as_bytes()),
            payload: String::new(),
            expires_at: end,
        }))
    }
}

/// How far ahead its end may lie.
const LONGEST: Duration = Duration::from_mins(5);
/// In bytes.
const LONGEST_ID: usize = 256;
