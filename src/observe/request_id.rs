//! The name of a request in logs, answers and upstream requests.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::token::Timestamp;

/// The name of a request: time-ordered and unique, in the form of a UUID of version 7 (RFC 9562 §5.7). Kept as the text it
/// is read as, in logs, answers and upstream requests alike.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId([u8; 36]);

/// Names requests: the time, a number drawn at start, and a counter.
#[derive(Debug)]
pub struct RequestIds {
    origin: u64,
    next: AtomicU64,
}

impl RequestIds {
    /// A source of names that starts from this random number.
    pub fn new(origin: u64) -> Self {
        Self {
            origin,
            next: AtomicU64::new(0),
        }
    }

    /// The next name.
    pub fn next(&self, now: Timestamp) -> RequestId {
        let millis = u128::from(now.millis().unsigned_abs()) & 0xffff_ffff_ffff;
        let count = self.next.fetch_add(1, Ordering::Relaxed);
        let high = u128::from(count >> 12 & 0xfff);
        let low = u128::from(self.origin ^ count.rotate_right(12)) & 0x3fff_ffff_ffff_ffff;
        RequestId::of(millis << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low)
    }
}

impl RequestId {
    fn of(number: u128) -> Self {
        let nibbles = number.to_be_bytes().into_iter();
        let nibbles = nibbles.flat_map(|byte| [byte >> 4, byte & 0xf]);
        let mut text = [b'-'; 36];
        let places = text.iter_mut().enumerate();
        let places = places.filter(|(place, _)| !matches!(place, 8 | 13 | 18 | 23));
        for ((_, place), nibble) in places.zip(nibbles) {
            *place = nibble + if nibble < 10 { b'0' } else { b'a' - 10 };
        }
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_and_shaped_like_a_uuid_of_version_7() {
        let ids = RequestIds::new(0x0123_4567_89ab_cdef);
        let now = Timestamp::from_seconds(1_795_262_671);
        let (one, two) = (ids.next(now).to_string(), ids.next(now).to_string());
        assert_ne!(one, two);
        assert_eq!(one.len(), 36);
        assert_eq!(one.as_bytes()[14], b'7');
        assert!(matches!(one.as_bytes()[19], b'8' | b'9' | b'a' | b'b'));
    }
}
