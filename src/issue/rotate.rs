//! How signing keys come and go.
//!
//! A key is made and published a day before it signs, so that whoever checks our tokens knows it by then; it signs until
//! its successor takes over; it verifies until the last token it signed is dead, and a day longer; then it is forgotten.
//! One that is revoked verifies nothing from that moment on, wherever it is known.
//!
//! Every step is one conditional statement of the store, so processes that share it may all take it: one of them does,
//! and the others see it within a second.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{MasterKey, StartError, audit};
use crate::store::{KeyState, Store, StoredKey};
use crate::token::{Algorithm, Keyring, SigningKey, Timestamp};

/// The signing keys of one mount. A clone is the same.
#[derive(Clone, Debug)]
pub struct Keys {
    store: Store,
    master: MasterKey,
    terms: KeyTerms,
    keyring: Arc<Keyring>,
    known: Arc<Mutex<Vec<KnownKey>>>,
}

/// Whose keys they are, and when they come and go.
#[derive(Clone, Debug)]
pub struct KeyTerms {
    /// The mount.
    pub realm: Arc<str>,
    /// What they sign with.
    pub algorithm: Algorithm,
    /// How long one signs before the next takes over; without it, that is up to the operator.
    pub every: Option<Duration>,
    /// How long a token lives at most.
    pub token_lifetime: Duration,
    /// When the last token is over that was issued while they lived longer.
    pub former_end: Timestamp,
}

/// A key of the store, opened.
#[derive(Clone, Debug)]
pub struct KnownKey {
    /// What it is used for.
    pub state: KeyState,
    /// Since when.
    pub since: Timestamp,
    /// When it was made.
    pub created_at: Timestamp,
    /// The key.
    pub key: Arc<SigningKey>,
}

/// A step that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Due {
    /// A successor is to be made and published.
    Successor,
    /// This key has been published for long enough.
    Activate(String),
    /// This key signs no more, as the mount has changed its algorithm.
    Retire(String),
    /// Nothing this key signed is alive.
    Forget(String),
}

/// The keys of a realm: read from the store, or made on first use; nobody tends to them.
pub async fn open_keyring(
    store: &Store,
    realm: &str,
    algorithm: Algorithm,
    master: &MasterKey,
    now: Timestamp,
) -> Result<Arc<Keyring>, StartError> {
    let terms = KeyTerms {
        realm: Arc::from(realm),
        algorithm,
        every: None,
        token_lifetime: Duration::ZERO,
        former_end: now,
    };
    let keys = Keys::open(store, terms, master, now).await?;
    Ok(keys.keyring())
}

impl Keys {
    /// Reads the keys from the store, or makes the first one. Processes that start together on one store get the same.
    ///
    /// The active key of the algorithm signs. Every other key still verifies, unless it was revoked.
    pub async fn open(
        store: &Store,
        terms: KeyTerms,
        master: &MasterKey,
        now: Timestamp,
    ) -> Result<Self, StartError> {
        let rows = store.keys(&terms.realm).await?;
        let is_signing = |row: &StoredKey| terms.is_signing(row);
        if !rows.iter().any(is_signing) {
            make(store, &terms, master, KeyState::Active, now).await?;
        }
        let known = read(store, &terms, master, &[]).await?;
        let (signing, others) = terms.parted(&known)?;
        Ok(Self {
            store: store.clone(),
            master: master.clone(),
            keyring: Arc::new(Keyring::new(signing, &others)),
            known: Arc::new(Mutex::new(known)),
            terms,
        })
    }

    /// The keyring that signs and verifies with them.
    pub fn keyring(&self) -> Arc<Keyring> {
        Arc::clone(&self.keyring)
    }

    /// Whose keys they are.
    pub const fn terms(&self) -> &KeyTerms {
        &self.terms
    }

    /// The keys that verify, and those that will, oldest first.
    pub fn list(&self) -> Vec<KnownKey> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.clone()
    }

    /// Takes the steps that are due, and takes over what other processes did. To be called every second.
    pub async fn tend(&self, now: Timestamp) -> Result<(), StartError> {
        let rows = self.store.keys(&self.terms.realm).await?;
        for due in self.terms.due(&rows, now) {
            match due {
                Due::Successor => {
                    self.make(KeyState::Pending, now).await?;
                }
                Due::Activate(kid) => self.advance(&kid, KeyState::Active, now).await?,
                Due::Retire(kid) => self.advance(&kid, KeyState::Retiring, now).await?,
                Due::Forget(kid) => {
                    if self.store.remove_key(&kid).await? {
                        audit::key_moved(&self.terms.realm, &kid, "forgotten");
                    }
                }
            }
        }
        self.reread().await
    }
}

/// What the operator does.
impl Keys {
    /// Publishes a successor, which takes over in a day, or at once. Says which key that is.
    pub async fn rotate(&self, at_once: bool, now: Timestamp) -> Result<String, StartError> {
        let successor = self.make(KeyState::Pending, now).await?;
        if at_once {
            self.advance(&successor.kid, KeyState::Active, now).await?;
        }
        self.reread().await?;
        Ok(successor.kid)
    }

    /// Lets a key sign no more; what it signed stays good, unless the key is `revoked`. If it is the one that signs, a
    /// successor takes over at once. False: there is no such key, or it was done before.
    pub async fn retire(
        &self,
        kid: &str,
        revoked: bool,
        now: Timestamp,
    ) -> Result<bool, StartError> {
        let rows = self.store.keys(&self.terms.realm).await?;
        let Some(row) = rows.iter().find(|row| row.kid == kid) else {
            return Ok(false);
        };
        if self.terms.is_signing(row) {
            let successor = self.make(KeyState::Pending, now).await?;
            self.advance(&successor.kid, KeyState::Active, now).await?;
        }
        let (to, word) = if revoked {
            (KeyState::Revoked, "revoked")
        } else {
            (KeyState::Retiring, "retiring")
        };
        let moved = self.store.move_key(kid, to, now).await?;
        if moved {
            audit::key_moved(&self.terms.realm, kid, word);
        }
        self.reread().await?;
        // Retired already, when its successor took over.
        Ok(moved || (!revoked && self.terms.is_signing(row)))
    }

    async fn make(&self, state: KeyState, now: Timestamp) -> Result<StoredKey, StartError> {
        make(&self.store, &self.terms, &self.master, state, now).await
    }

    async fn advance(&self, kid: &str, to: KeyState, now: Timestamp) -> Result<(), StartError> {
        if self.store.move_key(kid, to, now).await? {
            let word = if to == KeyState::Active {
                "active"
            } else {
                "retiring"
            };
            audit::key_moved(&self.terms.realm, kid, word);
        }
        Ok(())
    }

    /// Takes over what the store says, if that is news.
    async fn reread(&self) -> Result<(), StartError> {
        let known = self.list();
        let read = read(&self.store, &self.terms, &self.master, &known).await?;
        let is_same = |(one, other): (&KnownKey, &KnownKey)| {
            one.state == other.state && Arc::ptr_eq(&one.key, &other.key)
        };
        if known.len() == read.len() && known.iter().zip(&read).all(is_same) {
            return Ok(());
        }
        let (signing, others) = self.terms.parted(&read)?;
        self.keyring.replace(signing, &others);
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = read;
        Ok(())
    }
}

impl KeyTerms {
    fn is_signing(&self, row: &StoredKey) -> bool {
        row.state == KeyState::Active && row.algorithm == self.algorithm.name()
    }

    /// What is due now, one step for each key at most.
    fn due(&self, rows: &[StoredKey], now: Timestamp) -> Vec<Due> {
        let ours = |row: &&StoredKey| row.algorithm == self.algorithm.name();
        let in_state = |state| rows.iter().find(|row| row.state == state && ours(row));
        let is_over = |from: Timestamp, span: Duration| from.plus(span) <= now;
        let mut due = Vec::new();
        let pending = in_state(KeyState::Pending);
        match (in_state(KeyState::Active), pending, self.every) {
            (_, Some(pending), _) if is_over(pending.since, PUBLISHED) => {
                due.push(Due::Activate(pending.kid.clone()));
            }
            (Some(active), None, Some(every))
                if is_over(active.since, every.saturating_sub(PUBLISHED)) =>
            {
                due.push(Due::Successor);
            }
            _ => {}
        }
        let kept = self.token_lifetime + KEPT;
        for row in rows {
            match row.state {
                KeyState::Retiring | KeyState::Revoked
                    if is_over(row.since, kept) && is_over(self.former_end, KEPT) =>
                {
                    due.push(Due::Forget(row.kid.clone()));
                }
                KeyState::Active | KeyState::Pending if !ours(&row) => {
                    due.push(Due::Retire(row.kid.clone()));
                }
                _ => {}
            }
        }
        due
    }

    /// The key that signs, and those that only verify.
    fn parted(
        &self,
        known: &[KnownKey],
    ) -> Result<(Arc<SigningKey>, Vec<Arc<SigningKey>>), StartError> {
        let is_signing = |known: &&KnownKey| {
            known.state == KeyState::Active && known.key.algorithm() == self.algorithm
        };
        let signing = known.iter().find(is_signing);
        let signing = signing.ok_or_else(|| StartError::NoSigningKey {
            realm: self.realm.to_string(),
        })?;
        let others = known.iter().map(|known| Arc::clone(&known.key));
        let others = others.filter(|key| !Arc::ptr_eq(key, &signing.key));
        Ok((Arc::clone(&signing.key), others.collect()))
    }
}

/// Makes a key, unless there is one in that state; gives the one there is then.
async fn make(
    store: &Store,
    terms: &KeyTerms,
    master: &MasterKey,
    state: KeyState,
    now: Timestamp,
) -> Result<StoredKey, StartError> {
    let key = SigningKey::generate(terms.algorithm)?;
    let mut stored = StoredKey {
        kid: key.kid().to_owned(),
        realm: terms.realm.to_string(),
        algorithm: terms.algorithm.name().to_owned(),
        sealed: Vec::new(),
        state,
        created_at: now,
        since: now,
    };
    stored.sealed = master.seal(&context(&stored), &key.pkcs8()?)?;
    let winner = store.add_key(stored).await?;
    if winner.kid == key.kid() {
        audit::key_made(&terms.realm, key.kid(), terms.algorithm);
    }
    Ok(winner)
}

/// The keys of the store that were not revoked, opened; those that are known need not be opened again.
async fn read(
    store: &Store,
    terms: &KeyTerms,
    master: &MasterKey,
    known: &[KnownKey],
) -> Result<Vec<KnownKey>, StartError> {
    let rows = store.keys(&terms.realm).await?;
    let good = rows.iter().filter(|row| row.state != KeyState::Revoked);
    good.map(|row| {
        let opened = known.iter().find(|known| known.key.kid() == row.kid);
        let key = match opened {
            Some(known) => Arc::clone(&known.key),
            None => Arc::new(unseal(row, master)?),
        };
        Ok(KnownKey {
            state: row.state,
            since: row.since,
            created_at: row.created_at,
            key,
        })
    })
    .collect()
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

/// For how long a key is published before it signs: longer than any cache keeps our key set.
const PUBLISHED: Duration = Duration::from_hours(24);
/// For how long it is kept after the last of its tokens has died.
const KEPT: Duration = Duration::from_hours(24);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreSettings;
    use crate::token::Secret;

    const DAY: i64 = 86_400;

    fn terms() -> KeyTerms {
        KeyTerms {
            realm: Arc::from("it"),
            algorithm: Algorithm::ES256,
            every: Some(Duration::from_hours(90 * 24)),
            token_lifetime: Duration::from_mins(10),
            former_end: Timestamp::from_seconds(0),
        }
    }

    fn row(kid: &str, algorithm: &str, state: KeyState, since: i64) -> StoredKey {
        StoredKey {
            kid: kid.to_owned(),
            realm: "it".to_owned(),
            algorithm: algorithm.to_owned(),
            sealed: Vec::new(),
            state,
            created_at: Timestamp::from_seconds(since),
            since: Timestamp::from_seconds(since),
        }
    }

    fn due(rows: &[StoredKey], now: i64) -> Vec<Due> {
        terms().due(rows, Timestamp::from_seconds(now))
    }

    #[test]
    fn a_key_lives_from_its_publication_to_the_day_after_its_last_token() {
        use KeyState::{Active, Pending, Retiring, Revoked};
        let one = |state, since| [row("k", "ES256", state, since)];
        assert_eq!(due(&one(Active, 0), 89 * DAY - 1), []);
        assert_eq!(due(&one(Active, 0), 89 * DAY), [Due::Successor]);
        let two = [
            row("k", "ES256", Active, 0),
            row("l", "ES256", Pending, 89 * DAY),
        ];
        assert_eq!(due(&two, 90 * DAY - 1), []);
        assert_eq!(due(&two, 90 * DAY), [Due::Activate("l".to_owned())]);
        for state in [Retiring, Revoked] {
            assert_eq!(due(&one(state, 0), DAY + 599), []);
            assert_eq!(
                due(&one(state, 0), DAY + 600),
                [Due::Forget("k".to_owned())]
            );
        }
    }

    #[test]
    fn a_key_is_kept_for_tokens_of_a_longer_lifetime_before() {
        let longer = KeyTerms {
            former_end: Timestamp::from_seconds(7 * DAY),
            ..terms()
        };
        let rows = [row("k", "ES256", KeyState::Retiring, 0)];
        assert_eq!(longer.due(&rows, Timestamp::from_seconds(8 * DAY - 1)), []);
        let forgotten = longer.due(&rows, Timestamp::from_seconds(8 * DAY));
        assert_eq!(forgotten, [Due::Forget("k".to_owned())]);
    }

    #[test]
    fn where_the_operator_rotates_only_what_they_began_is_finished() {
        let by_hand = KeyTerms {
            every: None,
            ..terms()
        };
        let at = |days: i64| Timestamp::from_seconds(days * DAY);
        let active = row("k", "ES256", KeyState::Active, 0);
        assert_eq!(by_hand.due(std::slice::from_ref(&active), at(10_000)), []);
        let rows = [active, row("l", "ES256", KeyState::Pending, DAY)];
        assert_eq!(by_hand.due(&rows, at(2)), [Due::Activate("l".to_owned())]);
    }

    #[test]
    fn a_key_of_another_algorithm_retires() {
        let rows = [
            row("k", "RS256", KeyState::Active, 0),
            row("l", "ES256", KeyState::Active, 0),
        ];
        assert_eq!(due(&rows, 1), [Due::Retire("k".to_owned())]);
    }

    async fn opened(store: &Store) -> Keys {
        let master = MasterKey::read(&Secret::new("A".repeat(43))).unwrap();
        let now = Timestamp::from_seconds(0);
        Keys::open(store, terms(), &master, now).await.unwrap()
    }

    fn states(keys: &Keys) -> Vec<(String, KeyState)> {
        let state = |known: &KnownKey| (known.key.kid().to_owned(), known.state);
        keys.list().iter().map(state).collect()
    }

    #[tokio::test]
    async fn processes_that_share_a_store_take_each_step_once_and_agree() {
        let folder = tempfile::tempdir().unwrap();
        let settings = StoreSettings::default();
        let store = Store::open(&settings, folder.path()).await.unwrap();
        let (one, other) = (opened(&store).await, opened(&store).await);
        let mut signing = vec![one.keyring().signing().kid().to_owned()];
        for day in [89, 90, 92, 179, 180, 182] {
            let now = Timestamp::from_seconds(day * DAY);
            for _ in 0..2 {
                let (mine, theirs) = tokio::join!(one.tend(now), other.tend(now));
                mine.and(theirs).unwrap();
            }
            assert_eq!(states(&one), states(&other), "on day {day}");
            assert!(states(&one).len() <= 2, "on day {day}: {:?}", states(&one));
            signing.push(one.keyring().signing().kid().to_owned());
        }
        signing.dedup();
        assert_eq!(signing.len(), 3);
        let stolen = signing.last().unwrap();
        let now = Timestamp::from_seconds(183 * DAY);
        assert!(one.retire(stolen, true, now).await.unwrap());
        other.tend(now).await.unwrap();
        assert!(other.keyring().find(Some(stolen)).is_none());
        assert_eq!(
            one.keyring().signing().kid(),
            other.keyring().signing().kid()
        );
    }
}
