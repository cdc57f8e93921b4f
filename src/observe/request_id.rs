//! The name of a request in logs, answers and upstream requests.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::token::Timestamp;

/// The name of a request: time-ordered and unique, in the form of a UUID of version 7 (RFC 9562 §5.7).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId(u128);

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
        RequestId(millis << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low)
    }
}

impl RequestId {
    /// The text form, without allocating.
    pub fn text(self) -> RequestIdText {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [b'-'; 36];
        let mut nibble = 32;
        for (place, byte) in text.iter_mut().enumerate() {
            if !matches!(place, 8 | 13 | 18 | 23) {
                nibble -= 1;
                let digit = (self.0 >> (nibble * 4)) & 0xf;
                *byte = DIGITS.get(digit as usize).copied().unwrap_or(b'0');
            }
        }
        RequestIdText(text)
    }
}

/// The text form of a request's name.
#[derive(Clone, Copy)]
pub struct RequestIdText([u8; 36]);

impl RequestIdText {
    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text().as_str())
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
