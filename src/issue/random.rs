//! What nobody can guess, from the operating system's random source.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};

use super::IssueError;
use crate::token::KeyError;

/// `N` random bytes.
pub(super) fn bytes<const N: usize>() -> Result<[u8; N], IssueError> {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| IssueError::Sign(KeyError::Cryptography))?;
    Ok(bytes)
}

/// `length` random letters and digits, each as likely as any other: almost 6 bits each.
pub(super) fn base62(length: usize) -> Result<String, IssueError> {
    let mut text = String::with_capacity(length);
    while text.len() < length {
        // The bytes beyond the last multiple of 62 would make some letters likelier, so they are thrown away.
        let even = bytes::<64>()?
            .into_iter()
            .filter(|byte| usize::from(*byte) < 256 / 62 * 62);
        text.extend(
            even.filter_map(|byte| digit(usize::from(byte) % 62))
                .take(length - text.len()),
        );
    }
    Ok(text)
}

/// The last `length` digits in base 62 of a number in big-endian bytes, least significant first.
pub(super) fn base62_of(number: &[u8], length: usize) -> String {
    let mut number = number.to_vec();
    let mut text = String::with_capacity(length);
    for _ in 0..length {
        let remainder = divide(&mut number, 62);
        text.extend(digit(remainder));
    }
    text
}

/// Divides a number in big-endian bytes, in place; returns the remainder.
fn divide(number: &mut [u8], divisor: usize) -> usize {
    number.iter_mut().fold(0, |remainder, byte| {
        let dividend = remainder << 8 | usize::from(*byte);
        // Fits: the remainder is below the divisor.
        *byte = u8::try_from(dividend / divisor).unwrap_or(u8::MAX);
        dividend % divisor
    })
}

fn digit(value: usize) -> Option<char> {
    DIGITS.get(value).copied().map(char::from)
}

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_text_is_letters_and_digits_and_never_the_same() {
        let (one, other) = (base62(32).unwrap(), base62(32).unwrap());
        assert_eq!(one.len(), 32);
        assert!(one.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_ne!(one, other);
        let long = base62(10_000).unwrap();
        assert!(DIGITS.iter().all(|digit| long.contains(char::from(*digit))));
    }

    #[test]
    fn a_number_is_written_digit_by_digit() {
        let number = 123_456_789_u32;
        let mut rest = number;
        let mut expected = String::new();
        for _ in 0..6 {
            expected.extend(digit(usize::try_from(rest % 62).unwrap()));
            rest /= 62;
        }
        assert_eq!(base62_of(&number.to_be_bytes(), 6), expected);
        assert_eq!(base62_of(&[0xff; 64], 64).len(), 64);
    }
}
