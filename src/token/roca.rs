//! RSA keys that can be factored although they are long (CVE-2017-15361, "ROCA").
//!
//! One maker's smart cards drew their primes from powers of 65537, and the modulus shows it: modulo every small prime it
//! is a power of 65537. For a sound key to look like that by chance is rarer than one in a hundred million.

/// Whether this modulus, in big-endian bytes, has the mark of such a key.
pub(super) fn is_roca(modulus: &[u8]) -> bool {
    PRIMES
        .iter()
        .all(|&prime| is_power_of_generator(remainder(modulus, prime), prime))
}

fn remainder(number: &[u8], prime: u32) -> u32 {
    number
        .iter()
        .fold(0, |rest, byte| (rest * 256 + u32::from(*byte)) % prime)
}

fn is_power_of_generator(rest: u32, prime: u32) -> bool {
    let generator = 65537 % prime;
    let mut power = 1;
    loop {
        if power == rest {
            return true;
        }
        power = power * generator % prime;
        if power == 1 {
            return false;
        }
    }
}

const PRIMES: [u32; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97,
    101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_power_of_65537_has_the_mark_and_other_numbers_do_not() {
        assert!(is_roca(&65537u32.to_be_bytes()));
        assert!(!is_roca(&65539u32.to_be_bytes()));
    }
}
