//! Where an issuer's keys come from, and fetching them once.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::Full;

use crate::net::{Address, Outbound};
use crate::token::{Algorithm, Claims};
use crate::verify::{AskError, KeySet};

/// Where an issuer's keys come from.
#[derive(Debug)]
pub(in crate::verify) enum KeySource {
    /// From the place that its metadata names (`OpenID` Connect Discovery §4, RFC 8414 §3).
    Discovery {
        /// The issuer identifier, which the metadata must repeat.
        issuer: String,
        /// The same, as an address.
        address: Address,
        /// The client.
        outbound: Outbound,
        /// What the metadata said, until a fetch from there fails.
        found: Mutex<Option<Address>>,
    },
    /// From this address.
    Url {
        /// The address.
        address: Address,
        /// The client.
        outbound: Outbound,
    },
    /// From this file, which is read again when it changes.
    File {
        /// The file.
        path: PathBuf,
        /// When it was last changed, and its length, as of the last reading.
        seen: Mutex<Option<(SystemTime, u64)>>,
    },
}

/// A good set, and for how long its issuer calls it good, if it says so.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) keys: KeySet,
    pub(super) life: Option<Duration>,
}

impl KeySource {
    /// Fetches the keys once. All of it ends within the deadline.
    pub(super) async fn fetch(&self, allowed: &[Algorithm]) -> Result<Fetched, AskError> {
        match self {
            Self::Url { address, outbound } => fetch_set(outbound, address, allowed).await,
            Self::File { path, .. } => {
                let text = std::fs::read(path).map_err(AskError::File)?;
                let keys = KeySet::read_any(&text, allowed);
                usable(keys.map_err(|_| AskError::Answer("not a key set"))?, None)
            }
            Self::Discovery {
                outbound, found, ..
            } => {
                let known = found.lock().unwrap_or_else(PoisonError::into_inner).take();
                let place = match known {
                    Some(place) => place,
                    None => self.discover(outbound).await?,
                };
                let fetched = fetch_set(outbound, &place, allowed).await?;
                *found.lock().unwrap_or_else(PoisonError::into_inner) = Some(place);
                Ok(fetched)
            }
        }
    }

    /// Whether it is a file that has changed since it was last looked at. Anything else never has.
    pub(super) fn has_changed(&self) -> bool {
        let Self::File { path, seen } = self else {
            return false;
        };
        let state = std::fs::metadata(path)
            .and_then(|data| Ok((data.modified()?, data.len())))
            .ok();
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = *seen != state;
        *seen = state;
        changed
    }

    /// Whether asking needs the network.
    pub(super) const fn is_remote(&self) -> bool {
        !matches!(self, Self::File { .. })
    }

    async fn discover(&self, outbound: &Outbound) -> Result<Address, AskError> {
        let Self::Discovery {
            issuer, address, ..
        } = self
        else {
            return Err(AskError::Answer("no metadata"));
        };
        let mut failure = AskError::Answer("no metadata");
        for place in metadata_places(address) {
            match get(outbound, &place).await {
                Ok(answer) => return named_place(&answer, issuer, address),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }
}

/// First where `OpenID` Connect Discovery §4 puts the metadata, below the issuer; then where RFC 8414 §3.1 does, before
/// its path.
fn metadata_places(issuer: &Address) -> [Address; 2] {
    let path = issuer.path().trim_end_matches('/');
    [
        issuer.with_path(&format!("{path}/.well-known/openid-configuration")),
        issuer.with_path(&format!("/.well-known/oauth-authorization-server{path}")),
    ]
}

/// The place of the keys. The metadata must be about this issuer, to the letter (RFC 8414 §3.3).
fn named_place(
    answer: &Response<Bytes>,
    issuer: &str,
    address: &Address,
) -> Result<Address, AskError> {
    let metadata =
        Claims::read(answer.body()).map_err(|_| AskError::Answer("metadata is not JSON"))?;
    if metadata.text("issuer").ok().flatten() != Some(issuer) {
        return Err(AskError::Answer("metadata is about another issuer"));
    }
    let place = metadata.text("jwks_uri").ok().flatten();
    let place = place.ok_or(AskError::Answer("metadata names no key set"))?;
    Ok(address.named_here(place)?)
}

async fn fetch_set(
    outbound: &Outbound,
    place: &Address,
    allowed: &[Algorithm],
) -> Result<Fetched, AskError> {
    let answer = get(outbound, place).await?;
    let keys = KeySet::read(answer.body(), allowed);
    let keys = keys.map_err(|_| AskError::Answer("not a JWK set of at most 100 keys"))?;
    usable(keys, life(answer.headers()))
}

// A set without a single usable key is more likely a mistake than a wish; the last good one is kept.
fn usable(keys: KeySet, life: Option<Duration>) -> Result<Fetched, AskError> {
    if keys.keys().is_empty() {
        return Err(AskError::NoUsableKey(keys.left_out().cloned()));
    }
    Ok(Fetched { keys, life })
}

async fn get(outbound: &Outbound, place: &Address) -> Result<Response<Bytes>, AskError> {
    let request = Request::get(place.as_str())
        .header(ACCEPT, "application/json")
        .body(Full::default())
        .map_err(|_| AskError::Answer("no such address"))?;
    let answer = outbound.send(request, DEADLINE).await?;
    match answer.status() {
        StatusCode::OK => Ok(answer),
        status => Err(AskError::Status(status)),
    }
}

/// What `Cache-Control` says (RFC 9111 §5.2.2.1).
fn life(headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all(CACHE_CONTROL).iter();
    let mut directives = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    directives.find_map(|directive| {
        let (name, value) = directive.trim().split_once('=')?;
        if !name.eq_ignore_ascii_case("max-age") {
            return None;
        }
        value
            .trim_matches('"')
            .parse()
            .ok()
            .map(Duration::from_secs)
    })
}

/// For one question; a fetch asks three at most, and [`super::jwks`] bounds them together.
const DEADLINE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn metadata_is_sought_below_the_issuer_and_before_its_path() {
        let issuer = Address::parse("https://id.example.com/tenant/1/").unwrap();
        let [oidc, rfc8414] = metadata_places(&issuer);
        assert_eq!(
            oidc.as_str(),
            "https://id.example.com/tenant/1/.well-known/openid-configuration"
        );
        assert_eq!(
            rfc8414.as_str(),
            "https://id.example.com/.well-known/oauth-authorization-server/tenant/1"
        );
    }

    #[test]
    fn the_life_of_a_set_is_its_max_age() {
        let read = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(CACHE_CONTROL, HeaderValue::from_static(value));
            life(&headers)
        };
        assert_eq!(read("public, Max-Age=120"), Some(Duration::from_mins(2)));
        assert_eq!(read("no-store"), None);
        assert_eq!(read("max-age=soon"), None);
    }
}
