//! What can be wrong with a key, a signature or a claim.

/// Why a key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is not a JWK (RFC 7517 §4), or not one of a kind we know.
    #[error("read the key: it is not a public JWK of kind RSA, EC or OKP")]
    NotAJwk,
    /// It is not a public key in PEM (RFC 7468 §13).
    #[error("read the key: it is not a public key in PEM")]
    NotPem,
    /// It is a private or a shared key, which has no place in a set of verifying keys.
    #[error("trust a private or shared key")]
    NotPublic,
    /// It is for something other than verifying signatures (RFC 7517 §4.2, §4.3).
    #[error("verify with a key that is not for signatures")]
    WrongUse,
    /// Its algorithm is not one of those allowed, or does not fit its kind.
    #[error("verify with a key of an algorithm that is not allowed")]
    WrongAlgorithm,
    /// Its numbers are malformed, or no valid key.
    #[error("read the key: its parameters are not those of a valid key")]
    Malformed,
    /// It is too short, or of a kind known to be breakable.
    #[error("trust a weak key")]
    Weak,
    /// The private key cannot be read.
    #[error("read the private key")]
    NotPkcs8,
    /// The cryptographic library could not make a key or a signature.
    #[error("make a key or a signature")]
    Cryptography,
}

/// The signature does not fit the key and the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("signature does not fit")]
pub struct BadSignature;

/// What is wrong with a token's claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// Not one JSON object in UTF-8, or a member occurs twice in it (RFC 8725 §3.7, RFC 7519 §4).
    #[error("claims are not one JSON object without repeated members")]
    NotAnObject,
    /// A claim has a type it must not have.
    #[error("claim `{0}` has the wrong type")]
    WrongType(&'static str),
    /// A required claim is not there.
    #[error("claim `{0}` is missing")]
    Missing(&'static str),
}
