//! OAuth 2.0: tokens (RFC 6749), introspection (RFC 7662, RFC 9701), revocation (RFC 7009), metadata (RFC 8414), keys (RFC 7517).
//!
//! Clients authenticate by `Authorization: Basic`, in the body, by a JWT they signed (RFC 7523), or not at all if they
//! cannot keep a secret; never in two ways at once. What the metadata names is what is served: both are written from one
//! list.
//!
//! Reading order: `request`, `client`, `answer`, `metadata`.

mod answer;
mod client;
mod metadata;
mod request;

use std::sync::Arc;

use http::{Method, Response, StatusCode};

use self::answer::{
    SERVER_ERROR, failed, failure, granted, introspected, introspected_signed, published, revoked,
};
use super::settings::lifetime;
use super::standard;
use super::{Asked, Dialect, Endpoint, LimitSettings, Malformed, MountSettings, Place, Spot};
use crate::issue::{Answer, Ask, IssueError};
use crate::net::Body;
use crate::observe::Refusal;
use crate::token::{Profile, Renewal, Rotation};

/// The dialect, for one mount.
#[derive(Debug)]
struct OAuth2 {
    profile: Profile,
    endpoints: [Endpoint; 6],
    /// Where clients reach the mount: scheme, host and path.
    url: String,
}

/// Builds the dialect, for a mount that clients reach at `url`.
pub(super) fn build(settings: &MountSettings, url: &str) -> Arc<dyn Dialect> {
    let standard = Profile::standard();
    let access_lifetime = lifetime(&settings.tokens, standard.access_lifetime);
    let algorithm = settings.keys.algorithm.unwrap_or(standard.algorithm);
    let endpoint = |name, method, spot| Endpoint {
        name,
        spot,
        method,
        limit: None,
        demands_token: false,
    };
    let limited = |name, path| Endpoint {
        limit: settings.limit.map(LimitSettings::smooth),
        ..endpoint(name, Method::POST, Spot::Below(path))
    };
    Arc::new(OAuth2 {
        profile: Profile {
            algorithm,
            access_lifetime,
            renewal: settings.refresh.over(Renewal::Rotating(Rotation {
                lost: access_lifetime,
                ..Rotation::standard()
            })),
            ..standard
        },
        endpoints: [
            limited(TOKEN, "/token"),
            limited(INTROSPECT, "/introspect"),
            limited(REVOKE, "/revoke"),
            endpoint(KEYS, Method::GET, Spot::Below("/jwks")),
            endpoint(METADATA, Method::GET, Spot::WellKnown(WELL_KNOWN)),
            // Not the place RFC 8414 names, but where many clients look.
            endpoint(
                METADATA,
                Method::GET,
                Spot::Below("/.well-known/oauth-authorization-server"),
            ),
        ],
        url: url.trim_end_matches('/').to_owned(),
    })
}

impl Dialect for OAuth2 {
    fn profile(&self) -> &Profile {
        &self.profile
    }

    fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    fn authorization(&self) -> &[Spot] {
        &[Spot::Below(metadata::AUTHORIZE)]
    }

    fn read(&self, at: &Endpoint, asked: &Asked<'_>) -> Result<Ask, Malformed> {
        let read = match at.name {
            KEYS => return Ok(Ask::Keys),
            METADATA => return Ok(Ask::Metadata),
            INTROSPECT => request::introspect(asked.head, asked.body),
            REVOKE => request::revoke(asked.head, asked.body),
            _ => request::token(asked.head, asked.body),
        };
        read.map_err(|mistake| Malformed::new(mistake.error, mistake.response()))
    }

    fn write(&self, _at: &Endpoint, outcome: Result<&Answer, &IssueError>) -> Response<Body> {
        match outcome {
            Ok(Answer::Issued(issued)) => granted(issued),
            Ok(Answer::Introspected(token)) => introspected(token.as_ref()),
            Ok(Answer::IntrospectedSigned(jwt)) => introspected_signed(jwt),
            Ok(Answer::Revoked) => revoked(),
            Ok(Answer::Keys(keys)) => published("application/jwk-set+json", keys),
            Ok(Answer::Metadata { issuer }) => {
                let document = metadata::document(issuer, &self.url, self.profile.algorithm);
                published("application/json", &document)
            }
            // The others have no place in this dialect, so it never asks for them.
            Ok(_) => failed(StatusCode::INTERNAL_SERVER_ERROR, SERVER_ERROR),
            Err(error) => failure(error),
        }
    }

    fn decline(&self, _at: &Endpoint, refusal: &Refusal, place: &Place<'_>) -> Response<Body> {
        let error = match standard::status(refusal) {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                "temporarily_unavailable"
            }
            status if status.is_server_error() => "server_error",
            _ => "invalid_request",
        };
        let description = standard::sentence(refusal);
        let mistake = answer::Mistake { error, description };
        let mut response = failed(standard::status(refusal), mistake);
        standard::tell(refusal, place, response.headers_mut());
        response
    }
}

const TOKEN: &str = "token";
const INTROSPECT: &str = "introspect";
const REVOKE: &str = "revoke";
const KEYS: &str = "jwks";
const METADATA: &str = "metadata";
const WELL_KNOWN: &str = "oauth-authorization-server";

#[cfg(test)]
mod tests;
