//! When to ask an issuer for its keys, and when not to: decisions only, no waiting and no clock.

use std::collections::HashMap;
use std::time::Duration;

use aws_lc_rs::rand;

use crate::token::{Digest, Timestamp};

/// How often an issuer is asked for its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::verify) struct Pace {
    /// How long a set lives that does not say so itself.
    pub(in crate::verify) refresh: Duration,
    /// How long the last good set serves while a newer one cannot be had.
    pub(in crate::verify) keep_stale: Duration,
    /// How often requests may cause a fetch, once the first two are spent.
    pub(in crate::verify) cooldown: Duration,
}

/// What is remembered of the asking.
#[derive(Debug)]
pub(super) struct Diary {
    pace: Pace,
    /// When the next fetch is due.
    due: Timestamp,
    /// Failures since the last success.
    failures: u32,
    /// When the bucket of fetches that requests may cause is full again.
    bucket_full: Timestamp,
    /// Names that a fresh set did not have, and until when that is believed.
    missing: HashMap<Digest, Timestamp>,
    pub(super) last_success: Option<Timestamp>,
}

impl Diary {
    /// Nothing has been asked yet, so the first fetch is due at once.
    pub(super) fn new(pace: Pace) -> Self {
        Self {
            pace,
            due: Timestamp::from_millis(i64::MIN),
            failures: 0,
            bucket_full: Timestamp::from_millis(i64::MIN),
            missing: HashMap::new(),
            last_success: None,
        }
    }

    /// Whether a fetch is due by the clock.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        now >= self.due
    }

    /// Whether the last fetch failed.
    pub(super) const fn is_failing(&self) -> bool {
        self.failures > 0
    }

    /// Takes one fetch out of the bucket for a request that lacks this key, if it may cause one: two at once, then one
    /// per cooldown, and none for a name that a fresh set did not have.
    pub(super) fn take(&mut self, name: Digest, now: Timestamp) -> bool {
        if self.missing.get(&name).is_some_and(|until| now < *until) {
            return false;
        }
        // The level is kept as the moment at which the bucket is full again (a virtual schedule, ITU-T I.371).
        let full = self.bucket_full.max(now).plus(self.pace.cooldown);
        if full.since(now) > self.pace.cooldown * BURST {
            return false;
        }
        self.bucket_full = full;
        true
    }

    /// Notes that a fresh set does not have this name.
    pub(super) fn note_missing(&mut self, name: Digest, now: Timestamp) {
        if self.missing.len() >= MOST_MISSING {
            self.missing.retain(|_, until| now < *until);
        }
        if self.missing.len() >= MOST_MISSING {
            let oldest = self.missing.iter().min_by_key(|(_, until)| **until);
            if let Some(oldest) = oldest.map(|(name, _)| *name) {
                self.missing.remove(&oldest);
            }
        }
        self.missing.insert(name, now.plus(MISSING_FOR));
    }

    /// Notes a good set, which its issuer calls good for `life` if it says so. Returns until when it may be used.
    pub(super) fn note_success(&mut self, life: Option<Duration>, now: Timestamp) -> Timestamp {
        let life = life.map_or(self.pace.refresh, |life| life.clamp(LIFE_MIN, LIFE_MAX));
        // At four fifths of its life, and a little earlier by chance, so that many gateways do not ask at once.
        let wait = life * 4 / 5;
        self.due = now.plus(wait.saturating_sub(by_chance(wait / 10)));
        self.failures = 0;
        self.missing.clear();
        self.last_success = Some(now);
        now.plus(self.pace.keep_stale)
    }

    /// Notes a failure: the next attempt waits twice as long as this one did, up to a minute.
    pub(super) fn note_failure(&mut self, now: Timestamp) {
        let wait = BACKOFF_MIN * 2u32.saturating_pow(self.failures.min(6));
        let wait = wait.min(BACKOFF_MAX);
        self.due = now.plus(wait.saturating_sub(by_chance(wait / 5)));
        self.failures = self.failures.saturating_add(1);
    }
}

fn by_chance(most: Duration) -> Duration {
    let mut byte = [0];
    // Without chance everybody is merely punctual.
    let _ = rand::fill(&mut byte);
    most * u32::from(byte[0]) / 255
}

const BURST: u32 = 2;
const MISSING_FOR: Duration = Duration::from_mins(1);
const MOST_MISSING: usize = 1024;
const LIFE_MIN: Duration = Duration::from_mins(1);
const LIFE_MAX: Duration = Duration::from_hours(24);
const BACKOFF_MIN: Duration = Duration::from_secs(1);
const BACKOFF_MAX: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace {
        refresh: Duration::from_mins(10),
        keep_stale: Duration::from_hours(24),
        cooldown: Duration::from_secs(10),
    };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn name(number: u32) -> Digest {
        Digest::of(&number.to_be_bytes())
    }

    #[test]
    fn is_02_ten_thousand_random_names_cause_two_fetches_and_one_per_cooldown() {
        let mut diary = Diary::new(PACE);
        let mut taken = 0;
        for number in 0..10_000u32 {
            let now = Timestamp::from_millis(i64::from(number));
            taken += u32::from(diary.take(name(number), now));
        }
        assert_eq!(taken, 2);
        assert!(diary.take(name(1), at(10)));
        assert!(!diary.take(name(2), at(11)));
        assert!(diary.take(name(2), at(100)));
        assert!(diary.take(name(2), at(100)));
        assert!(!diary.take(name(2), at(100)));
    }

    #[test]
    fn a_name_that_a_fresh_set_lacks_causes_no_fetch_for_a_minute() {
        let mut diary = Diary::new(PACE);
        diary.note_missing(name(1), at(0));
        assert!(!diary.take(name(1), at(59)));
        assert!(diary.take(name(1), at(60)));
        for number in 0..5000 {
            diary.note_missing(name(number), at(60));
        }
        assert_eq!(diary.missing.len(), MOST_MISSING);
    }

    #[test]
    fn a_set_is_renewed_at_four_fifths_of_the_life_it_claims_within_bounds() {
        for (claimed, life) in [
            (None, 600),
            (Some(1), 60),
            (Some(3600), 3600),
            (Some(9_999_999), 86_400),
        ] {
            let mut diary = Diary::new(PACE);
            assert!(diary.is_due(at(0)));
            diary.note_success(claimed.map(Duration::from_secs), at(0));
            assert!(!diary.is_due(at(life * 70 / 100)), "{claimed:?}");
            assert!(diary.is_due(at(life * 80 / 100)), "{claimed:?}");
        }
    }

    #[test]
    fn failures_wait_ever_longer_up_to_a_minute() {
        let mut diary = Diary::new(PACE);
        let mut now = at(0);
        for wait in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
            diary.note_failure(now);
            let wait = Duration::from_secs(wait);
            assert!(!diary.is_due(now.plus(wait * 3 / 4)));
            assert!(diary.is_due(now.plus(wait)));
            now = now.plus(wait);
        }
        diary.note_success(None, now);
        assert!(!diary.is_failing());
    }
}
