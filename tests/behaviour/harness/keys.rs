//! Signing keys for issuers that tell the truth and for those that do not.
//!
//! The pairs are fixtures (`tests/fixtures/make_keys.sh`), read once per process.

use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    signature::{
        self, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
        Ed25519KeyPair, KeyPair as _, RsaKeyPair,
    },
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use serde_json::{Value, json};

/// A key pair with the name it goes by in a key set.
#[derive(Clone)]
pub(crate) struct Key {
    /// The `kid` in headers and in the key set.
    pub(crate) kid: String,
    /// The `alg` in headers and in the key set.
    pub(crate) algorithm: &'static str,
    pair: Arc<Pair>,
}

enum Pair {
    Rsa(RsaKeyPair),
    Ecdsa(EcdsaKeyPair, &'static str),
    Ed25519(Ed25519KeyPair),
}

/// The keys of one issuer, one of each kind.
#[derive(Clone)]
pub(crate) struct Keys {
    /// RSA, 2048 bits, RS256.
    pub(crate) rsa: Key,
    /// P-256, ES256.
    pub(crate) p256: Key,
    /// P-384, ES384.
    pub(crate) p384: Key,
    /// Ed25519, `EdDSA`.
    pub(crate) ed25519: Key,
}

/// The keys of issuer A.
pub(crate) fn a() -> &'static Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    KEYS.get_or_init(|| Keys::load("a"))
}

/// The keys of issuer B.
pub(crate) fn b() -> &'static Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    KEYS.get_or_init(|| Keys::load("b"))
}

/// A second RSA key of issuer A, for rotation.
pub(crate) fn a2() -> &'static Key {
    static KEY: OnceLock<Key> = OnceLock::new();
    KEY.get_or_init(|| Key::load("a2-rsa", "RS256"))
}

/// A fixture as bytes; `name` is relative to `tests/fixtures`.
pub(crate) fn fixture(name: &str) -> Vec<u8> {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "fixtures", name]
        .iter()
        .collect();
    std::fs::read(&path)
        .unwrap_or_else(|error| panic!("could not read {}: {error}", path.display()))
}

/// HMAC with SHA-256: what an attacker does with a public key.
pub(crate) fn hs256(secret: &[u8], message: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message)
        .as_ref()
        .to_vec()
}

/// base64url without padding.
pub(crate) fn base64url(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// The bytes behind base64url without padding.
pub(crate) fn decode_base64url(text: &str) -> Vec<u8> {
    BASE64_URL_SAFE_NO_PAD.decode(text).unwrap()
}

impl Keys {
    fn load(issuer: &str) -> Self {
        Self {
            rsa: Key::load(&format!("{issuer}-rsa"), "RS256"),
            p256: Key::load(&format!("{issuer}-p256"), "ES256"),
            p384: Key::load(&format!("{issuer}-p384"), "ES384"),
            ed25519: Key::load(&format!("{issuer}-ed25519"), "EdDSA"),
        }
    }

    /// All of them.
    pub(crate) fn all(&self) -> [&Key; 4] {
        [&self.rsa, &self.p256, &self.p384, &self.ed25519]
    }
}

impl Key {
    fn load(name: &str, algorithm: &'static str) -> Self {
        let pem = fixture(&format!("keys/{name}.pem"));
        let der = PrivatePkcs8KeyDer::from_pem_slice(&pem).unwrap();
        let der = der.secret_pkcs8_der();
        let pair = match algorithm {
            "ES256" => Pair::Ecdsa(
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).unwrap(),
                "P-256",
            ),
            "ES384" => Pair::Ecdsa(
                EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, der).unwrap(),
                "P-384",
            ),
            "EdDSA" => Pair::Ed25519(Ed25519KeyPair::from_pkcs8(der).unwrap()),
            _ => Pair::Rsa(RsaKeyPair::from_pkcs8(der).unwrap()),
        };
        Self {
            kid: name.to_owned(),
            algorithm,
            pair: Arc::new(pair),
        }
    }

    /// The same pair under another name.
    pub(crate) fn named(&self, kid: &str) -> Self {
        Self {
            kid: kid.to_owned(),
            ..self.clone()
        }
    }

    /// The same RSA pair for another RSA algorithm.
    pub(crate) fn signing(&self, algorithm: &'static str) -> Self {
        Self {
            algorithm,
            ..self.clone()
        }
    }

    /// Signs a message in the form JWS wants (RFC 7518 §3).
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &*self.pair {
            Pair::Ecdsa(pair, _) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Pair::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            Pair::Rsa(pair) => {
                let padding: &dyn signature::RsaEncoding = match self.algorithm {
                    "RS384" => &signature::RSA_PKCS1_SHA384,
                    "RS512" => &signature::RSA_PKCS1_SHA512,
                    "PS256" => &signature::RSA_PSS_SHA256,
                    _ => &signature::RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &random, message, &mut signature)
                    .unwrap();
                signature
            }
        }
    }

    /// The public half as a JWK, with `kid`, `alg` and `use`.
    pub(crate) fn jwk(&self) -> Value {
        let mut jwk = self.bare_jwk();
        jwk["kid"] = self.kid.clone().into();
        jwk["alg"] = self.algorithm.into();
        jwk["use"] = "sig".into();
        jwk
    }

    /// The public half as a JWK with nothing but the key.
    pub(crate) fn bare_jwk(&self) -> Value {
        match &*self.pair {
            Pair::Rsa(pair) => {
                let [modulus, exponent] = rsa_numbers(pair.public_key().as_ref());
                json!({ "kty": "RSA", "n": base64url(modulus), "e": base64url(exponent) })
            }
            Pair::Ecdsa(pair, curve) => {
                let (x, y) = pair.public_key().as_ref()[1..]
                    .split_at((pair.public_key().as_ref().len() - 1) / 2);
                json!({ "kty": "EC", "crv": curve, "x": base64url(x), "y": base64url(y) })
            }
            Pair::Ed25519(pair) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": base64url(pair.public_key()) })
            }
        }
    }
}

/// The two numbers of a DER `RSAPublicKey` (RFC 8017 §A.1.1), without leading zeros.
fn rsa_numbers(der: &[u8]) -> [&[u8]; 2] {
    let (sequence, _) = element(der);
    let (modulus, rest) = element(sequence);
    let (exponent, _) = element(rest);
    [modulus.strip_prefix(&[0]).unwrap_or(modulus), exponent]
}

/// The content of the first DER element, and what follows it.
fn element(der: &[u8]) -> (&[u8], &[u8]) {
    let short = usize::from(der[1]);
    let (start, length) = if short < 0x80 {
        (2, short)
    } else {
        let end = 2 + (short & 0x7f);
        (
            end,
            der[2..end]
                .iter()
                .fold(0, |length, byte| length << 8 | usize::from(*byte)),
        )
    };
    der[start..].split_at(length)
}
