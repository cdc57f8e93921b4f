//! Signed tokens: shape, header, key, signature (RFC 7515, RFC 7519 §7.2, RFC 8725).
//!
//! Everything a stranger wrote is read strictly, because what two programs read differently is a hole: base64url
//! without padding, white space or stray bits; JSON without repeated members; no `crit`, `zip` or `b64`. Nothing in a
//! header is followed: `jwk`, `jku`, `x5u` and `x5c` are not even looked at.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::VerifyError;
use super::keys::{Choice, KeySet};
use crate::token::{Algorithm, Claims, VerifyingKey};

/// The longest token we read, in bytes.
pub(super) const LONGEST: usize = 16 * 1024;

/// A token in compact form (RFC 7515 §7.1), taken apart. Nothing in it has been verified.
#[derive(Debug)]
pub(super) struct Compact<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) kid: Option<Box<str>>,
    pub(super) header_type: Option<Box<str>>,
    pub(super) payload: Vec<u8>,
    signed: &'a [u8],
    signature: Vec<u8>,
}

/// Verifies the signature of one token with the one key of `keys` that its header chooses, and returns the payload.
///
/// The claims are not looked at. This is what `token verify` offers, and what every request goes through.
pub fn verify(token: &str, keys: &KeySet) -> Result<Vec<u8>, VerifyError> {
    let compact = Compact::read(token)?;
    match keys.choose(compact.kid.as_deref(), compact.algorithm) {
        Choice::Key(key) => compact.verify(&key)?,
        Choice::OtherAlgorithm => return Err(VerifyError::AlgorithmRefused),
        Choice::None | Choice::Several => return Err(VerifyError::UnknownKey),
    }
    Ok(compact.payload)
}

impl<'a> Compact<'a> {
    /// Takes a token apart.
    pub(super) fn read(token: &'a str) -> Result<Self, VerifyError> {
        if token.len() > LONGEST {
            return Err(VerifyError::Malformed("longer than 16 KiB"));
        }
        let (header, rest) = token.split_once('.').ok_or(NOT_COMPACT)?;
        let (payload, signature) = rest.split_once('.').ok_or(NOT_COMPACT)?;
        let signed = header.len() + 1 + payload.len();
        let signed = token.as_bytes().get(..signed).ok_or(NOT_COMPACT)?;
        let header = Claims::read(&decode(header)?)
            .map_err(|_| VerifyError::Malformed("header is not one strict JSON object"))?;
        for name in ["crit", "zip", "b64"] {
            if header.has(name) {
                return Err(VerifyError::Malformed("header asks for an extension"));
            }
        }
        let algorithm = header
            .text("alg")
            .map_err(|_| HEADER_TYPE)?
            .ok_or(VerifyError::Malformed("header names no algorithm"))?;
        Ok(Self {
            algorithm: Algorithm::from_name(algorithm).ok_or(VerifyError::AlgorithmRefused)?,
            kid: header.text("kid").map_err(|_| HEADER_TYPE)?.map(Box::from),
            header_type: header.text("typ").map_err(|_| HEADER_TYPE)?.map(Box::from),
            payload: decode(payload)?,
            signed,
            signature: decode(signature)?,
        })
    }

    /// Verifies the signature with this key, which must be for the algorithm of the header.
    pub(super) fn verify(&self, key: &VerifyingKey) -> Result<(), VerifyError> {
        if key.algorithm() != self.algorithm {
            return Err(VerifyError::AlgorithmRefused);
        }
        key.verify(self.signed, &self.signature)
            .map_err(VerifyError::BadSignature)
    }
}

// A third dot fails here too: it is no character of base64url.
fn decode(part: &str) -> Result<Vec<u8>, VerifyError> {
    URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| VerifyError::Malformed("not base64url without padding"))
}

const NOT_COMPACT: VerifyError = VerifyError::Malformed("not three parts");
const HEADER_TYPE: VerifyError = VerifyError::Malformed("header member of the wrong type");
