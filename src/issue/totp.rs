//! Second factors: six digits that change every thirty seconds (RFC 6238), from a secret shared with an app.

use aws_lc_rs::{constant_time, hmac};

use super::master::MasterKey;
use super::{IssueError, audit, random};
use crate::store::{Account, AccountId, Addition, OneTime, OneTimeKind, Store};
use crate::token::{Digest, KeyError, Secret, Timestamp};

/// The second factors of accounts. Their secrets lie in the store sealed, each so that it opens for its account only.
#[derive(Clone, Debug)]
pub struct SecondFactors {
    store: Store,
    master: MasterKey,
}

impl SecondFactors {
    /// Those in this store, sealed under this key.
    pub const fn new(store: Store, master: MasterKey) -> Self {
        Self { store, master }
    }

    /// Gives an account a second factor, instead of the one it had if it had one. Returns what its owner's app must be
    /// told, once: an `otpauth` URI. None: no such account.
    pub async fn enable(&self, realm: &str, name: &str) -> Result<Option<Secret>, IssueError> {
        let Some(account) = self.store.account_by_name(realm, name).await? else {
            return Ok(None);
        };
        let secret: [u8; SECRET] = random::bytes()?;
        let sealed = self
            .master
            .seal_second_factor(&context(account.id), &secret)?;
        if !self.store.set_totp(account.id, Some(sealed)).await? {
            return Ok(None);
        }
        audit::account_changed(realm, name, "second factor enabled");
        Ok(Some(uri(realm, name, &secret)))
    }

    /// Takes an account's second factor away. False: no such account.
    pub async fn disable(&self, realm: &str, name: &str) -> Result<bool, IssueError> {
        let Some(account) = self.store.account_by_name(realm, name).await? else {
            return Ok(false);
        };
        let changed = self.store.set_totp(account.id, None).await?;
        audit::account_changed(realm, name, "second factor disabled");
        Ok(changed)
    }

    /// Whether these are the digits of an account's second factor, if it has one. A clock may be one step ahead or
    /// behind; the digits of a step are good once (RFC 6238 §5.2).
    pub(super) async fn check(
        &self,
        account: &Account,
        digits: Option<&Secret>,
        now: Timestamp,
    ) -> Result<(), IssueError> {
        let Some(sealed) = &account.totp else {
            return Ok(());
        };
        let digits = digits.ok_or(IssueError::SecondFactor)?;
        let secret = self.master.open_second_factor(&context(account.id), sealed);
        let secret = secret.map_err(|_| IssueError::Sign(KeyError::Cryptography))?;
        let step = step_of(&secret, digits, now).ok_or(IssueError::SecondFactor)?;
        let used = OneTime {
            kind: OneTimeKind::Totp,
            digest: Digest::of(&[account.id.bytes(), step.to_be_bytes().as_slice()].concat()),
            payload: String::new(),
            // From then on the step is too old by itself.
            expires_at: Timestamp::from_seconds(step.saturating_add(2).saturating_mul(STEP)),
        };
        match self.store.keep_once(used).await? {
            Addition::Added => Ok(()),
            Addition::NameTaken => Err(IssueError::SecondFactor),
        }
    }
}

/// What ties a sealed secret to its account.
fn context(account: AccountId) -> Vec<u8> {
    [b"second factor ".as_slice(), account.bytes()].concat()
}

/// The step whose digits these are, of the one that `now` lies in and its neighbours. All three are compared, whichever
/// fits, so that the time it takes tells nothing.
fn step_of(secret: &[u8], digits: &Secret, now: Timestamp) -> Option<i64> {
    let mut shown = digits.reveal().as_bytes().to_vec();
    shown.retain(|byte| *byte != b' ');
    let current = now.seconds().div_euclid(STEP);
    let mut found = None;
    for step in [current - 1, current, current + 1] {
        let expected = code(secret, step);
        if constant_time::verify_slices_are_equal(expected.as_bytes(), &shown).is_ok() {
            found = Some(step);
        }
    }
    found
}

/// The digits of a step (RFC 4226 §5.3, with SHA-1 as every app has it).
fn code(secret: &[u8], step: i64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let tag = tag.as_ref();
    let offset = usize::from(tag.last().copied().unwrap_or_default() & 0xf);
    let part = tag.get(offset..).and_then(<[u8]>::first_chunk);
    let number = u32::from_be_bytes(part.copied().unwrap_or_default()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

/// What an app reads from a picture of it: whose digits they are, and the secret.
fn uri(realm: &str, name: &str, secret: &[u8]) -> Secret {
    let (realm, name) = (escaped(realm), escaped(name));
    let secret = base32(secret);
    Secret::new(format!(
        "otpauth://totp/{realm}:{name}?secret={secret}&issuer={realm}&algorithm=SHA1&digits=6&period={STEP}"
    ))
}

/// RFC 4648 §6, without padding; a length that is a multiple of five needs none.
fn base32(bytes: &[u8]) -> String {
    let bits = bytes
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
    let bits: Vec<u8> = bits.collect();
    let symbol = |five: &[u8]| {
        let value = five
            .iter()
            .fold(0, |value, bit| value << 1 | usize::from(*bit));
        BASE32.get(value).copied().map(char::from)
    };
    bits.chunks(5).filter_map(symbol).collect()
}

/// Percent-encoded, all but the characters that never need it (RFC 3986 §2.3).
fn escaped(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// The length of a secret, in bytes: that of the hash (RFC 4226 §4).
const SECRET: usize = 20;

/// How long a step lasts, in seconds.
const STEP: i64 = 30;

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"12345678901234567890";

    /// RFC 6238 appendix B, of which apps show the last six digits.
    #[test]
    fn the_digits_are_those_of_the_standard() {
        for (seconds, digits) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(code(KEY, seconds / STEP), digits);
        }
    }

    #[test]
    fn a_clock_may_be_one_step_off_and_no_more() {
        let digits = Secret::new(code(KEY, 100));
        let at = |seconds| step_of(KEY, &digits, Timestamp::from_seconds(seconds));
        for seconds in [99 * 30, 100 * 30, 101 * 30, 102 * 30 - 1] {
            assert_eq!(at(seconds), Some(100), "{seconds}");
        }
        for seconds in [99 * 30 - 1, 102 * 30] {
            assert_eq!(at(seconds), None, "{seconds}");
        }
        let now = Timestamp::from_seconds(100 * 30);
        let spaced = format!(" {} {}", &code(KEY, 100)[..3], &code(KEY, 100)[3..]);
        assert_eq!(step_of(KEY, &Secret::new(spaced), now), Some(100));
        for wrong in ["", "12345", "1234567", "\0"] {
            assert_eq!(step_of(KEY, &Secret::new(wrong), now), None);
        }
    }

    #[test]
    fn an_app_is_told_in_a_uri() {
        assert_eq!(base32(KEY), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        let uri = uri("spaces", "ada@space.test", KEY);
        assert_eq!(
            uri.reveal(),
            "otpauth://totp/spaces:ada%40space.test?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\
             &issuer=spaces&algorithm=SHA1&digits=6&period=30"
        );
    }
}
