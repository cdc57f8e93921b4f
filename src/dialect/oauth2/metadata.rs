//! What this token service offers, for programs to read (RFC 8414).

use serde_json::{Map, Value};

use crate::issue::Grant;
use crate::token::Algorithm;

/// The document (RFC 8414 §2), for a mount that clients reach at `url`. What would be an empty list is left out (§3.2).
/// Its keys sign by `algorithm`.
pub(super) fn document(issuer: &str, url: &str, algorithm: Algorithm) -> Value {
    let mut document = Map::new();
    let mut say = |name: &str, value: Value| {
        if value.as_array().is_none_or(|list| !list.is_empty()) {
            document.insert(name.to_owned(), value);
        }
    };
    say("issuer", issuer.into());
    for (name, path) in PLACES {
        say(name, format!("{url}{path}").into());
    }
    let grants: Vec<&str> = Grant::ALL.into_iter().map(Grant::word).collect();
    say("grant_types_supported", grants.into());
    // Codes and nothing else: no token travels in an address (RFC 9700 §2.1.2).
    say("response_types_supported", list(&["code"]));
    say("response_modes_supported", list(&["query"]));
    say("code_challenge_methods_supported", list(&["S256"]));
    say(
        "authorization_response_iss_parameter_supported",
        true.into(),
    );
    say("token_endpoint_auth_methods_supported", list(&EVERY_WAY));
    say(
        "introspection_endpoint_auth_methods_supported",
        list(&BY_PROOF),
    );
    say(
        "introspection_signing_alg_values_supported",
        list(&[algorithm.name()]),
    );
    say(
        "revocation_endpoint_auth_methods_supported",
        list(&EVERY_WAY),
    );
    for endpoint in ["token", "introspection", "revocation"] {
        let name = format!("{endpoint}_endpoint_auth_signing_alg_values_supported");
        let algorithms: Vec<&str> = Algorithm::ALL.into_iter().map(Algorithm::name).collect();
        say(&name, algorithms.into());
    }
    Value::Object(document)
}

fn list(words: &[&str]) -> Value {
    words.iter().copied().collect()
}

/// Where people are asked.
pub(super) const AUTHORIZE: &str = "/authorize";

const PLACES: [(&str, &str); 5] = [
    ("authorization_endpoint", AUTHORIZE),
    ("token_endpoint", "/token"),
    ("introspection_endpoint", "/introspect"),
    ("revocation_endpoint", "/revoke"),
    ("jwks_uri", "/jwks"),
];

/// How a client may say which one it is.
const EVERY_WAY: [&str; 4] = [BY_PROOF[0], BY_PROOF[1], BY_PROOF[2], "none"];

/// How it may prove it.
const BY_PROOF: [&str; 3] = [
    "client_secret_basic",
    "client_secret_post",
    "private_key_jwt",
];
