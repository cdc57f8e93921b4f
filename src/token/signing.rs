//! A private key that signs.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384,
    RSA_PKCS1_SHA512, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{Jwk, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{DecodingKey, Header};
use serde_json::Value;
use zeroize::Zeroizing;

use super::{Algorithm, KeyError, Profile, VerifyingKey};

/// One of our own keys: private half, public half, and the name both go by.
pub struct SigningKey {
    pair: Pair,
    verifying: Arc<VerifyingKey>,
    kid: Box<str>,
    jwk: Value,
}

enum Pair {
    Rsa(RsaKeyPair, &'static dyn RsaEncoding),
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl SigningKey {
    /// Makes a new key. Its `kid` is its thumbprint (RFC 7638). RSA keys have 2048 bits and take a while: up to a
    /// second, so not on a thread that serves requests.
    pub fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        let pair = Pair::generate(algorithm)?;
        let kid = pair
            .jwk(algorithm)?
            .thumbprint(ThumbprintHash::SHA256)
            .map_err(|_| KeyError::Cryptography)?;
        Self::new(pair, &kid, algorithm)
    }

    /// A key read back from where it was kept, in the form of [`SigningKey::pkcs8`].
    pub fn from_pkcs8(kid: &str, algorithm: Algorithm, pkcs8: &[u8]) -> Result<Self, KeyError> {
        Self::new(Pair::read(algorithm, pkcs8)?, kid, algorithm)
    }

    fn new(pair: Pair, kid: &str, algorithm: Algorithm) -> Result<Self, KeyError> {
        let mut jwk = pair.jwk(algorithm)?;
        jwk.common.key_id = Some(kid.to_owned());
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        Ok(Self {
            pair,
            verifying: Arc::new(VerifyingKey::new(&jwk, algorithm)?),
            kid: Box::from(kid),
            jwk: serde_json::to_value(jwk).map_err(|_| KeyError::Cryptography)?,
        })
    }

    /// The private key in PKCS#8 (RFC 5208), to be encrypted before it is kept.
    pub fn pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let der = match &self.pair {
            Pair::Rsa(pair, _) => {
                let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| KeyError::Cryptography)?;
                der.as_ref().to_vec()
            }
            Pair::Ecdsa(pair) => {
                let document = pair.to_pkcs8v1().map_err(|_| KeyError::Cryptography)?;
                document.as_ref().to_vec()
            }
            Pair::Ed25519(pair) => {
                let document = pair.to_pkcs8v1().map_err(|_| KeyError::Cryptography)?;
                document.as_ref().to_vec()
            }
        };
        Ok(Zeroizing::new(der))
    }

    /// Its name in headers and in the key set.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// What it signs with.
    pub fn algorithm(&self) -> Algorithm {
        self.verifying.algorithm()
    }

    /// Signs these bytes.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair, encoding) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(*encoding, &random, message, &mut signature)
                    .map_err(|_| KeyError::Cryptography)?;
                Ok(signature)
            }
            Pair::Ecdsa(pair) => pair
                .sign(&random, message)
                .map(|signature| signature.as_ref().to_vec())
                .map_err(|_| KeyError::Cryptography),
            Pair::Ed25519(pair) => pair
                .try_sign(message)
                .map(|signature| signature.as_ref().to_vec())
                .map_err(|_| KeyError::Cryptography),
        }
    }

    /// A whole token in compact form (RFC 7515 §7.1): the header as `profile` wants it, these claims, the signature.
    pub fn token(
        &self,
        profile: &Profile,
        claims: &impl serde::Serialize,
    ) -> Result<String, KeyError> {
        self.compact(profile.header_type, profile.key_id_in_header, claims)
    }

    /// A JWT that is no access token, which its type says (RFC 8725 §3.11).
    pub fn statement(
        &self,
        header_type: &str,
        claims: &impl serde::Serialize,
    ) -> Result<String, KeyError> {
        self.compact(header_type, true, claims)
    }

    fn compact(
        &self,
        header_type: &str,
        names_key: bool,
        claims: &impl serde::Serialize,
    ) -> Result<String, KeyError> {
        let mut header = Header::new(self.algorithm().jwa());
        header.typ = Some(header_type.to_owned());
        header.kid = names_key.then(|| self.kid.to_string());
        let header = serde_json::to_vec(&header).map_err(|_| KeyError::Cryptography)?;
        let claims = serde_json::to_vec(claims).map_err(|_| KeyError::Cryptography)?;
        let mut token = URL_SAFE_NO_PAD.encode(header);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let signature = self.sign(token.as_bytes())?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    /// The public half.
    pub fn verifying(&self) -> Arc<VerifyingKey> {
        Arc::clone(&self.verifying)
    }

    /// The public half as a JWK (RFC 7517 §4) with `kid`, `use` and `alg`.
    pub const fn jwk(&self) -> &Value {
        &self.jwk
    }

    /// The public half in PEM (RFC 7468 §13).
    pub fn public_pem(&self) -> Result<String, KeyError> {
        self.verifying.public_pem()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({} {})", self.algorithm(), self.kid)
    }
}

impl Pair {
    fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        if let Some(encoding) = rsa_encoding(algorithm) {
            let pair =
                RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| KeyError::Cryptography)?;
            return Ok(Self::Rsa(pair, encoding));
        }
        match ecdsa_signing(algorithm) {
            Some(curve) => EcdsaKeyPair::generate(curve).map(Self::Ecdsa),
            None => Ed25519KeyPair::generate().map(Self::Ed25519),
        }
        .map_err(|_| KeyError::Cryptography)
    }

    fn read(algorithm: Algorithm, pkcs8: &[u8]) -> Result<Self, KeyError> {
        if let Some(encoding) = rsa_encoding(algorithm) {
            let pair = RsaKeyPair::from_pkcs8(pkcs8).map_err(|_| KeyError::NotPkcs8)?;
            return Ok(Self::Rsa(pair, encoding));
        }
        match ecdsa_signing(algorithm) {
            Some(curve) => EcdsaKeyPair::from_pkcs8(curve, pkcs8).map(Self::Ecdsa),
            None => Ed25519KeyPair::from_pkcs8(pkcs8).map(Self::Ed25519),
        }
        .map_err(|_| KeyError::NotPkcs8)
    }

    fn jwk(&self, algorithm: Algorithm) -> Result<Jwk, KeyError> {
        let key = match self {
            Self::Rsa(pair, _) => DecodingKey::from_rsa_der(pair.public_key().as_ref()),
            Self::Ecdsa(pair) => DecodingKey::from_ec_der(pair.public_key().as_ref()),
            Self::Ed25519(pair) => DecodingKey::from_ed_der(pair.public_key().as_ref()),
        };
        Jwk::from_decoding_key(&key, Some(algorithm.jwa())).map_err(|_| KeyError::Cryptography)
    }
}

fn rsa_encoding(algorithm: Algorithm) -> Option<&'static dyn RsaEncoding> {
    match algorithm {
        Algorithm::RS256 => Some(&RSA_PKCS1_SHA256),
        Algorithm::RS384 => Some(&RSA_PKCS1_SHA384),
        Algorithm::RS512 => Some(&RSA_PKCS1_SHA512),
        Algorithm::PS256 => Some(&RSA_PSS_SHA256),
        Algorithm::ES256 | Algorithm::ES384 | Algorithm::EdDSA => None,
    }
}

fn ecdsa_signing(algorithm: Algorithm) -> Option<&'static EcdsaSigningAlgorithm> {
    match algorithm {
        Algorithm::ES256 => Some(&ECDSA_P256_SHA256_FIXED_SIGNING),
        Algorithm::ES384 => Some(&ECDSA_P384_SHA384_FIXED_SIGNING),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_key_signs_its_public_half_verifies_in_every_form() {
        for algorithm in Algorithm::ALL {
            let made = SigningKey::generate(algorithm).unwrap();
            let kept = SigningKey::from_pkcs8("7", algorithm, &made.pkcs8().unwrap()).unwrap();
            let signature = kept.sign(b"message").unwrap();
            assert_eq!(kept.kid(), "7");
            assert_eq!(made.kid(), made.verifying().thumbprint());

            let only = [algorithm];
            let from_jwk = VerifyingKey::from_jwk(made.jwk(), &only).unwrap();
            let pem = made.public_pem().unwrap();
            let from_pem = VerifyingKey::from_pem(pem.as_bytes(), &only).unwrap();
            for key in [&made.verifying(), &from_jwk[0], &from_pem[0]] {
                assert_eq!(key.verify(b"message", &signature), Ok(()), "{algorithm}");
                assert!(key.verify(b"massage", &signature).is_err(), "{algorithm}");
            }
        }
    }

    #[test]
    fn a_private_key_does_not_print_itself() {
        let key = SigningKey::generate(Algorithm::EdDSA).unwrap();
        let printed = format!("{key:?}");
        assert_eq!(printed, format!("SigningKey(EdDSA {})", key.kid()));
    }
}
