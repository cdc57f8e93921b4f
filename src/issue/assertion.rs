//! A client proves which one it is by a JWT that it signed (RFC 7523 §2.2, §3).

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

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

/// The keys of a client: those in its file, which is read again when it has changed, so that a client can exchange its
/// keys while the gateway runs.
#[derive(Debug)]
pub(super) struct ClientKeys {
    path: PathBuf,
    held: Mutex<Held>,
}

/// The keys as they were last read.
#[derive(Debug)]
struct Held {
    keys: Arc<KeySet>,
    /// What the file was like then; nothing if it could not be looked at.
    seen: Option<(SystemTime, u64)>,
    looked: Timestamp,
}

impl ClientKeys {
    /// The keys in this file.
    pub(super) fn open(path: &Path) -> Result<Self, AssertionKeysError> {
        let held = Held {
            seen: look(path),
            keys: read(path)?,
            looked: Timestamp::from_millis(i64::MIN),
        };
        Ok(Self {
            path: path.to_owned(),
            held: Mutex::new(held),
        })
    }

    /// The keys as they are now. The file is looked at once a second at most; while it cannot be read, those of before
    /// are good.
    pub(super) fn current(&self, now: Timestamp) -> Arc<KeySet> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if now.since(held.looked) >= PAUSE {
            held.looked = now;
            let seen = look(&self.path);
            if seen != held.seen {
                held.seen = seen;
                match read(&self.path) {
                    Ok(keys) => held.keys = keys,
                    Err(error) => {
                        let cause = std::error::Error::source(&error).map(ToString::to_string);
                        tracing::warn!(%error, cause, "a client keeps the keys it had");
                    }
                }
            }
        }
        Arc::clone(&held.keys)
    }
}

fn look(path: &Path) -> Option<(SystemTime, u64)> {
    let data = std::fs::metadata(path).ok()?;
    Some((data.modified().ok()?, data.len()))
}

fn read(path: &Path) -> Result<Arc<KeySet>, AssertionKeysError> {
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

/// How long the keys of a client are used before their file is looked at again.
const PAUSE: Duration = Duration::from_secs(1);
/// How far ahead its end may lie.
const LONGEST: Duration = Duration::from_mins(5);
/// In bytes.
const LONGEST_ID: usize = 256;

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::{Value, json};

    use super::*;
    use crate::issue::testing::{App, House, NOW, later};
    use crate::issue::{Ask, ClientCredentials, ClientProof};
    use crate::token::SigningKey;

    fn signed(key: &SigningKey, claims: &Value) -> Secret {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header = json!({ "alg": "ES256", "kid": key.kid() });
        let message = format!("{}.{}", part(&header), part(claims));
        let signature = URL_SAFE_NO_PAD.encode(key.sign(message.as_bytes()).unwrap());
        Secret::new(format!("{message}.{signature}"))
    }

    /// Good claims, with these members changed; `null` removes one.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "reads better where it is called"
    )]
    fn claims(changes: Value) -> Value {
        let mut claims = json!({
            "iss": "keyed", "sub": "keyed", "aud": "https://api.test/oauth", "jti": "one",
            "iat": NOW.seconds(), "exp": NOW.seconds() + 300,
        });
        let members = claims.as_object_mut().unwrap();
        for (name, value) in changes.as_object().unwrap() {
            if value.is_null() {
                members.remove(name);
            } else {
                members.insert(name.clone(), value.clone());
            }
        }
        claims
    }

    async fn is_believed(house: &House, name: &str, assertion: Secret, now: Timestamp) -> bool {
        let client = ClientCredentials {
            id: name.to_owned(),
            proof: ClientProof::Assertion(assertion),
            in_header: false,
        };
        let ask = Ask::ClientCredentials {
            client,
            scope: None,
        };
        match house.mint.answer(ask, &house.issuer, now).await {
            Ok(_) => true,
            Err(IssueError::InvalidClient { in_header: false }) => false,
            Err(other) => panic!("{other}"),
        }
    }

    /// Z01
    #[tokio::test]
    async fn a_client_proves_itself_once_by_what_it_signed() {
        let house = House::new().await;
        let good = signed(&house.key, &claims(json!({})));
        assert!(is_believed(&house, "keyed", good.clone(), NOW).await);
        assert!(
            !is_believed(&house, "keyed", good, NOW).await,
            "shown twice"
        );
        let next = signed(&house.key, &claims(json!({ "jti": "two", "iat": null })));
        assert!(is_believed(&house, "keyed", next, later(299)).await);
        let alone = claims(json!({ "jti": "three", "aud": ["https://api.test/oauth"] }));
        assert!(is_believed(&house, "keyed", signed(&house.key, &alone), NOW).await);
    }

    /// Z01
    #[tokio::test]
    async fn a_client_that_exchanges_its_keys_is_believed_by_the_new_one_alone() {
        let house = House::new().await;
        let next = SigningKey::generate(Algorithm::ES256).unwrap();
        let by = |key: &SigningKey, id: &str| signed(key, &claims(json!({ "jti": id })));
        assert!(is_believed(&house, "keyed", by(&house.key, "1"), NOW).await);
        let file = house.folder.path().join("keyed.json");
        std::fs::write(&file, "{ \"keys\": [").unwrap();
        assert!(is_believed(&house, "keyed", by(&house.key, "2"), later(1)).await);
        let set = json!({ "keys": [next.jwk()] });
        std::fs::write(&file, set.to_string()).unwrap();
        assert!(!is_believed(&house, "keyed", by(&next, "3"), later(1)).await);
        assert!(is_believed(&house, "keyed", by(&next, "4"), later(2)).await);
        assert!(!is_believed(&house, "keyed", by(&house.key, "5"), later(2)).await);
    }

    /// Z01
    #[tokio::test]
    async fn an_assertion_is_held_to_every_word() {
        let house = House::new().await;
        for changes in [
            json!({ "iss": "shop" }),
            json!({ "sub": "shop" }),
            json!({ "iss": null }),
            json!({ "sub": null }),
            json!({ "aud": null }),
            json!({ "aud": "https://api.test/oauth/token" }),
            json!({ "aud": ["https://api.test/oauth", "https://other.test"] }),
            json!({ "aud": [] }),
            json!({ "exp": null }),
            json!({ "exp": NOW.seconds() }),
            json!({ "exp": NOW.seconds() + 301 }),
            json!({ "exp": "soon" }),
            json!({ "nbf": NOW.seconds() + 1 }),
            json!({ "jti": null }),
            json!({ "jti": "" }),
            json!({ "jti": "x".repeat(257) }),
            json!({ "jti": 7 }),
        ] {
            let assertion = signed(&house.key, &claims(changes.clone()));
            assert!(
                !is_believed(&house, "keyed", assertion, NOW).await,
                "{changes}"
            );
        }
        let stranger = SigningKey::generate(Algorithm::ES256).unwrap();
        let forged = signed(&stranger, &claims(json!({})));
        assert!(!is_believed(&house, "keyed", forged, NOW).await);
        let of_keyed = signed(&house.key, &claims(json!({})));
        for other in [App::SHOP.name, App::PUBLIC.name, "nobody"] {
            assert!(!is_believed(&house, other, of_keyed.clone(), NOW).await);
        }
        let nonsense = Secret::new("a.b.c");
        assert!(!is_believed(&house, "keyed", nonsense, NOW).await);
        assert!(
            is_believed(&house, "keyed", of_keyed, NOW).await,
            "nothing of it was spent"
        );
    }
}
