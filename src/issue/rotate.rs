//! How signing keys are born and read back.

use std::sync::Arc;

use super::{MasterKey, StartError};
use crate::store::{KeyState, Store, StoredKey};
use crate::token::{Algorithm, Keyring, SigningKey, Timestamp};

/// The keys of a realm: read from the store, or made on first use. Processes that start together on one store get the
/// same key.
///
/// The active key of `algorithm` signs. Every other key of the realm still verifies, so that tokens outlive a change of
/// the algorithm.
pub async fn open_keyring(
    store: &Store,
    realm: &str,
    algorithm: Algorithm,
    master: &MasterKey,
    now: Timestamp,
) -> Result<Arc<Keyring>, StartError> {
    let stored = store.keys(realm).await?;
    let mut signing = None;
    let mut others = Vec::new();
    for key in &stored {
        let opened = Arc::new(unseal(key, master)?);
        if key.state == KeyState::Active && opened.algorithm() == algorithm {
            signing = Some(opened);
        } else {
            others.push(opened);
        }
    }
    let signing = match signing {
        Some(key) => key,
        None => make(store, realm, algorithm, master, now).await?,
    };
    Ok(Arc::new(Keyring::new(signing, &others)))
}

async fn make(
    store: &Store,
    realm: &str,
    algorithm: Algorithm,
    master: &MasterKey,
    now: Timestamp,
) -> Result<Arc<SigningKey>, StartError> {
    let key = SigningKey::generate(algorithm)?;
    let mut stored = StoredKey {
        kid: key.kid().to_owned(),
        realm: realm.to_owned(),
        algorithm: algorithm.name().to_owned(),
        sealed: Vec::new(),
        state: KeyState::Active,
        created_at: now,
        since: now,
    };
    stored.sealed = master.seal(&context(&stored), &key.pkcs8()?)?;
    let winner = store.add_key(stored).await?;
    if winner.kid == key.kid() {
        super::audit::key_made(realm, key.kid(), algorithm);
    }
    unseal(&winner, master).map(Arc::new)
}

fn unseal(key: &StoredKey, master: &MasterKey) -> Result<SigningKey, StartError> {
    let unknown = || StartError::UnknownAlgorithm {
        kid: key.kid.clone(),
        algorithm: key.algorithm.clone(),
    };
    let algorithm = Algorithm::from_name(&key.algorithm).ok_or_else(unknown)?;
    let pkcs8 =
        master
            .open(&context(key), &key.sealed)
            .map_err(|_| StartError::WrongMasterKey {
                realm: key.realm.clone(),
            })?;
    Ok(SigningKey::from_pkcs8(&key.kid, algorithm, &pkcs8)?)
}

/// A sealed key opens only in its own row: whoever can write the store cannot make one realm sign for another.
fn context(key: &StoredKey) -> Vec<u8> {
    [&*key.kid, &*key.realm, &*key.algorithm]
        .join("\0")
        .into_bytes()
}
