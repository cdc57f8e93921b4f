//! Passwords are hashed beside everything else: no request that is passed on waits for it.
//!
//! An unknown name costs the same as a wrong password: its password is compared with a hash nobody has the password of.
//! Hashes that were brought along from elsewhere are other work than our own. As long as there are any, a wrong password
//! is compared twice, with one of ours and with one of theirs, whichever of them is somebody's; and where theirs are not
//! all alike, nobody hears so sooner than the slowest would take.

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use argon2::password_hash::{self, PasswordHasher, phc::PasswordHash};
use argon2::{Algorithm, Argon2, Params, Version};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::crew::Crew;
use super::legacy::Hashed;
use super::lockout::{Lockout, LockoutSettings};
use super::{IssueError, StartError, random};
use crate::settings::ByteSize;
use crate::token::Secret;

/// `[passwords]`: how passwords are hashed (Argon2id, RFC 9106), for every dialect that takes one.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PasswordSettings {
    /// The memory one hash takes.
    pub memory: ByteSize,
    /// How often one hash goes over that memory.
    pub passes: u32,
    /// In how many lanes it is laid out.
    pub lanes: u32,
    /// How many are hashed at once; half the cores, at least one, if nothing is said. Where every core is busy, one more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrent: Option<NonZeroU16>,
    /// How many may wait; beyond that, logins are told to come back later.
    pub queue: u16,
    /// How often somebody may guess one.
    pub lockout: LockoutSettings,
}

impl Default for PasswordSettings {
    fn default() -> Self {
        Self {
            memory: ByteSize::mib(19),
            passes: 2,
            lanes: 1,
            concurrent: None,
            queue: 16,
            lockout: LockoutSettings::default(),
        }
    }
}

/// Who hashes passwords. Its threads end when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Hashing {
    crew: Crew,
    nobodys: Arc<Secret>,
    lockout: Arc<Lockout>,
    costs: Arc<Costs>,
}

/// What each kind of hash costs, by its recipe.
#[derive(Debug, Default)]
struct Costs(Mutex<BTreeMap<String, Cost>>);

/// What one kind costs.
#[derive(Clone, Debug)]
struct Cost {
    /// The least that was seen, as everything beyond is somebody else's time.
    least: Duration,
    /// One of its kind, to do the same work with; none for our own.
    sample: Option<Arc<Hashed>>,
}

/// Whether a password is right.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// It is not, or there is nobody whose it could be.
    Wrong,
    /// It is.
    Right,
    /// It is, but its hash was made with other settings; this is a new one.
    RightButOutdated(Secret),
}

impl Hashing {
    /// Starts the threads.
    pub fn start(settings: &PasswordSettings) -> Result<Self, StartError> {
        let memory = u32::try_from(settings.memory.get() / 1024).unwrap_or(u32::MAX);
        let params = Params::new(memory, settings.passes, settings.lanes, None)
            .map_err(StartError::Passwords)?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let unknown = random::base62(32)
            .map_err(|_| StartError::FirstHash(password_hash::Error::RngFailure))?;
        let nobodys = hash(&argon2, &Secret::new(unknown)).map_err(StartError::FirstHash)?;

        let crew = Crew::start(&argon2, settings.threads(), settings.queue.into())
            .map_err(StartError::Threads)?;
        Ok(Self {
            crew,
            nobodys: Arc::new(nobodys),
            lockout: Arc::new(Lockout::new(settings.lockout.clone())),
            costs: Arc::default(),
        })
    }

    /// The most passwords that were ever hashed at once, but for the steady thread's.
    pub fn busiest(&self) -> usize {
        self.crew.busiest()
    }

    /// Who has to wait before guessing again.
    pub(super) fn lockout(&self) -> &Lockout {
        &self.lockout
    }

    /// Learns what hashes like these cost, before anybody's answer could tell.
    pub async fn acquaint(&self, hashes: Vec<Secret>) -> Result<(), IssueError> {
        for phc in hashes {
            let parsed = Hashed::parse(phc.reveal());
            let is_new = parsed.is_ok_and(|hashed| !self.costs.knows(&hashed.recipe()));
            if is_new {
                self.verify(Secret::new("nobody's"), Some(phc)).await?;
            }
        }
        Ok(())
    }

    /// The hash of a new password, as a PHC string with a random salt.
    pub async fn hash(&self, password: Secret) -> Result<Secret, IssueError> {
        self.crew.run(move |argon2| hash(argon2, &password)).await
    }

    /// Whether `password` is the one that `phc` was made of; without `phc`, the same work for nothing.
    pub async fn verify(
        &self,
        password: Secret,
        phc: Option<Secret>,
    ) -> Result<Verdict, IssueError> {
        let somebodys = phc.is_some();
        let phc = phc.unwrap_or_else(|| Secret::clone(&self.nobodys));
        let costs = Arc::clone(&self.costs);
        let (verdict, begun) = self
            .crew
            .run(move |argon2| {
                let begun = Instant::now();
                verify(argon2, &password, &phc, &costs).map(|verdict| (verdict, begun))
            })
            .await?;
        if somebodys && !matches!(verdict, Verdict::Wrong) {
            return Ok(verdict);
        }
        if let Some(slowest) = self.costs.slowest() {
            tokio::time::sleep_until((begun + slowest).into()).await;
        }
        Ok(Verdict::Wrong)
    }
}

impl PasswordSettings {
    fn threads(&self) -> usize {
        let half = || thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1));
        self.concurrent
            .map_or_else(half, |concurrent| usize::from(concurrent.get()))
    }
}

fn hash(argon2: &Argon2<'static>, password: &Secret) -> password_hash::Result<Secret> {
    let hash: PasswordHash = argon2.hash_password(password.reveal().as_bytes())?;
    Ok(Secret::new(hash.to_string()))
}

fn verify(
    argon2: &Argon2<'static>,
    password: &Secret,
    phc: &Secret,
    costs: &Costs,
) -> password_hash::Result<Verdict> {
    let kept = match Hashed::parse(phc.reveal()) {
        Ok(kept) => kept,
        Err(error) => {
            // Its like is refused where hashes are taken in, so somebody has written it into the store.
            tracing::warn!(%error, "could not compare with the hash of a password");
            hash(argon2, password)?;
            costs.pretend(password);
            return Ok(Verdict::Wrong);
        }
    };
    let is_ours = is_current(argon2, phc);
    let begun = Instant::now();
    let is_right = kept.is_of(password);
    if is_ours {
        costs.note(OURS.to_owned(), begun.elapsed(), None);
    } else {
        costs.note(kept.recipe(), begun.elapsed(), Some(kept));
    }
    match (is_right, is_ours) {
        (true, true) => Ok(Verdict::Right),
        (true, false) => hash(argon2, password).map(Verdict::RightButOutdated),
        (false, true) => {
            costs.pretend(password);
            Ok(Verdict::Wrong)
        }
        (false, false) => {
            let begun = Instant::now();
            hash(argon2, password)?;
            costs.note(OURS.to_owned(), begun.elapsed(), None);
            Ok(Verdict::Wrong)
        }
    }
}

fn is_current(argon2: &Argon2<'static>, phc: &Secret) -> bool {
    let now = argon2.params();
    PasswordHash::new(phc.reveal()).is_ok_and(|kept| {
        kept.algorithm == argon2::ARGON2ID_IDENT
            && Params::try_from(&kept).is_ok_and(|then| {
                (then.m_cost(), then.t_cost(), then.p_cost())
                    == (now.m_cost(), now.t_cost(), now.p_cost())
            })
    })
}

impl Costs {
    fn note(&self, recipe: String, cost: Duration, sample: Option<Hashed>) {
        let mut costs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = costs.get_mut(&recipe) {
            known.least = known.least.min(cost);
        } else if costs.len() < RECIPES {
            let sample = sample.map(Arc::new);
            costs.insert(
                recipe,
                Cost {
                    least: cost,
                    sample,
                },
            );
        }
    }

    fn knows(&self, recipe: &str) -> bool {
        let costs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        costs.contains_key(recipe)
    }

    /// Does the work that the slowest hash from elsewhere would be.
    fn pretend(&self, password: &Secret) {
        if let Some(sample) = self.slowest_of_theirs().and_then(|cost| cost.sample) {
            sample.is_of(password);
        }
    }

    fn slowest_of_theirs(&self) -> Option<Cost> {
        let costs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let theirs = costs.values().filter(|cost| cost.sample.is_some());
        theirs.max_by_key(|cost| cost.least).cloned()
    }

    /// How long it takes to compare with one of ours and with the slowest of theirs, with some room; nothing where there
    /// are none of theirs.
    fn slowest(&self) -> Option<Duration> {
        let theirs = self.slowest_of_theirs()?.least;
        let costs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ours = costs.get(OURS).map_or(Duration::ZERO, |cost| cost.least);
        Some(((ours + theirs) * 5 / 4).min(MOST))
    }
}

/// What the costs of our own hashes go by.
const OURS: &str = "";

/// The longest that anybody waits for what they did not do.
const MOST: Duration = Duration::from_secs(5);

/// How many kinds of hashes are told apart. What is beyond is a few milliseconds off.
const RECIPES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(passes: u32) -> PasswordSettings {
        PasswordSettings {
            memory: ByteSize::kib(64),
            passes,
            concurrent: NonZeroU16::new(1),
            ..PasswordSettings::default()
        }
    }

    fn password() -> Secret {
        Secret::new("correct horse")
    }

    #[tokio::test]
    async fn a_password_is_right_or_wrong_and_nobodys_is_always_wrong() {
        let hashing = Hashing::start(&settings(1)).unwrap();
        let phc = hashing.hash(password()).await.unwrap();
        assert!(phc.reveal().starts_with("$argon2id$v=19$m=64,t=1,p=1$"));
        let right = hashing.verify(password(), Some(phc.clone())).await.unwrap();
        assert!(matches!(right, Verdict::Right));
        let wrong = hashing
            .verify(Secret::new("battery"), Some(phc))
            .await
            .unwrap();
        assert!(matches!(wrong, Verdict::Wrong));
        let nobody = hashing.verify(password(), None).await.unwrap();
        assert!(matches!(nobody, Verdict::Wrong));
    }

    #[tokio::test]
    async fn a_hash_made_with_other_settings_is_made_again() {
        let old = Hashing::start(&settings(1))
            .unwrap()
            .hash(password())
            .await
            .unwrap();
        let hashing = Hashing::start(&settings(2)).unwrap();
        let Verdict::RightButOutdated(new) = hashing.verify(password(), Some(old)).await.unwrap()
        else {
            panic!("the old hash passed for a current one");
        };
        assert!(matches!(
            hashing.verify(password(), Some(new)).await.unwrap(),
            Verdict::Right
        ));
    }

    const BCRYPT: &str = "$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2";

    #[tokio::test]
    async fn a_hash_from_elsewhere_is_compared_with_and_then_made_anew() {
        let hashing = Hashing::start(&settings(1)).unwrap();
        let kept = || Some(Secret::new(BCRYPT));
        let wrong = hashing.verify(Secret::new("battery"), kept()).await;
        assert!(matches!(wrong.unwrap(), Verdict::Wrong));
        let Verdict::RightButOutdated(new) = hashing.verify(password(), kept()).await.unwrap()
        else {
            panic!("the foreign hash passed for our own");
        };
        assert!(new.reveal().starts_with("$argon2id$v=19$m=64,t=1,p=1$"));
    }

    /// TK-09: where kinds of hashes are mixed, none answers sooner than the slowest of them.
    #[tokio::test]
    async fn a_stranger_waits_as_long_as_the_slowest_kind_of_hash_takes() {
        let hashing = Hashing::start(&settings(1)).unwrap();
        assert_eq!(hashing.costs.slowest(), None);
        hashing.acquaint(vec![Secret::new(BCRYPT)]).await.unwrap();
        let slowest = hashing.costs.slowest().unwrap();
        let ours = hashing.hash(password()).await.unwrap();
        for kept in [None, Some(ours), Some(Secret::new(BCRYPT))] {
            let begun = Instant::now();
            let verdict = hashing.verify(Secret::new("battery"), kept).await.unwrap();
            assert!(matches!(verdict, Verdict::Wrong));
            assert!(begun.elapsed() >= slowest * 4 / 5);
        }
    }

    #[tokio::test]
    async fn a_stored_hash_that_takes_too_long_is_not_computed() {
        let hashing = Hashing::start(&settings(1)).unwrap();
        let endless = "$2b$31$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2";
        let begun = Instant::now();
        let verdict = hashing.verify(password(), Some(Secret::new(endless))).await;
        assert!(matches!(verdict, Ok(Verdict::Wrong)));
        assert!(begun.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn settings_that_argon2_cannot_obey_are_refused() {
        let settings = PasswordSettings {
            memory: ByteSize::kib(1),
            ..PasswordSettings::default()
        };
        let error = Hashing::start(&settings).unwrap_err().to_string();
        assert!(error.contains("[passwords]"), "{error}");
    }
}
