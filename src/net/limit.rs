//! How often: at most so many in a span of time, for each key.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::mem;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::token::{DigestHasher, Timestamp};

/// How often something may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowance {
    /// At most `count` attempts in any span as long as `window`. Refused attempts count too, so whoever does not wait
    /// is never let through.
    Rolling {
        /// How many.
        count: u32,
        /// In how long.
        window: Duration,
    },
    /// `count` in each `per` on the average, evenly spread, but `burst` at once after a rest: the generic cell rate
    /// algorithm (ITU-T I.371). Refused attempts do not count.
    Smooth {
        /// How many.
        count: u32,
        /// In how long.
        per: Duration,
        /// How many may come at once.
        burst: u32,
    },
}

/// An allowance, kept for each key.
///
/// Memory is bounded, however many keys a stranger invents: those that have rested long enough to be as good as new
/// are forgotten, and if that does not suffice, those that have rested longest. Keys are kept as 64-bit hashes under a
/// seed of this limit's own, so nobody outside can make two of them meet.
pub struct Limit {
    allowance: Allowance,
    seed: RandomState,
    shards: [Mutex<Shard>; SHARDS],
}

impl Limit {
    /// A limit with this allowance. A count or burst of zero is taken as one, a span of zero as one millisecond.
    pub fn new(allowance: Allowance) -> Self {
        Self {
            allowance: allowance.at_least_one(),
            seed: RandomState::new(),
            shards: Default::default(),
        }
    }

    /// At most `count` attempts in any span as long as `window`; refused ones count.
    pub fn rolling(count: u32, window: Duration) -> Self {
        Self::new(Allowance::Rolling { count, window })
    }

    /// `count` in each `per` on the average, `burst` at once; refused ones do not count.
    pub fn gcra(count: u32, per: Duration, burst: u32) -> Self {
        Self::new(Allowance::Smooth { count, per, burst })
    }

    /// What this limit allows.
    pub fn allowance(&self) -> Allowance {
        self.allowance
    }

    /// Counts one attempt for `key`. If it is one too many, the error is how long to wait until one would not be.
    pub fn take(&self, key: &impl Hash, now: Timestamp) -> Result<(), Duration> {
        let key = self.seed.hash_one(key);
        let wait = self.shard(key).map_or(0, |shard| {
            // A panic elsewhere cannot leave a count half made.
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            let state = shard.state_of(key, now.millis(), &self.allowance);
            state.take(now.millis(), &self.allowance)
        });
        match u64::try_from(wait) {
            Ok(wait) if wait > 0 => Err(Duration::from_millis(wait)),
            _ => Ok(()),
        }
    }

    /// How long `key` would have to wait with an attempt now; none is counted.
    pub fn wait(&self, key: &impl Hash, now: Timestamp) -> Option<Duration> {
        let key = self.seed.hash_one(key);
        let shard = self.shard(key)?.lock();
        let shard = shard.unwrap_or_else(PoisonError::into_inner);
        let state = shard.recent.get(&key).or_else(|| shard.earlier.get(&key));
        let wait = state?.clone().take(now.millis(), &self.allowance);
        let wait = u64::try_from(wait).ok().filter(|wait| *wait > 0)?;
        Some(Duration::from_millis(wait))
    }

    // The map inside uses the lowest and highest bits; these are from the middle.
    fn shard(&self, key: u64) -> Option<&Mutex<Shard>> {
        let [_, _, _, byte, ..] = key.to_be_bytes();
        self.shards.get(usize::from(byte) % SHARDS)
    }
}

impl fmt::Debug for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Limit({:?})", self.allowance)
    }
}

impl Allowance {
    fn at_least_one(self) -> Self {
        let span = |span: Duration| span.max(Duration::from_millis(1));
        match self {
            Self::Rolling { count, window } => Self::Rolling {
                count: count.max(1),
                window: span(window),
            },
            Self::Smooth { count, per, burst } => Self::Smooth {
                count: count.max(1),
                per: span(per),
                burst: burst.max(1),
            },
        }
    }

    /// After how many milliseconds of rest a key is as good as new.
    fn rest(&self) -> i64 {
        match *self {
            Self::Rolling { window, .. } => millis(window),
            Self::Smooth { count, per, burst } => {
                let whole = i128::from(millis(per)) * i128::from(burst) / i128::from(count);
                i64::try_from(whole).unwrap_or(i64::MAX).saturating_add(1)
            }
        }
    }

    /// How many keys one shard holds in each of its two generations.
    fn room(&self) -> usize {
        let bytes = match *self {
            Self::Rolling { count, .. } => KEY_BYTES + 8 * count as usize,
            Self::Smooth { .. } => KEY_BYTES,
        };
        (SHARD_BYTES / 2 / bytes).max(1)
    }
}

/// Some of the keys, in two generations: those seen since the last turn, and those seen in the turn before. A key that
/// is not seen for a whole turn is gone, so forgetting costs nothing.
#[derive(Default)]
struct Shard {
    turned_at: i64,
    recent: HashMap<u64, State, DigestHasher>,
    earlier: HashMap<u64, State, DigestHasher>,
}

impl Shard {
    fn state_of(&mut self, key: u64, now: i64, allowance: &Allowance) -> &mut State {
        let age = now.saturating_sub(self.turned_at);
        if age >= allowance.rest() || self.recent.len() >= allowance.room() {
            self.earlier = mem::take(&mut self.recent);
            self.turned_at = now;
        }
        let earlier = &mut self.earlier;
        self.recent.entry(key).or_insert_with(|| {
            earlier
                .remove(&key)
                .unwrap_or_else(|| State::new(allowance))
        })
    }
}

/// What is remembered of one key. Times are milliseconds since the epoch.
#[derive(Clone)]
enum State {
    /// When the last attempts were made, oldest first; no more of them than are allowed in a window.
    Rolling(VecDeque<i64>),
    /// When the key will have rested enough, in units of a millisecond divided by the count, so that no rate is rounded.
    Smooth(i128),
}

impl State {
    fn new(allowance: &Allowance) -> Self {
        match allowance {
            Allowance::Rolling { .. } => Self::Rolling(VecDeque::new()),
            Allowance::Smooth { .. } => Self::Smooth(i64::MIN.into()),
        }
    }

    /// Counts one attempt; answers how many milliseconds to wait, or zero.
    fn take(&mut self, now: i64, allowance: &Allowance) -> i64 {
        match (self, *allowance) {
            (Self::Rolling(attempts), Allowance::Rolling { count, window }) => {
                take_rolling(attempts, now, count as usize, millis(window))
            }
            (Self::Smooth(rested_at), Allowance::Smooth { count, per, burst }) => take_smooth(
                rested_at,
                now,
                [count.into(), millis(per).into(), burst.into()],
            ),
            // A limit makes only states of its own kind.
            _ => 0,
        }
    }
}

fn take_rolling(attempts: &mut VecDeque<i64>, now: i64, count: usize, window: i64) -> i64 {
    let newest = attempts.back().copied().unwrap_or(now);
    if newest.saturating_sub(now) > window {
        // The clock was set back by more than a window: nobody shall wait for it to catch up.
        attempts.clear();
    }
    // Two requests at a time may bring their times in the wrong order.
    let now = attempts.back().map_or(now, |newest| now.max(*newest));
    let expired = |attempt: i64| now.saturating_sub(attempt) >= window;
    let is_full =
        attempts.len() >= count && attempts.front().is_some_and(|oldest| !expired(*oldest));
    if attempts.len() >= count {
        attempts.pop_front();
    }
    attempts.push_back(now);
    match attempts.front() {
        Some(oldest) if is_full => oldest.saturating_add(window).saturating_sub(now).max(1),
        _ => 0,
    }
}

fn take_smooth(rested_at: &mut i128, now: i64, [count, per, burst]: [i128; 3]) -> i64 {
    let now = i128::from(now) * count;
    let tolerance = per * burst;
    if *rested_at - now > tolerance {
        // Only a clock that was set back can owe this much rest.
        *rested_at = now;
    }
    let next = (*rested_at).max(now) + per;
    let excess = next - now - tolerance;
    if excess <= 0 {
        *rested_at = next;
        return 0;
    }
    i64::try_from((excess + count - 1) / count).unwrap_or(i64::MAX)
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX).max(1)
}

/// How many locks there are to wait for.
const SHARDS: usize = 16;

/// What one shard may use: 16 of them make 8 MiB.
const SHARD_BYTES: usize = 512 << 10;

/// What a key costs beside its attempts: itself, its state, and the spare room of the map.
const KEY_BYTES: usize = 112;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(1_795_262_671_000 + millis)
    }

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_rolling_window_lets_the_twenty_first_attempt_wait() {
        let limit = Limit::rolling(20, ms(5000));
        for attempt in 0..20 {
            assert_eq!(limit.take(&"ada", at(attempt * 10)), Ok(()));
        }
        assert_eq!(limit.take(&"ada", at(200)), Err(ms(4810)));
        assert_eq!(limit.take(&"bob", at(200)), Ok(()));
    }

    #[test]
    fn whoever_does_not_wait_is_never_let_through_a_rolling_window() {
        let limit = Limit::rolling(3, ms(100));
        let passed = (0..100).filter(|i| limit.take(&1, at(i * 10)).is_ok());
        assert_eq!(passed.count(), 3);
        assert_eq!(limit.take(&1, at(1090)), Ok(()));
    }

    #[test]
    fn a_smooth_limit_gives_its_burst_and_then_its_rate() {
        let limit = Limit::gcra(600, Duration::from_mins(1), 5);
        for _ in 0..5 {
            assert_eq!(limit.take(&1, at(0)), Ok(()));
        }
        assert_eq!(limit.take(&1, at(0)), Err(ms(100)));
        assert_eq!(limit.take(&1, at(99)), Err(ms(1)));
        assert_eq!(limit.take(&1, at(100)), Ok(()));
    }

    #[test]
    fn how_long_to_wait_can_be_asked_without_an_attempt() {
        for limit in [Limit::gcra(2, ms(200), 2), Limit::rolling(2, ms(100))] {
            for _ in 0..2 {
                assert_eq!(limit.wait(&1, at(0)), None);
                limit.take(&1, at(0)).unwrap();
            }
            for _ in 0..2 {
                assert_eq!(limit.wait(&1, at(0)), Some(ms(100)));
            }
            assert_eq!(limit.wait(&2, at(0)), None);
            assert_eq!(limit.wait(&1, at(100)), None);
        }
    }

    #[test]
    fn a_clock_set_back_locks_nobody_out() {
        for limit in [Limit::rolling(1, ms(100)), Limit::gcra(1, ms(100), 1)] {
            assert_eq!(limit.take(&1, at(0)), Ok(()));
            assert_eq!(limit.take(&1, at(-3_600_000)), Ok(()));
            assert!(limit.take(&1, at(-3_600_000)).is_err());
        }
    }

    #[test]
    fn invented_keys_do_not_fill_the_memory() {
        let limit = Limit::rolling(20, Duration::from_hours(1));
        for key in 0..200_000_u32 {
            limit.take(&key, at(0)).unwrap();
        }
        let kept: usize = (limit.shards.iter())
            .map(|shard| shard.lock().unwrap())
            .map(|shard| shard.recent.len() + shard.earlier.len())
            .sum();
        assert!(kept * (KEY_BYTES + 8 * 20) <= SHARDS * SHARD_BYTES);
        assert!(kept > 10_000);
    }

    #[test]
    fn rested_keys_are_forgotten() {
        let limit = Limit::gcra(1, ms(1), 1);
        let keys_kept = || -> usize {
            let shards = limit.shards.iter().map(|shard| shard.lock().unwrap());
            shards
                .map(|shard| shard.recent.len() + shard.earlier.len())
                .sum()
        };
        for turn in 0..3 {
            for key in 0..1000 {
                limit.take(&(turn, key), at(turn * 100)).unwrap();
            }
        }
        assert!(keys_kept() <= 2000);
    }

    proptest! {
        #[test]
        fn no_window_ever_holds_more_than_its_count(
            count in 1_u32..6,
            window in 1_u64..50,
            steps in proptest::collection::vec(0_i64..20, 1..200),
        ) {
            let limit = Limit::rolling(count, ms(window));
            let (mut now, mut attempts) = (0, Vec::new());
            for step in steps {
                now += step;
                let recent = attempts.iter().filter(|at| now - **at < i64::try_from(window).unwrap()).count();
                prop_assert_eq!(limit.take(&0, at(now)).is_ok(), recent < count as usize);
                attempts.push(now);
            }
        }

        #[test]
        fn a_smooth_limit_never_gives_more_than_its_burst_and_its_rate(
            (count, per, burst) in (1_u32..7, 1_u64..60, 1_u32..5),
            steps in proptest::collection::vec(0_i64..30, 1..200),
        ) {
            let limit = Limit::gcra(count, ms(per), burst);
            let (mut now, mut passed) = (0, Vec::new());
            for step in steps {
                now += step;
                if limit.take(&0, at(now)).is_ok() {
                    passed.push(now);
                }
            }
            for (first, start) in passed.iter().enumerate() {
                for (last, end) in passed.iter().enumerate().skip(first) {
                    let most = i64::from(burst) + (end - start) * i64::from(count) / i64::try_from(per).unwrap();
                    prop_assert!(i64::try_from(last - first + 1).unwrap() <= most);
                }
            }
        }

        #[test]
        fn whoever_waits_as_told_is_let_through(
            rolling: bool,
            (count, per, burst) in (1_u32..7, 1_u64..60, 1_u32..5),
            steps in proptest::collection::vec(0_i64..10, 1..60),
        ) {
            let limit = if rolling {
                Limit::rolling(count, ms(per))
            } else {
                Limit::gcra(count, ms(per), burst)
            };
            let mut now = 0;
            for step in steps {
                now += step;
                if let Err(wait) = limit.take(&0, at(now)) {
                    now += i64::try_from(wait.as_millis()).unwrap();
                    prop_assert_eq!(limit.take(&0, at(now)), Ok(()));
                }
            }
        }
    }
}
