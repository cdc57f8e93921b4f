//! What the benches share: an issuer of their own, with one key, its key set and its tokens.

use std::error::Error;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;

/// The `iss` of every token made here.
pub(crate) const ISSUER: &str = "https://issuer.bench";
/// The `aud` of every token made here.
pub(crate) const AUDIENCE: &str = "api";

const KEY_ID: &str = "bench";
/// 1 January 2100, so that no run needs the clock.
const EXPIRES: u64 = 4_102_444_800;
const ISSUED: u64 = 1_700_000_000;

/// An issuer that signs with ES256, made anew for each run.
pub(crate) struct Issuer {
    pair: EcdsaKeyPair,
    random: SystemRandom,
}

impl Issuer {
    /// Makes the key.
    pub(crate) fn new() -> Result<Self, Box<dyn Error>> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
        Ok(Self {
            pair,
            random: SystemRandom::new(),
        })
    }

    /// The key set as an issuer would publish it (RFC 7517).
    pub(crate) fn jwks(&self) -> String {
        let point = self.pair.public_key().as_ref();
        let (x, y) = point.get(1..).unwrap_or_default().split_at(32);
        serde_json::json!({ "keys": [{
            "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": KEY_ID,
            "x": BASE64.encode(x), "y": BASE64.encode(y),
        }]})
        .to_string()
    }

    /// The good token number `number`: about 500 bytes, as those of the common providers are at least.
    pub(crate) fn token(&self, number: usize) -> Result<String, Box<dyn Error>> {
        let head = serde_json::json!({ "alg": "ES256", "typ": "JWT", "kid": KEY_ID });
        let claims = serde_json::json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": format!("user-{number:08}"), "jti": format!("{number:032x}"),
            "iat": ISSUED, "nbf": ISSUED, "exp": EXPIRES, "scope": "read write profile", "client_id": "bench-client",
            "email": format!("user-{number:08}@example.org"), "tenant": "acme", "roles": ["reader", "editor"],
        });
        let message = format!(
            "{}.{}",
            BASE64.encode(head.to_string()),
            BASE64.encode(claims.to_string())
        );
        let signature = self.pair.sign(&self.random, message.as_bytes())?;
        Ok(format!("{message}.{}", BASE64.encode(signature)))
    }

    /// A token whose signature belongs to another one: everything about it is right but that.
    pub(crate) fn forgery(&self, number: usize) -> Result<String, Box<dyn Error>> {
        let (claims, other) = (self.token(number)?, self.token(number + 1)?);
        let (message, _) = claims.rsplit_once('.').unwrap_or_default();
        let (_, signature) = other.rsplit_once('.').unwrap_or_default();
        Ok(format!("{message}.{signature}"))
    }
}
