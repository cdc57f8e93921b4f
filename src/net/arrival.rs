//! Everything known about a request before it is judged.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http::Method;

use super::Target;
use crate::observe::RequestId;
use crate::token::Timestamp;

/// Who is at the other end of a connection, and how they came.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The address they come from.
    pub address: SocketAddr,
    /// The name of the listener that accepted them.
    pub listener: Arc<str>,
    /// Whether the connection is encrypted.
    pub scheme: Scheme,
    /// The name they asked for in the TLS handshake (RFC 6066 §3).
    pub server_name: Option<Arc<str>>,
    /// Which worker serves the connection: its share of every pool.
    pub worker: usize,
}

/// Whether a connection is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain text.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// The scheme of a URL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// A request as it arrived: what is known of it before anything is decided.
#[derive(Debug)]
pub struct Arrival {
    /// Its name in logs, answers and upstream requests.
    pub id: RequestId,
    /// The one time this request sees.
    pub now: Timestamp,
    /// The address of the client: the peer's.
    pub client: IpAddr,
    /// What it wants done.
    pub method: Method,
    /// Where it is going.
    pub target: Target,
}
