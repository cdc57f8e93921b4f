//! The one key that everything else secret comes from or is sealed under.
//!
//! It is not in the store, so the store alone yields neither a token nor a key.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use super::StartError;
use crate::token::{KeyError, Secret};

/// The master key: 32 random bytes in a file, the same on every node. What is needed is derived from it, one key per
/// purpose (HKDF-SHA-256, RFC 5869), so that no two uses meet.
#[derive(Clone)]
pub struct MasterKey(Prk);

/// What a derived key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Encrypting signing keys in the store.
    SealSigningKeys,
    /// Encrypting the secrets of second factors in the store.
    SealSecondFactors,
    /// Deriving the refresh tokens that never change.
    StandingRefresh,
    /// Encrypting what browsers keep for us.
    SealVisits,
    /// Marking the forms of pages.
    MarkForms,
    /// Deriving the code that a form gets.
    CodesOfForms,
    /// Deriving the tokens of registrations.
    Registrations,
    /// Deriving the refresh tokens that are spent at every use.
    RotatingRefresh,
    /// Hiding what is said by those that must look like a number.
    NumberedRefresh,
}

/// What is sealed was sealed with another master key, or has been altered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotSealedByUs;

impl MasterKey {
    /// Reads the key from the text in its file: 32 bytes in base64, of either alphabet.
    pub fn read(text: &Secret) -> Result<Self, StartError> {
        let text = text.reveal().trim().trim_end_matches('=');
        let text = Zeroizing::new(text.replace('+', "-").replace('/', "_"));
        let bytes = URL_SAFE_NO_PAD.decode(text.as_bytes()).map(Zeroizing::new);
        match bytes {
            Ok(bytes) if bytes.len() == KEY_LEN => {
                Ok(Self(Salt::new(HKDF_SHA256, SALT).extract(&bytes)))
            }
            _ => Err(StartError::NotAMasterKey),
        }
    }

    /// The key for one purpose.
    pub(super) fn derive(&self, purpose: Purpose) -> Result<Zeroizing<[u8; KEY_LEN]>, KeyError> {
        let mut key = Zeroizing::new([0; KEY_LEN]);
        let info = [purpose.words().as_bytes()];
        let derived = self
            .0
            .expand(&info, Length)
            .and_then(|okm| okm.fill(key.as_mut()));
        derived.map_err(|_| KeyError::Cryptography)?;
        Ok(key)
    }

    /// Encrypts `plain` so that it can be opened only together with `context` (AES-256-GCM, a random nonce in front).
    pub(super) fn seal(&self, context: &[u8], plain: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.seal_for(Purpose::SealSigningKeys, context, plain)
    }

    /// The same for the secret of a second factor.
    pub(super) fn seal_second_factor(
        &self,
        context: &[u8],
        plain: &[u8],
    ) -> Result<Vec<u8>, KeyError> {
        self.seal_for(Purpose::SealSecondFactors, context, plain)
    }

    fn seal_for(
        &self,
        purpose: Purpose,
        context: &[u8],
        plain: &[u8],
    ) -> Result<Vec<u8>, KeyError> {
        let key = self.sealing(purpose)?;
        let mut sealed = plain.to_vec();
        let nonce = key
            .seal_in_place_append_tag(Aad::from(context), &mut sealed)
            .map_err(|_| KeyError::Cryptography)?;
        sealed.splice(..0, nonce.as_ref().iter().copied());
        Ok(sealed)
    }

    /// Decrypts what [`MasterKey::seal`] made with the same `context`.
    pub(super) fn open(
        &self,
        context: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, NotSealedByUs> {
        self.open_for(Purpose::SealSigningKeys, context, sealed)
    }

    /// Decrypts what [`MasterKey::seal_second_factor`] made with the same `context`.
    pub(super) fn open_second_factor(
        &self,
        context: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, NotSealedByUs> {
        self.open_for(Purpose::SealSecondFactors, context, sealed)
    }

    fn open_for(
        &self,
        purpose: Purpose,
        context: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, NotSealedByUs> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_LEN).ok_or(NotSealedByUs)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| NotSealedByUs)?;
        let key = self.sealing(purpose).map_err(|_| NotSealedByUs)?;
        let mut buffer = Zeroizing::new(sealed.to_vec());
        let plain = key
            .open_in_place(nonce, Aad::from(context), &mut buffer)
            .map_err(|_| NotSealedByUs)?;
        Ok(Zeroizing::new(plain.to_vec()))
    }

    fn sealing(&self, purpose: Purpose) -> Result<RandomizedNonceKey, KeyError> {
        let key = self.derive(purpose)?;
        RandomizedNonceKey::new(&AES_256_GCM, key.as_ref()).map_err(|_| KeyError::Cryptography)
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(..)")
    }
}

impl Purpose {
    const fn words(self) -> &'static str {
        match self {
            Self::SealSigningKeys => "seal signing keys",
            Self::SealSecondFactors => "seal second factors",
            Self::StandingRefresh => "refresh",
            Self::SealVisits => "seal visits",
            Self::MarkForms => "mark forms",
            Self::CodesOfForms => "codes of forms",
            Self::Registrations => "registrations",
            Self::RotatingRefresh => "refresh sessions",
            Self::NumberedRefresh => "refresh sessions by number",
        }
    }
}

/// How much key material is wanted.
struct Length;

impl KeyType for Length {
    fn len(&self) -> usize {
        KEY_LEN
    }
}

const KEY_LEN: usize = 32;
const SALT: &[u8] = b"tollgate master key";

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> MasterKey {
        MasterKey::read(&Secret::new(URL_SAFE_NO_PAD.encode([byte; 32]))).unwrap()
    }

    /// W05: what our own HMACs are keyed with is random bytes, and never a password.
    #[test]
    fn a_master_key_is_32_bytes_in_either_base64() {
        for text in [
            "_".repeat(42) + "8",
            "/".repeat(42) + "8=",
            "/".repeat(42) + "8=\n",
        ] {
            assert!(MasterKey::read(&Secret::new(text)).is_ok());
        }
        for text in [
            "",
            "short",
            "not base64 at all, but as long as one is",
            &"A".repeat(44),
        ] {
            let error = MasterKey::read(&Secret::new(text)).unwrap_err();
            assert!(
                error.to_string().contains("openssl rand -base64 32"),
                "{error}"
            );
        }
    }

    #[test]
    fn what_is_sealed_opens_only_with_its_key_and_its_context() {
        let sealed = key(1).seal(b"kid", b"private").unwrap();
        assert_eq!(key(1).open(b"kid", &sealed).unwrap().as_slice(), b"private");
        assert!(key(2).open(b"kid", &sealed).is_err());
        assert!(key(1).open(b"dik", &sealed).is_err());
        assert!(key(1).open(b"kid", &sealed[..11]).is_err());
        let again = key(1).seal(b"kid", b"private").unwrap();
        assert_ne!(sealed, again, "the nonce is random");
    }

    #[test]
    fn each_purpose_has_a_key_of_its_own() {
        let seal = key(1).derive(Purpose::SealSigningKeys).unwrap();
        let refresh = key(1).derive(Purpose::StandingRefresh).unwrap();
        assert_ne!(seal, refresh);
        assert_eq!(format!("{:?}", key(1)), "MasterKey(..)");
    }
}
