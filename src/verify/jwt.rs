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

#[cfg(test)]
mod tests {
    use jsonwebtoken::{DecodingKey, Validation};
    use proptest::prelude::*;
    use proptest::sample::Index;
    use serde_json::{Value, json};

    use super::*;
    use crate::token::{Profile, SigningKey};

    fn key_set(keys: &[&SigningKey]) -> KeySet {
        let jwks: Vec<&Value> = keys.iter().map(|key| key.jwk()).collect();
        let set = json!({ "keys": jwks }).to_string();
        KeySet::read(set.as_bytes(), &Algorithm::ALL).unwrap()
    }

    fn part(json: &str) -> String {
        URL_SAFE_NO_PAD.encode(json)
    }

    /// A token with this header, signed well.
    fn signed(key: &SigningKey, header: &str) -> String {
        let message = format!("{}.{}", part(header), part("{}"));
        let signature = URL_SAFE_NO_PAD.encode(key.sign(message.as_bytes()).unwrap());
        format!("{message}.{signature}")
    }

    fn is_malformed(token: &str, keys: &KeySet) -> bool {
        matches!(verify(token, keys), Err(VerifyError::Malformed(_)))
    }

    /// JW-01, JW-02
    #[test]
    fn an_algorithm_that_no_key_brings_is_refused() {
        let key = SigningKey::generate(Algorithm::ES256).unwrap();
        let keys = key_set(&[&key]);
        for algorithm in ["none", "None", "NONE", "nOnE", "HS256", "PS512", "ES256K"] {
            let header = part(&format!(r#"{{"alg":"{algorithm}"}}"#));
            for signature in [".", ".AA"] {
                let token = format!("{header}.{}{signature}", part("{}"));
                let verdict = verify(&token, &keys);
                assert!(matches!(verdict, Err(VerifyError::AlgorithmRefused)));
            }
            assert!(is_malformed(&format!("{header}.{}", part("{}")), &keys));
        }
        let other = signed(&key, &format!(r#"{{"alg":"RS256","kid":"{}"}}"#, key.kid()));
        assert!(matches!(
            verify(&other, &keys),
            Err(VerifyError::AlgorithmRefused)
        ));
    }

    /// JW-05
    #[test]
    fn a_header_that_asks_for_an_extension_is_refused() {
        let key = SigningKey::generate(Algorithm::ES256).unwrap();
        let keys = key_set(&[&key]);
        assert!(verify(&signed(&key, r#"{"alg":"ES256"}"#), &keys).is_ok());
        for more in [
            r#""crit":["exp"],"exp":1"#,
            r#""crit":["b64"],"b64":false"#,
            r#""crit":[]"#,
            r#""crit":"exp""#,
            r#""crit":null"#,
            r#""b64":false"#,
            r#""zip":"DEF""#,
            r#""alg":"ES256""#,
            r#""kid":1"#,
            r#""typ":["JWT"]"#,
        ] {
            let token = signed(&key, &format!(r#"{{"alg":"ES256",{more}}}"#));
            assert!(is_malformed(&token, &keys), "{more}");
        }
    }

    /// JW-10
    #[test]
    fn a_token_has_one_spelling() {
        let key = SigningKey::generate(Algorithm::ES256).unwrap();
        let keys = key_set(&[&key]);
        let token = signed(&key, r#"{"alg":"ES256"}"#);
        let (rest, signature) = token.rsplit_once('.').unwrap();
        // 64 bytes leave four unused bits in the last character.
        let (body, last) = signature.split_at(signature.len() - 1);
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let place = alphabet
            .iter()
            .position(|known| *known == last.as_bytes()[0]);
        let stray = char::from(alphabet[place.unwrap() + 1]);
        for changed in [
            format!("{token}="),
            format!("{token}=="),
            format!("{token}."),
            format!("{token}\n"),
            format!(" {token}"),
            format!("{rest}.{body}{stray}"),
            token.replacen('.', " .", 1),
            format!(".{token}"),
            format!("{token}{}", "A".repeat(LONGEST)),
            rest.to_owned(),
            String::new(),
        ] {
            assert!(is_malformed(&changed, &keys), "{changed:.80}");
        }
        let standard = token.replace('-', "+").replace('_', "/");
        assert!(standard == token || is_malformed(&standard, &keys));
    }

    /// JW-03, JW-11
    #[test]
    fn a_key_that_the_token_brings_or_names_elsewhere_is_not_used() {
        let (ours, theirs) = (
            SigningKey::generate(Algorithm::ES256).unwrap(),
            SigningKey::generate(Algorithm::ES256).unwrap(),
        );
        let keys = key_set(&[&ours]);
        let embedded = json!({ "alg": "ES256", "kid": ours.kid(), "jwk": theirs.jwk() });
        let verdict = verify(&signed(&theirs, &embedded.to_string()), &keys);
        assert!(matches!(verdict, Err(VerifyError::BadSignature(_))));
        let named = json!({ "alg": "ES256", "kid": theirs.kid(), "jku": "https://x.example/" });
        let verdict = verify(&signed(&theirs, &named.to_string()), &keys);
        assert!(matches!(verdict, Err(VerifyError::UnknownKey)));
    }

    #[test]
    fn without_a_name_the_only_key_that_fits_is_meant() {
        let first = SigningKey::generate(Algorithm::ES256).unwrap();
        let second = SigningKey::generate(Algorithm::ES256).unwrap();
        let other = SigningKey::generate(Algorithm::EdDSA).unwrap();
        let token = signed(&first, r#"{"alg":"ES256"}"#);
        assert!(verify(&token, &key_set(&[&first, &other])).is_ok());
        let verdict = verify(&token, &key_set(&[&first, &second]));
        assert!(matches!(verdict, Err(VerifyError::UnknownKey)));
        let pem = first.public_pem().unwrap();
        let nameless = KeySet::read_any(pem.as_bytes(), &Algorithm::ALL).unwrap();
        let named = signed(&first, r#"{"alg":"ES256","kid":"any"}"#);
        assert!(verify(&named, &nameless).is_ok());
    }

    fn profile(algorithm: Algorithm) -> Profile {
        Profile {
            algorithm,
            ..Profile::standard()
        }
    }

    fn jsonwebtoken_accepts(token: &str, key: &SigningKey) -> bool {
        let jwk = serde_json::from_value(key.jwk().clone()).unwrap();
        let mut validation = Validation::new(key.algorithm().jwa());
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        let decoding = DecodingKey::from_jwk(&jwk).unwrap();
        jsonwebtoken::decode::<Value>(token, &decoding, &validation).is_ok()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        /// What we sign, `jsonwebtoken` accepts, and so do we; what one of both refuses after a change of one byte, the
        /// other refuses too, except where we are stricter.
        #[test]
        fn we_and_jsonwebtoken_agree_about_signatures(
            claims in proptest::collection::btree_map("[a-z]{1,6}", any::<i64>(), 0..5),
            place in any::<Index>(),
            byte in "[A-Za-z0-9_-]",
        ) {
            for algorithm in Algorithm::ALL {
                let key = test_key(algorithm);
                let keys = key_set(&[key]);
                let token = key.token(&profile(algorithm), &claims).unwrap();
                prop_assert!(verify(&token, &keys).is_ok());
                prop_assert!(jsonwebtoken_accepts(&token, key));

                let place = place.index(token.len());
                let mut changed = token.clone();
                changed.replace_range(place..=place, &byte);
                let ours = verify(&changed, &keys).is_ok();
                prop_assert_eq!(ours, changed == token);
                prop_assert!(!ours || jsonwebtoken_accepts(&changed, key));
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,80}", parts in proptest::collection::vec("[A-Za-z0-9_-]{0,40}", 0..5)) {
            let keys = key_set(&[test_key(Algorithm::ES256)]);
            prop_assert!(verify(&text, &keys).is_err());
            prop_assert!(verify(&parts.join("."), &keys).is_err());
        }
    }

    /// Keys are made once: RSA takes its time.
    fn test_key(algorithm: Algorithm) -> &'static SigningKey {
        static KEYS: std::sync::OnceLock<Vec<SigningKey>> = std::sync::OnceLock::new();
        let keys = KEYS.get_or_init(|| {
            let make = |algorithm| SigningKey::generate(algorithm).unwrap();
            Algorithm::ALL.into_iter().map(make).collect()
        });
        keys.iter()
            .find(|key| key.algorithm() == algorithm)
            .unwrap()
    }
}
