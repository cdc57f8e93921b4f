//! A public key that verifies: parsed once, tied to one algorithm.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::signature::{ED25519, ParsedPublicKey, RsaPublicKeyComponents};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse,
    ThumbprintHash,
};
use serde_json::Value;

use super::roca::is_roca;
use super::{Algorithm, BadSignature, KeyError, Timestamp};

/// A public key for one algorithm: the key brings the algorithm, a token can only agree (RFC 8725 §3.1).
///
/// It is trusted until somebody says otherwise: a key that left its set, or a set that got too old, takes the trust
/// back, and whatever was verified with the key earlier is then asked about again.
pub struct VerifyingKey {
    kid: Option<Box<str>>,
    algorithm: Algorithm,
    key: ParsedPublicKey,
    thumbprint: Box<str>,
    trusted_until: AtomicI64,
}

impl VerifyingKey {
    /// Reads one key of a JWK set: one entry for every algorithm of `allowed` that the key may serve.
    ///
    /// A JWK with `alg` serves that algorithm only; an RSA key without it serves every allowed RSA algorithm; a key on a
    /// curve serves the one algorithm of the curve. Private, shared, weak and encryption keys are refused.
    pub fn from_jwk(jwk: &Value, allowed: &[Algorithm]) -> Result<Vec<Arc<Self>>, KeyError> {
        if PRIVATE_MEMBERS.iter().any(|name| jwk.get(name).is_some()) {
            return Err(KeyError::NotPublic);
        }
        let jwk: Jwk = serde_json::from_value(jwk.clone()).map_err(|_| KeyError::NotAJwk)?;
        check_use(&jwk)?;
        let algorithms = algorithms(&jwk, allowed)?;
        algorithms
            .into_iter()
            .map(|algorithm| Self::new(&jwk, algorithm).map(Arc::new))
            .collect()
    }

    /// Reads a public key in PEM (`BEGIN PUBLIC KEY` or `BEGIN RSA PUBLIC KEY`), which has no `kid`.
    pub fn from_pem(pem: &[u8], allowed: &[Algorithm]) -> Result<Vec<Arc<Self>>, KeyError> {
        let text = std::str::from_utf8(pem).map_err(|_| KeyError::NotPem)?;
        if text.contains("PRIVATE KEY-----") {
            return Err(KeyError::NotPublic);
        }
        if !text.contains("PUBLIC KEY-----") {
            return Err(KeyError::NotPem);
        }
        let key = DecodingKey::from_rsa_pem(pem)
            .or_else(|_| DecodingKey::from_ec_pem(pem))
            .or_else(|_| DecodingKey::from_ed_pem(pem))
            .map_err(|_| KeyError::NotPem)?;
        let jwk = Jwk::from_decoding_key(&key, None).map_err(|_| KeyError::NotPem)?;
        let jwk = serde_json::to_value(jwk).map_err(|_| KeyError::NotPem)?;
        Self::from_jwk(&jwk, allowed)
    }

    /// The same key for the same algorithm, without the way here: for our own keys.
    pub(super) fn new(jwk: &Jwk, algorithm: Algorithm) -> Result<Self, KeyError> {
        let thumbprint = jwk
            .thumbprint(ThumbprintHash::SHA256)
            .map_err(|_| KeyError::NotAJwk)?;
        Ok(Self {
            kid: jwk.common.key_id.clone().map(String::into_boxed_str),
            algorithm,
            key: parse(jwk, algorithm)?,
            thumbprint: thumbprint.into_boxed_str(),
            trusted_until: AtomicI64::new(i64::MAX),
        })
    }

    /// The name its set gives it.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// What it verifies with.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The SHA-256 thumbprint of RFC 7638, in base64url.
    pub fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    /// Whether `signature` is this key's signature of `message`.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        self.key
            .verify_sig(message, signature)
            .map_err(|_| BadSignature)
    }

    /// Whether tokens of this key may be believed now.
    pub fn is_trusted(&self, now: Timestamp) -> bool {
        now.millis() < self.trusted_until.load(Ordering::Relaxed)
    }

    /// Believes this key until `end`.
    pub fn trust_until(&self, end: Timestamp) {
        self.trusted_until.store(end.millis(), Ordering::Relaxed);
    }

    /// Believes this key no longer, nor what was verified with it.
    pub fn withdraw(&self) {
        self.trusted_until.store(i64::MIN, Ordering::Relaxed);
    }

    /// Whether `other` is the same entry of a set: same key, same name, same algorithm.
    pub fn is_same_entry(&self, other: &Self) -> bool {
        self.thumbprint == other.thumbprint
            && self.kid == other.kid
            && self.algorithm == other.algorithm
    }

    /// The public key in PEM (RFC 7468 §13).
    pub fn public_pem(&self) -> Result<String, KeyError> {
        let der: PublicKeyX509Der<'_> = self.key.as_der().map_err(|_| KeyError::Cryptography)?;
        let body = STANDARD.encode(der.as_ref());
        let mut pem = String::from("-----BEGIN PUBLIC KEY-----\n");
        for line in body.as_bytes().chunks(64) {
            pem.extend(line.iter().copied().map(char::from));
            pem.push('\n');
        }
        pem.push_str("-----END PUBLIC KEY-----\n");
        Ok(pem)
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({} {})", self.algorithm, self.thumbprint)
    }
}

// RFC 7517 §4.2, §4.3: what is not said is not restricted.
fn check_use(jwk: &Jwk) -> Result<(), KeyError> {
    let signs = match &jwk.common.public_key_use {
        None => true,
        Some(stated) => *stated == PublicKeyUse::Signature,
    };
    let verifies = match &jwk.common.key_operations {
        None => true,
        Some(operations) => operations.contains(&KeyOperations::Verify),
    };
    if signs && verifies {
        Ok(())
    } else {
        Err(KeyError::WrongUse)
    }
}

fn algorithms(jwk: &Jwk, allowed: &[Algorithm]) -> Result<Vec<Algorithm>, KeyError> {
    let serves: Vec<Algorithm> = allowed
        .iter()
        .copied()
        .filter(|algorithm| fits(*algorithm, jwk))
        .filter(|algorithm| match jwk.common.key_algorithm {
            None => true,
            Some(stated) => stated == KeyAlgorithm::from(algorithm.jwa()),
        })
        .collect();
    if serves.is_empty() {
        return Err(match &jwk.algorithm {
            AlgorithmParameters::OctetKey(_) => KeyError::NotPublic,
            _ => KeyError::WrongAlgorithm,
        });
    }
    Ok(serves)
}

fn fits(algorithm: Algorithm, jwk: &Jwk) -> bool {
    match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => algorithm.rsa().is_some(),
        AlgorithmParameters::EllipticCurve(key) => match key.curve {
            EllipticCurve::P256 => algorithm == Algorithm::ES256,
            EllipticCurve::P384 => algorithm == Algorithm::ES384,
            _ => false,
        },
        AlgorithmParameters::OctetKeyPair(key) => {
            key.curve == EllipticCurve::Ed25519 && algorithm == Algorithm::EdDSA
        }
        _ => false,
    }
}

fn parse(jwk: &Jwk, algorithm: Algorithm) -> Result<ParsedPublicKey, KeyError> {
    match &jwk.algorithm {
        AlgorithmParameters::RSA(key) => parse_rsa(&key.n, &key.e, algorithm),
        AlgorithmParameters::EllipticCurve(key) => parse_point(&key.x, &key.y, algorithm),
        AlgorithmParameters::OctetKeyPair(key) => {
            let point = decode(&key.x)?;
            if point.len() != ED25519_LENGTH {
                return Err(KeyError::Malformed);
            }
            ParsedPublicKey::new(&ED25519, point).map_err(|_| KeyError::Malformed)
        }
        _ => Err(KeyError::NotPublic),
    }
}

fn parse_rsa(n: &str, e: &str, algorithm: Algorithm) -> Result<ParsedPublicKey, KeyError> {
    let parameters = algorithm.rsa().ok_or(KeyError::WrongAlgorithm)?;
    let (n, e) = (decode(n)?, decode(e)?);
    // RFC 7518 §6.3.1.1 forbids leading zeros, yet some issuers write one; the number is the same.
    let n = without_leading_zeros(&n);
    let e = without_leading_zeros(&e);
    let bits = n.first().map_or(0, |first| {
        n.len() * 8 - usize::try_from(first.leading_zeros()).unwrap_or(0)
    });
    if !(RSA_BITS_MIN..=RSA_BITS_MAX).contains(&bits) || is_roca(n) {
        return Err(KeyError::Weak);
    }
    // An exponent of 1 makes every message its own signature; an even one is no key at all.
    let exponent = match e {
        [] => 0,
        e if e.len() <= 4 => e.iter().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte)),
        _ => return Err(KeyError::Malformed),
    };
    if exponent < 3 || exponent.is_multiple_of(2) {
        return Err(KeyError::Weak);
    }
    RsaPublicKeyComponents { n, e }
        .to_parsed_public_key(parameters)
        .map_err(|_| KeyError::Malformed)
}

fn parse_point(x: &str, y: &str, algorithm: Algorithm) -> Result<ParsedPublicKey, KeyError> {
    let curve = algorithm.ecdsa().ok_or(KeyError::WrongAlgorithm)?;
    let length = if algorithm == Algorithm::ES256 {
        32
    } else {
        48
    };
    let (x, y) = (decode(x)?, decode(y)?);
    // RFC 7518 §6.2.1.2: full size of the field, leading zeros included.
    if x.len() != length || y.len() != length {
        return Err(KeyError::Malformed);
    }
    let point: Vec<u8> = [UNCOMPRESSED].into_iter().chain(x).chain(y).collect();
    ParsedPublicKey::new(curve, point).map_err(|_| KeyError::Malformed)
}

fn decode(text: &str) -> Result<Vec<u8>, KeyError> {
    URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| KeyError::Malformed)
}

fn without_leading_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

/// Members of a JWK that only a private or shared key has (RFC 7518 §6.2.2, §6.3.2, §6.4.1).
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
/// How a point that is written out in full begins (SEC 1 §2.3.3).
const UNCOMPRESSED: u8 = 4;
const ED25519_LENGTH: usize = 32;
const RSA_BITS_MIN: usize = 2048;
const RSA_BITS_MAX: usize = 8192;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::token::SigningKey;

    fn jwk(algorithm: Algorithm) -> Value {
        SigningKey::generate(algorithm).unwrap().jwk().clone()
    }

    fn read(jwk: &Value) -> Result<Vec<Algorithm>, KeyError> {
        let keys = VerifyingKey::from_jwk(jwk, &Algorithm::ALL)?;
        Ok(keys.iter().map(|key| key.algorithm()).collect())
    }

    fn with(jwk: &Value, name: &str, value: Value) -> Value {
        let mut changed = jwk.clone();
        changed[name] = value;
        changed
    }

    fn without(jwk: &Value, name: &str) -> Value {
        let mut changed = jwk.clone();
        changed.as_object_mut().unwrap().remove(name);
        changed
    }

    /// W01
    #[test]
    fn the_key_brings_the_algorithm() {
        let (rsa, ec) = (jwk(Algorithm::RS256), jwk(Algorithm::ES384));
        assert_eq!(read(&rsa), Ok(vec![Algorithm::RS256]));
        assert_eq!(read(&without(&ec, "alg")), Ok(vec![Algorithm::ES384]));
        let unsaid = without(&rsa, "alg");
        let [rs256, rs384, rs512, ps256, ..] = Algorithm::ALL;
        assert_eq!(read(&unsaid), Ok(vec![rs256, rs384, rs512, ps256]));
        let narrow = VerifyingKey::from_jwk(&unsaid, &[Algorithm::PS256, Algorithm::ES256]);
        assert_eq!(narrow.unwrap().len(), 1);
        for alg in ["ES256", "HS256", "none", "RSA-OAEP", "ES521"] {
            let said = with(&rsa, "alg", json!(alg));
            assert_eq!(read(&said), Err(KeyError::WrongAlgorithm), "{alg}");
        }
    }

    /// W04, W05
    #[test]
    fn a_key_that_is_not_for_verifying_does_not_enter() {
        let key = jwk(Algorithm::ES256);
        let refused = |changed: Value| read(&changed).unwrap_err();
        assert_eq!(refused(with(&key, "use", json!("enc"))), KeyError::WrongUse);
        let operations = with(&key, "key_ops", json!(["encrypt"]));
        assert_eq!(refused(operations), KeyError::WrongUse);
        assert_eq!(refused(with(&key, "d", json!("AA"))), KeyError::NotPublic);
        let shared = json!({"kty": "oct", "k": "c2VjcmV0", "alg": "HS256"});
        assert_eq!(refused(shared), KeyError::NotPublic);
        let other_kind = with(&key, "kty", json!("RSA"));
        assert_eq!(refused(other_kind), KeyError::WrongAlgorithm);
        assert_eq!(refused(with(&key, "x", json!("AA"))), KeyError::Malformed);
        // Of the right size, and not on the curve.
        let nowhere = URL_SAFE_NO_PAD.encode([5; 32]);
        assert!(read(&with(&key, "x", json!(nowhere))).is_err());
        assert_eq!(refused(json!("key")), KeyError::NotAJwk);
        assert!(read(&with(&key, "key_ops", json!(["verify"]))).is_ok());
    }

    /// W04
    #[test]
    fn a_weak_rsa_key_does_not_enter() {
        let key = jwk(Algorithm::RS256);
        let short = URL_SAFE_NO_PAD.encode([0xc5; 255]);
        assert_eq!(read(&with(&key, "n", json!(short))), Err(KeyError::Weak));
        for e in ["AQ", "AA", "Ag", ""] {
            assert_eq!(read(&with(&key, "e", json!(e))), Err(KeyError::Weak), "{e}");
        }
    }
}
