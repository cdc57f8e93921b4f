//! How often somebody may guess a password.
//!
//! Failures are counted for each name, whether anybody is called that or not, and for each address. After a few of them
//! whoever asks for that name again has to wait, longer each time, but never for long: the answer is the same for the
//! right password and for a wrong one, and nobody is locked out for good. While a name is under suspicion one attempt
//! is made at a time, so asking in parallel gains nothing.
//!
//! An address from which an account was opened before has a count of its own for that account: a stranger who keeps
//! guessing keeps its owner out from nowhere but new places.
//!
//! It is kept in memory only, of bounded size, and a login that succeeds at once writes nothing anywhere else.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::mem;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use icu_normalizer::ComposingNormalizerBorrowed;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Circumstances, IssueError};
use crate::net::{Limit, neighbourhood};
use crate::settings::{Lifetime, Rate};
use crate::token::{DigestHasher, Timestamp};

/// `passwords.lockout`: how often somebody may guess.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LockoutSettings {
    /// Whether anybody has to wait at all.
    pub enabled: bool,
    /// How many failures for one name cost nothing.
    pub free: u32,
    /// How long to wait after each one beyond; the last holds for all that follow.
    pub steps: Vec<Lifetime>,
    /// After how long without a failure all is forgotten.
    pub forget: Lifetime,
    /// How many failures one address (IPv6: one /64 network) may have, whatever the names.
    pub address: Rate,
}

impl Default for LockoutSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            free: 3,
            steps: [1, 3, 5, 10].map(Lifetime::seconds).to_vec(),
            forget: Lifetime::minutes(15),
            address: Rate::new(60, Duration::from_mins(1)),
        }
    }
}

/// The failures of late.
#[derive(Debug)]
pub(super) struct Lockout {
    settings: LockoutSettings,
    addresses: Limit,
    seed: RandomState,
    shards: [Mutex<Shard>; SHARDS],
}

/// Who tries to be whom, and from where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt {
    /// The name, in whichever spelling.
    name: u64,
    /// The name at that address.
    place: Option<u64>,
    address: Option<(u64, IpAddr)>,
    now: i64,
}

/// Some of the records, in two generations: those touched since the last turn, and those touched in the turn before.
#[derive(Debug, Default)]
struct Shard {
    turned_at: i64,
    recent: HashMap<u64, Record, DigestHasher>,
    earlier: HashMap<u64, Record, DigestHasher>,
}

/// What is remembered of a name, a name at an address, or an address. Times are milliseconds since the epoch.
#[derive(Clone, Copy, Debug, Default)]
struct Record {
    failures: u32,
    last: i64,
    blocked_until: i64,
    /// Whether this is a place from which the account has been opened.
    is_home: bool,
}

impl Lockout {
    /// With nothing to remember yet.
    pub(super) fn new(settings: LockoutSettings) -> Self {
        let address = settings.address;
        Self {
            addresses: Limit::gcra(address.count(), address.per(), address.count()),
            settings,
            seed: RandomState::new(),
            shards: Default::default(),
        }
    }

    /// An attempt to be `name`. All spellings of a name that anybody could take for the same are one.
    pub(super) fn attempt(&self, realm: &str, name: &str, at: Circumstances) -> Attempt {
        let (name, address) = (folded(name), at.address.map(neighbourhood));
        let hash = |address: Option<IpAddr>| self.seed.hash_one((realm, &name, address));
        Attempt {
            name: hash(None),
            place: address.map(|address| hash(Some(address))),
            address: address.map(|address| (self.seed.hash_one(address), address)),
            now: at.now.millis(),
        }
    }

    /// Lets an attempt be made, or says how long to wait.
    pub(super) fn admit(&self, attempt: &Attempt) -> Result<(), IssueError> {
        if !self.settings.enabled {
            return Ok(());
        }
        let address = attempt.address.map_or(0, |(address, _)| {
            self.with(address, attempt.now, |record| {
                record.map_or(0, |record| self.wait(record, attempt.now))
            })
        });
        let wait = if address > 0 {
            address
        } else {
            self.with(self.counted(attempt), attempt.now, |record| match record {
                Some(record) => self.reserve(record, attempt.now),
                None => 0,
            })
        };
        match u64::try_from(wait) {
            Ok(wait) if wait > 0 => Err(IssueError::TooManyAttempts {
                retry_after: Duration::from_millis(wait),
            }),
            _ => Ok(()),
        }
    }

    /// The password was wrong, or there is nobody of that name.
    pub(super) fn failed(&self, attempt: &Attempt) {
        if !self.settings.enabled {
            return;
        }
        let now = attempt.now;
        self.change(self.counted(attempt), now, |record| {
            record.failures = record.failures.saturating_add(1);
            record.last = record.last.max(now);
            let wait = self.step(record.failures);
            record.blocked_until = record.blocked_until.max(now.saturating_add(wait));
        });
        let Some((key, address)) = attempt.address else {
            return;
        };
        if let Err(wait) = self.addresses.take(&address, Timestamp::from_millis(now)) {
            self.change(key, now, |record| {
                record.last = record.last.max(now);
                record.blocked_until = now.saturating_add(millis(wait));
            });
        }
    }

    /// The password was right: its owner has been here.
    pub(super) fn succeeded(&self, attempt: &Attempt) {
        if !self.settings.enabled {
            return;
        }
        let counted = self.counted(attempt);
        self.with(counted, attempt.now, |record| {
            if let Some(record) = record {
                (record.failures, record.blocked_until) = (0, 0);
            }
        });
        if let Some(place) = attempt.place {
            self.change(place, attempt.now, |record| record.is_home = true);
        }
    }

    /// Where failures of this attempt count: at the name's home, or else for the name.
    fn counted(&self, attempt: &Attempt) -> u64 {
        let home = attempt.place.filter(|place| {
            self.with(*place, attempt.now, |record| {
                record.is_some_and(|record| record.is_home)
            })
        });
        home.unwrap_or(attempt.name)
    }

    /// How long to wait; without any wait, the next one waits for this attempt if the name is under suspicion.
    fn reserve(&self, record: &mut Record, now: i64) -> i64 {
        let wait = self.wait(record, now);
        if wait == 0 {
            record.blocked_until = now.saturating_add(self.step(record.failures));
        }
        wait
    }

    fn wait(&self, record: &mut Record, now: i64) -> i64 {
        if now.saturating_sub(record.last) >= millis(self.settings.forget.duration()) {
            record.failures = 0;
        }
        let wait = record.blocked_until.saturating_sub(now);
        // Only a clock that was set back can owe more than that.
        if wait > self.longest() {
            record.blocked_until = 0;
            return 0;
        }
        wait.max(0)
    }

    /// How long the next attempt has to wait after so many failures, in milliseconds.
    fn step(&self, failures: u32) -> i64 {
        let Some(beyond) = failures.checked_sub(self.settings.free.saturating_add(1)) else {
            return 0;
        };
        let steps = &self.settings.steps;
        let step = usize::try_from(beyond).ok().and_then(|nth| steps.get(nth));
        step.or(steps.last())
            .map_or(0, |step| millis(step.duration()))
    }

    fn longest(&self) -> i64 {
        let steps = self.settings.steps.iter().map(|step| step.duration());
        millis(
            steps
                .chain([self.settings.address.per()])
                .max()
                .unwrap_or_default(),
        )
    }

    fn with<T>(&self, key: u64, now: i64, act: impl FnOnce(Option<&mut Record>) -> T) -> T {
        self.locked(key, now, |shard| act(shard.find(key)))
    }

    fn change(&self, key: u64, now: i64, act: impl FnOnce(&mut Record)) {
        self.locked(key, now, |shard| {
            shard.find(key);
            act(shard.recent.entry(key).or_default());
        });
    }

    fn locked<T>(&self, key: u64, now: i64, act: impl FnOnce(&mut Shard) -> T) -> T {
        // The map inside uses the lowest and highest bits; these are from the middle.
        let [_, _, _, byte, ..] = key.to_be_bytes();
        let [first, ..] = &self.shards;
        let shard = self.shards.get(usize::from(byte) % SHARDS).unwrap_or(first);
        // A panic elsewhere cannot leave a record half made.
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        shard.turn(now, millis(self.settings.forget.duration()));
        act(&mut shard)
    }
}

impl Shard {
    /// Forgets what has not been touched for a whole turn.
    fn turn(&mut self, now: i64, forget: i64) {
        let age = now.saturating_sub(self.turned_at);
        if age >= forget || age < 0 || self.recent.len() >= ROOM {
            self.earlier = mem::take(&mut self.recent);
            self.turned_at = now;
        }
    }

    fn find(&mut self, key: u64) -> Option<&mut Record> {
        if let Some(record) = self.earlier.remove(&key) {
            self.recent.insert(key, record);
        }
        self.recent.get_mut(&key)
    }
}

/// What all spellings of a name have in common: compatible characters are one (Unicode NFKC), as are letters of either
/// case, and what cannot be seen is left out.
fn folded(name: &str) -> String {
    let composed = ComposingNormalizerBorrowed::new_nfkc().normalize(name);
    let visible = composed.chars().filter(|c| !is_unseen(*c));
    // Upper case first, so that letters with two lower cases, and those that are two letters in upper case, are one.
    let lower: String = (visible.flat_map(char::to_uppercase))
        .flat_map(char::to_lowercase)
        .collect();
    lower.trim().to_owned()
}

fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// How many locks there are to wait for.
const SHARDS: usize = 16;

/// How many records one shard holds in each of its two generations: 16 shards make 131,072 of them, some 8 MiB.
const ROOM: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn lockout() -> Lockout {
        Lockout::new(LockoutSettings::default())
    }

    fn at(millis: i64, address: &str) -> Circumstances {
        Circumstances {
            now: Timestamp::from_millis(1_795_262_671_000 + millis),
            address: (!address.is_empty()).then(|| address.parse().unwrap()),
        }
    }

    /// Milliseconds to wait, or 0.
    fn wait(lockout: &Lockout, attempt: &Attempt) -> u128 {
        match lockout.admit(attempt) {
            Ok(()) => 0,
            Err(IssueError::TooManyAttempts { retry_after }) => retry_after.as_millis(),
            Err(other) => panic!("{other}"),
        }
    }

    fn fail(lockout: &Lockout, name: &str, at: Circumstances) -> u128 {
        let attempt = lockout.attempt("hub", name, at);
        let wait = wait(lockout, &attempt);
        if wait == 0 {
            lockout.failed(&attempt);
        }
        wait
    }

    #[test]
    fn each_failure_beyond_the_free_ones_takes_longer_and_none_takes_long() {
        let lockout = lockout();
        let mut now = 0;
        let mut waits = Vec::new();
        for _ in 0..9 {
            assert_eq!(fail(&lockout, "john", at(now, "")), 0);
            let next = lockout.attempt("hub", "john", at(now, ""));
            let wait = wait(&lockout, &next);
            waits.push(wait);
            now += i64::try_from(wait).unwrap();
        }
        let expected = [0, 0, 0, 1000, 3000, 5000, 10_000, 10_000, 10_000];
        assert_eq!(waits, expected);
    }

    /// TK-13
    #[test]
    fn all_spellings_of_a_name_share_one_count() {
        let lockout = lockout();
        for name in ["john", "John", "JOHN", " john"] {
            assert_eq!(fail(&lockout, name, at(0, "")), 0, "{name:?}");
        }
        for name in ["john", "ｊｏｈｎ", "jo\u{200b}hn", "\tJohn\n", "ＪＯＨＮ "] {
            assert_eq!(fail(&lockout, name, at(1, "")), 999, "{name:?}");
        }
        for (one, other) in [
            ("straße", "STRASSE"),
            ("e\u{301}va", "Éva"),
            ("ΟΔΟΣ", "οδος"),
        ] {
            assert_eq!(folded(one), folded(other));
        }
        assert_eq!(fail(&lockout, "joan", at(1, "")), 0);
        let elsewhere = lockout.attempt("spaces", "john", at(1, ""));
        assert_eq!(wait(&lockout, &elsewhere), 0, "another realm, another john");
    }

    #[test]
    fn while_a_name_is_suspected_one_attempt_is_made_at_a_time() {
        let lockout = lockout();
        for _ in 0..4 {
            fail(&lockout, "john", at(0, ""));
        }
        let attempt = |now| lockout.attempt("hub", "john", at(now, ""));
        assert_eq!(wait(&lockout, &attempt(1000)), 0);
        assert_eq!(
            wait(&lockout, &attempt(1000)),
            1000,
            "the first is being judged"
        );
        lockout.succeeded(&attempt(1000));
        for _ in 0..4 {
            assert_eq!(wait(&lockout, &attempt(1000)), 0, "all is forgiven");
        }
    }

    #[test]
    fn who_does_not_wait_makes_it_no_worse_and_time_heals() {
        let lockout = lockout();
        for _ in 0..4 {
            fail(&lockout, "john", at(0, ""));
        }
        for now in 0..1000 {
            assert!(fail(&lockout, "john", at(now, "")) > 0);
        }
        assert_eq!(fail(&lockout, "john", at(1000, "")), 0);
        let rested = 1000 + 15 * 60 * 1000;
        for _ in 0..4 {
            assert_eq!(fail(&lockout, "john", at(rested, "")), 0);
        }
    }

    #[test]
    fn a_stranger_does_not_keep_the_owner_out_of_where_they_have_been() {
        let lockout = lockout();
        let home = |now| lockout.attempt("hub", "john", at(now, "192.0.2.1"));
        lockout.succeeded(&home(0));
        for _ in 0..4 {
            fail(&lockout, "john", at(1, "203.0.113.9"));
        }
        assert!(fail(&lockout, "john", at(2, "203.0.113.9")) > 0);
        assert!(fail(&lockout, "john", at(2, "198.51.100.1")) > 0);
        assert_eq!(wait(&lockout, &home(2)), 0);
        for _ in 0..4 {
            fail(&lockout, "John ", at(3, "192.0.2.1"));
        }
        assert!(wait(&lockout, &home(3)) > 0, "home is no licence to guess");
    }

    #[test]
    fn an_address_that_tries_one_name_after_another_has_to_wait() {
        let lockout = lockout();
        let mut refused = 0;
        for n in 0..100 {
            refused += u32::from(fail(&lockout, &format!("name{n}"), at(0, "2001:db8::1")) > 0);
        }
        assert_eq!(refused, 39, "60 of them, and the one that was too many");
        assert!(fail(&lockout, "x", at(0, "2001:db8::2")) > 0, "a neighbour");
        assert_eq!(fail(&lockout, "x", at(0, "2001:db8:0:1::1")), 0);
        assert_eq!(fail(&lockout, "x", at(1000, "2001:db8::1")), 0);
    }

    #[test]
    fn invented_names_do_not_fill_the_memory_and_a_clock_set_back_locks_nobody_out() {
        let lockout = lockout();
        for n in 0..200_000 {
            fail(&lockout, &n.to_string(), at(0, ""));
        }
        let kept: usize = (lockout.shards.iter())
            .map(|shard| shard.lock().unwrap())
            .map(|shard| shard.recent.len() + shard.earlier.len())
            .sum();
        assert!((60_000..=SHARDS * ROOM * 2).contains(&kept), "{kept}");
        for _ in 0..7 {
            let attempt = lockout.attempt("hub", "john", at(0, ""));
            lockout.failed(&attempt);
        }
        assert!(fail(&lockout, "john", at(0, "")) > 0);
        assert_eq!(fail(&lockout, "john", at(-3_600_000, "")), 0);
    }

    #[test]
    fn it_can_be_switched_off() {
        let settings = LockoutSettings {
            enabled: false,
            ..LockoutSettings::default()
        };
        let lockout = Lockout::new(settings);
        assert!((0..1000).all(|_| fail(&lockout, "john", at(0, "192.0.2.1")) == 0));
    }
}
