//! Who is at the other end of a connection, as the gate sees them.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;

use crate::net::{Peer, Proxies};
use crate::verify::Memo;

/// One connection: who is there, and the token they showed last.
#[derive(Debug)]
pub struct Caller {
    pub(super) peer: Arc<Peer>,
    pub(super) address: HeaderValue,
    pub(super) memo: Memo,
    pub(super) body_idle: Duration,
    pub(super) proxies: Proxies,
}

impl Caller {
    /// A caller on a new connection, who may send nothing for this long in the middle of a body, and may be one of
    /// these proxies.
    pub fn new(peer: Arc<Peer>, body_idle: Duration, proxies: Proxies) -> Self {
        let address = written(peer.address.ip());
        Self {
            peer,
            address,
            memo: Memo::default(),
            body_idle,
            proxies,
        }
    }
}

/// An address as `X-Forwarded-For` has it; an IPv4 address that came over IPv6 is an IPv4 address.
fn written(address: IpAddr) -> HeaderValue {
    let text = address.to_canonical().to_string();
    // The text of an address is digits, letters, dots and colons: always a header value.
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("unknown"))
}
