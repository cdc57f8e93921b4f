//! The request as the upstream sees it: a new head, the client's fields filtered in place, then ours.

use std::collections::BTreeMap;

use http::header::{
    AUTHORIZATION, CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, InvalidHeaderValue, VIA,
};
use http::uri::PathAndQuery;
use http::{Request, Uri, Version};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::upstream::Sending;
use crate::net::{Body, Scheme};
use crate::permit::Permit;
use crate::token::Carriers;
use crate::verify::ClaimId;

/// How a route passes requests on.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ForwardSettings {
    /// Cut from the front of the path, whole segments only.
    pub strip_prefix: Option<String>,
    /// Whether the upstream gets to see the client's token.
    pub token: TokenHandling,
    /// Header fields set from the token: name of the field = claim.
    pub identity: BTreeMap<String, String>,
}

/// What becomes of the client's token: of `Authorization`, and of wherever else it may travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TokenHandling {
    /// It is removed.
    #[default]
    Drop,
    /// It is passed on as it came.
    Pass,
}

/// How one route passes requests on, compiled.
#[derive(Debug, Default)]
pub struct Forwarding {
    /// Cut from the front of the path; begins with a slash and does not end in one.
    pub strip_prefix: Option<Box<str>>,
    /// Whether the upstream gets to see the client's token.
    pub token: TokenHandling,
    /// Where that may be.
    pub carriers: Carriers,
    /// The fields set from the token.
    pub identity: Box<[IdentityHeader]>,
    /// The largest body, in bytes.
    pub body_limit: Option<u64>,
}

/// One header field set from the token.
#[derive(Clone, Debug)]
pub struct IdentityHeader {
    /// The field.
    pub name: HeaderName,
    /// The claim it is set from; a token without it leaves the field absent.
    pub claim: ClaimId,
}

impl IdentityHeader {
    /// Whether a route may set this field. Those that frame a message, that belong to one connection, or in which the
    /// gateway itself says where a request came from and where it goes, it may not, however they are spelt: a claim
    /// would speak in their place.
    pub fn may_be(name: &HeaderName) -> bool {
        let name: String = name.as_str().bytes().map(folded).map(char::from).collect();
        let ours = [HOST, VIA, AUTHORIZATION, X_REQUEST_ID];
        let is_taken =
            is_hop_by_hop(&name) || is_ours_to_say(&name) || name.starts_with("x-forwarded");
        !is_taken && ours.iter().all(|our| *our != *name)
    }
}

/// The identity fields of all routes: removed from every request, on open routes too, however they are spelt.
#[derive(Debug, Default)]
pub struct Reserved(Box<[Box<[u8]>]>);

impl Reserved {
    /// These fields, and every other spelling of them.
    pub fn new(names: impl IntoIterator<Item = HeaderName>) -> Self {
        let fold = |name: HeaderName| name.as_str().bytes().map(folded).collect();
        let mut names: Vec<Box<[u8]>> = names.into_iter().map(fold).collect();
        names.sort_unstable();
        names.dedup();
        Self(names.into_boxed_slice())
    }

    /// Whether an upstream could take this name for one of the fields.
    fn cover(&self, name: &str) -> bool {
        let is_it = |ours: &[u8]| {
            ours.iter()
                .zip(name.bytes())
                .all(|(our, byte)| *our == folded(byte))
        };
        let mut ours = self.0.iter();
        ours.any(|ours| ours.len() == name.len() && is_it(ours))
    }
}

/// What tells names apart: `-`, `_` and `.` are alike to some upstreams. Their case is gone by now.
const fn folded(byte: u8) -> u8 {
    match byte {
        b'_' | b'.' => b'-',
        other => other,
    }
}

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The head and body that go to the upstream.
pub(super) fn outgoing(
    request: Request<Body>,
    sending: &Sending<'_>,
) -> Result<Request<Body>, InvalidHeaderValue> {
    let (head, body) = request.into_parts();
    let via = via(head.version);
    let mut headers = head.headers;
    filter(&mut headers, sending);
    complete(&mut headers, sending)?;
    headers.append(VIA, via);
    let mut request = Request::new(body);
    *request.method_mut() = head.method;
    *request.uri_mut() = Uri::from(path(sending));
    *request.headers_mut() = headers;
    Ok(request)
}

/// Removes what the upstream must not take from the client.
fn filter(headers: &mut HeaderMap, sending: &Sending<'_>) {
    remove_nominees(headers);
    remove_where(headers, |name| {
        is_hop_by_hop(name) || is_ours_to_say(name) || sending.reserved.cover(name)
    });
    if sending.forwarding.token == TokenHandling::Drop {
        headers.remove(AUTHORIZATION);
        if let Some(name) = &sending.forwarding.carriers.header {
            headers.remove(name);
        }
    }
}

/// Sets what we know and the client may not say.
fn complete(headers: &mut HeaderMap, sending: &Sending<'_>) -> Result<(), InvalidHeaderValue> {
    let host = HeaderValue::from_str(sending.arrival.target.host().as_str())?;
    headers.insert(HOST, host.clone());
    headers.insert(X_FORWARDED_HOST, host);
    headers.insert(X_FORWARDED_FOR, sending.client.clone());
    headers.insert(X_FORWARDED_PROTO, proto(sending.arrival.origin.scheme));
    headers.insert(
        X_REQUEST_ID,
        HeaderValue::from_str(sending.arrival.id.as_str())?,
    );
    set_identity(headers, &sending.forwarding.identity, sending.permit);
    Ok(())
}

/// The identity fields, from a verified token only. What the token does not say stays absent, never empty.
fn set_identity(headers: &mut HeaderMap, fields: &[IdentityHeader], permit: &Permit) {
    let Some(identity) = permit.identity() else {
        return;
    };
    for field in fields {
        if let Some(value) = identity
            .claim(field.claim)
            .and_then(|claim| claim.header.as_ref())
        {
            headers.insert(&field.name, value.clone());
        }
    }
}

/// Removes the fields that belong to one connection only: those `Connection` names, and those that always do
/// (RFC 9110 §7.6.1), `Proxy-*` among them.
pub(super) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    remove_nominees(headers);
    remove_where(headers, is_hop_by_hop);
}

fn remove_nominees(headers: &mut HeaderMap) {
    if !headers.contains_key(CONNECTION) {
        return;
    }
    let nominees = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let nominees: Vec<String> = nominees
        .flat_map(|list| list.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    for name in nominees {
        headers.remove(name);
    }
}

fn remove_where(headers: &mut HeaderMap, unwanted: impl Fn(&str) -> bool) {
    let found: Vec<HeaderName> = headers
        .keys()
        .filter(|name| unwanted(name.as_str()))
        .cloned()
        .collect();
    for name in found {
        headers.remove(name);
    }
}

fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings"
            | "proxy"
    ) || name.starts_with("proxy-")
}

/// Fields that say where a request came from or was going, framing, and every name with an underscore: to a CGI-like
/// upstream `x_user` and `x-user` are one. Those we set ourselves on every request replace the client's anyway.
fn is_ours_to_say(name: &str) -> bool {
    matches!(
        name,
        "content-length"
            | "expect"
            | "forwarded"
            | "x-real-ip"
            | "x-original-url"
            | "x-rewrite-url"
    ) || is_forwarded_by_somebody_else(name)
        || name.bytes().any(|byte| byte == b'_')
}

fn is_forwarded_by_somebody_else(name: &str) -> bool {
    let ours = [X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO];
    (name.starts_with("x-forwarded") || name.starts_with("x.forwarded"))
        && ours.iter().all(|our| our != name)
}

/// The target, or what is left of it behind the prefix.
fn path(sending: &Sending<'_>) -> PathAndQuery {
    let whole = sending.arrival.target.path_and_query();
    let Some(prefix) = sending.forwarding.strip_prefix.as_deref() else {
        return whole.clone();
    };
    let Some(rest) = whole.as_str().strip_prefix(prefix) else {
        return whole.clone();
    };
    let rest = if rest.starts_with('/') {
        rest.to_owned()
    } else {
        format!("/{rest}")
    };
    rest.parse().unwrap_or_else(|_| whole.clone())
}

const fn proto(scheme: Scheme) -> HeaderValue {
    match scheme {
        Scheme::Http => HeaderValue::from_static("http"),
        Scheme::Https => HeaderValue::from_static("https"),
    }
}

/// RFC 9110 §7.6.3.
fn via(version: Version) -> HeaderValue {
    match version {
        Version::HTTP_2 => HeaderValue::from_static("2.0 tollgate"),
        Version::HTTP_10 => HeaderValue::from_static("1.0 tollgate"),
        _ => HeaderValue::from_static("1.1 tollgate"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn what_connection_names_is_removed_whatever_its_case() {
        let mut fields = headers(&[
            ("connection", "close, X-Secret"),
            ("x-secret", "1"),
            ("x-kept", "2"),
        ]);
        remove_hop_by_hop(&mut fields);
        assert_eq!(fields, headers(&[("x-kept", "2")]));
    }

    #[test]
    fn every_spelling_of_a_reserved_field_is_covered() {
        for field in ["x-user-id", "x_user_id", "x.user.id", "x-user_id"] {
            let reserved = Reserved::new([HeaderName::from_static(field)]);
            for name in ["x-user-id", "x.user.id", "x_user_id", "x.user-id"] {
                assert!(reserved.cover(name), "{name} beside {field}");
            }
            for name in ["x-user-idx", "x-user-i", "x-user-ie", "xxuser-id"] {
                assert!(!reserved.cover(name), "{name} beside {field}");
            }
        }
        assert!(is_ours_to_say("x_user_id"));
    }

    #[test]
    fn a_claim_takes_the_place_of_no_field_that_is_ours() {
        for name in [
            "content-length",
            "content_length",
            "transfer.encoding",
            "x_forwarded_user",
        ] {
            assert!(
                !IdentityHeader::may_be(&HeaderName::from_static(name)),
                "{name}"
            );
        }
        for name in ["x-user", "x_user_id", "remote-user", "x-host", "x-via"] {
            assert!(
                IdentityHeader::may_be(&HeaderName::from_static(name)),
                "{name}"
            );
        }
    }
}
