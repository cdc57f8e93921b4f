//! What is served, where, and how often.

use std::time::Duration;

use http::Method;

use crate::dialect::{Endpoint, LimitSettings, MountSettings, Spot};
use crate::net::Allowance;

/// Every endpoint of a mount.
pub(super) fn all(settings: &MountSettings) -> Vec<Endpoint> {
    let chosen = settings.limit.map(LimitSettings::smooth);
    let endpoint = |name, method, spot, usual: Allowance| Endpoint {
        name,
        spot,
        method,
        limit: Some(chosen.unwrap_or(usual)),
        demands_token: name == HANDOFF_INIT,
    };
    let mut all: Vec<Endpoint> = PLACES
        .into_iter()
        .map(|(name, path, method, limit)| endpoint(name, method, Spot::Below(path), limit))
        .collect();
    if settings.short_paths == Some(true) {
        let short = PLACES
            .into_iter()
            .filter_map(|(name, path, method, limit)| {
                let path = path.strip_prefix("/api")?;
                Some(endpoint(name, method, Spot::Below(path), limit))
            });
        all.extend(short);
    }
    for (name, spot) in [
        (METADATA, Spot::WellKnown("oauth-authorization-server")),
        (RESOURCE, Spot::Below(RESOURCE_PATH)),
        (KEYS, Spot::Below(KEYS_PATH)),
    ] {
        all.push(endpoint(name, Method::GET, spot, EASY));
    }
    all
}

/// Whether the limit of an endpoint is each program's own.
pub(super) fn is_per_program(at: &Endpoint) -> bool {
    matches!(at.name, AUTHENTICATE | TOKEN | REVOKE)
}

/// Whether an endpoint fails in the shape that OAuth knows.
pub(super) fn speaks_oauth(at: &Endpoint) -> bool {
    matches!(
        at.name,
        AUTHENTICATE | TOKEN | REVOKE | REGISTER | REGISTRATION
    )
}

pub(super) const AUTHENTICATE: &str = "authenticate";
pub(super) const TOKEN: &str = "token";
pub(super) const REVOKE: &str = "revoke";
pub(super) const HANDOFF_INIT: &str = "handoff_init";
pub(super) const HANDOFF_REDEEM: &str = "handoff_redeem";
pub(super) const SCOPES: &str = "scopes";
pub(super) const REGISTER: &str = "register";
/// What a client does with its own registration.
pub(super) const REGISTRATION: &str = "registration";
pub(super) const METADATA: &str = "metadata";
pub(super) const RESOURCE: &str = "resource_metadata";
pub(super) const KEYS: &str = "jwks";

pub(super) const AUTHORIZE: &str = "/oauth/authorize";
pub(super) const TOKEN_PATH: &str = "/api/v1/auth/token";
pub(super) const REVOKE_PATH: &str = "/api/v1/auth/revoke";
pub(super) const REGISTER_PATH: &str = "/api/v1/auth/register";
pub(super) const KEYS_PATH: &str = "/.well-known/jwks.json";
pub(super) const RESOURCE_PATH: &str = "/.well-known/oauth-protected-resource";

const PLACES: [(&str, &str, Method, Allowance); 9] = [
    (
        AUTHENTICATE,
        "/api/v1/auth/authenticate",
        Method::POST,
        TIGHT,
    ),
    (TOKEN, TOKEN_PATH, Method::POST, TIGHT),
    (REVOKE, REVOKE_PATH, Method::POST, TIGHT),
    (
        HANDOFF_INIT,
        "/api/v1/auth/handoff/init",
        Method::POST,
        EASY,
    ),
    // Not of the original, which says how a code comes to be and not what becomes of it.
    (
        HANDOFF_REDEEM,
        "/api/v1/auth/handoff/redeem",
        Method::POST,
        EASY,
    ),
    (SCOPES, "/api/v1/auth/scopes", Method::GET, EASY),
    (REGISTER, REGISTER_PATH, Method::POST, RARE),
    // Not of the original: what has registered itself can see to it itself (RFC 7592).
    (REGISTRATION, REGISTER_PATH, Method::GET, EASY),
    (REGISTRATION, REGISTER_PATH, Method::DELETE, EASY),
];

const TIGHT: Allowance = per_minute(10);
const RARE: Allowance = per_minute(5);
const EASY: Allowance = per_minute(100);

const fn per_minute(count: u32) -> Allowance {
    Allowance::Smooth {
        count,
        per: Duration::from_mins(1),
        burst: count,
    }
}
