//! Whether this machine's clock is the one that the other nodes go by.
//!
//! Nodes that share a store time what they issue by their own clocks. Where one is ahead of the others, its tokens are
//! refused elsewhere as not yet valid; where it is behind, they outlive what they were given. The clock of the store is
//! one for all, so each node compares its own with that.

use std::time::Duration;

use crate::store::{Store, StoreError};
use crate::token::{TimeSource, Timestamp};

/// A clock that differs from the store's by more than may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this machine's clock is {:.1} s {} that of the store", by.as_secs_f32(), if *.is_ahead { "ahead of" } else { "behind" })]
pub struct Skew {
    by: Duration,
    is_ahead: bool,
}

impl Skew {
    /// Compares the clocks. A store that nobody shares has none of its own, and one that is moved by hand is nobody
    /// else's.
    pub(super) async fn of(store: &Store, time: &TimeSource) -> Result<Option<Self>, StoreError> {
        if !time.is_wall() {
            return Ok(None);
        }
        let asked = time.now();
        let said = store.clock().await?;
        Ok(said.and_then(|said| Self::between(said, asked, time.now())))
    }

    /// What the store said, between when it was asked and when it was heard.
    fn between(said: Timestamp, asked: Timestamp, heard: Timestamp) -> Option<Self> {
        let is_ahead = said < asked;
        let by = if is_ahead {
            asked.since(said)
        } else {
            said.since(heard)
        };
        (by > TOLERATED).then_some(Self { by, is_ahead })
    }
}

/// By how much clocks may differ.
const TOLERATED: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_may_differ_by_two_seconds_and_the_time_an_answer_takes() {
        let at = Timestamp::from_millis;
        for (said, expected) in [
            (8_000, None),
            (7_999, Some("2.0 s ahead of")),
            (13_000, None),
            (13_001, Some("2.0 s behind")),
            (3_000_000, Some("2989.0 s behind")),
        ] {
            let skew = Skew::between(at(said), at(10_000), at(11_000));
            let words = skew.map(|skew| skew.to_string());
            assert_eq!(words.is_some(), expected.is_some(), "{said}");
            let expected = expected.unwrap_or_default();
            assert!(words.unwrap_or_default().contains(expected), "{said}");
        }
    }
}
