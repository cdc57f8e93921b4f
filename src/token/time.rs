//! When something is: milliseconds since the epoch, and the one place that reads the clock.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

/// A moment, in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment that lies this many whole seconds after the epoch: the `NumericDate` of RFC 7519 §2.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// The moment that lies this many milliseconds after the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Milliseconds since the epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// How long ago `earlier` was; zero if it has yet to come.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The moment this much later.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(millis(span)))
    }

    /// The moment this much earlier.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(millis(span)))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// RFC 3339 with milliseconds, in UTC: `2026-11-21T12:04:31.218Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(date) = ::time::OffsetDateTime::from_unix_timestamp(self.seconds()) else {
            return write!(f, "@{}", self.0);
        };
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            date.year(),
            u8::from(date.month()),
            date.day(),
            date.hour(),
            date.minute(),
            date.second(),
            self.0.rem_euclid(1000),
        )
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// Where the program learns what time it is. Read once per request and passed on, so that a request sees one time.
#[derive(Clone, Debug, Default)]
pub enum TimeSource {
    /// The clock of the machine.
    #[default]
    Wall,
    /// A clock moved by hand: how tests let an hour pass.
    Manual(Arc<AtomicI64>),
}

impl TimeSource {
    /// A clock that stands at `start` until [`TimeSource::advance`] moves it.
    pub fn manual(start: Timestamp) -> Self {
        Self::Manual(Arc::new(AtomicI64::new(start.0)))
    }

    /// What time it is.
    pub fn now(&self) -> Timestamp {
        match self {
            Self::Wall => {
                #[expect(
                    clippy::disallowed_methods,
                    reason = "the only reading of the wall clock"
                )]
                let now = std::time::SystemTime::now();
                Timestamp(now.duration_since(UNIX_EPOCH).map_or(0, millis))
            }
            Self::Manual(millis) => Timestamp(millis.load(Ordering::Relaxed)),
        }
    }

    /// Whether it is the clock of the machine.
    pub const fn is_wall(&self) -> bool {
        matches!(self, Self::Wall)
    }

    /// Moves a manual clock forward. The wall clock does not move.
    pub fn advance(&self, span: Duration) {
        if let Self::Manual(clock) = self {
            clock.fetch_add(millis(span), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_prints_as_rfc_3339() {
        assert_eq!(
            Timestamp::from_millis(1_795_262_671_218).to_string(),
            "2026-11-21T12:04:31.218Z"
        );
    }

    #[test]
    fn a_manual_clock_moves_only_by_hand() {
        let clock = TimeSource::manual(Timestamp::from_seconds(100));
        clock.advance(Duration::from_secs(5));
        assert_eq!(clock.now(), Timestamp::from_seconds(105));
    }
}
