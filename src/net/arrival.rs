//! Everything known about a request before it is judged.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method};

use super::{Target, Tasks};
use crate::observe::RequestId;
use crate::settings::Network;
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
    /// The worker's tasks: what outlives a request of this connection belongs to them, and hears from them of the end.
    pub tasks: Tasks,
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
    /// Where it came from.
    pub origin: Origin,
    /// What it wants done.
    pub method: Method,
    /// Where it is going.
    pub target: Target,
}

/// Where a request came from, before any proxy in front of us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The client's address.
    pub client: IpAddr,
    /// How the client came.
    pub scheme: Scheme,
    /// The client and the proxies between it and us, the peer last, as `X-Forwarded-For` lists them; nothing where the
    /// peer is the client.
    pub path: Option<HeaderValue>,
}

/// The proxies in front of a listener.
#[derive(Clone, Debug, Default)]
pub struct Proxies(Arc<[Network]>);

impl Proxies {
    /// These, and no other.
    pub fn new(networks: &[Network]) -> Self {
        Self(networks.into())
    }

    /// Where a request came from.
    ///
    /// What a stranger says about that is not looked at. A proxy of ours is believed about whom it had before it, and
    /// so on from right to left, until an address is no proxy of ours, or no address: what stands left of it could have
    /// been written by anybody.
    pub fn origin(&self, peer: &Peer, headers: &HeaderMap) -> Origin {
        let address = peer.address.ip().to_canonical();
        if self.0.is_empty() || !self.contain(address) {
            return Origin {
                client: address,
                scheme: peer.scheme,
                path: None,
            };
        }
        let mut path = vec![address];
        for said in headers.get_all("x-forwarded-for").iter().rev() {
            for text in said.to_str().unwrap_or_default().rsplit(',') {
                let Ok(before) = text.trim().parse::<IpAddr>() else {
                    return behind(&path, peer, headers);
                };
                path.push(before.to_canonical());
                if !self.contain(before.to_canonical()) {
                    return behind(&path, peer, headers);
                }
            }
        }
        behind(&path, peer, headers)
    }

    fn contain(&self, address: IpAddr) -> bool {
        self.0
            .iter()
            .any(|network| network.net().contains(&address))
    }
}

/// The origin at the end of a path that begins with the peer.
fn behind(path: &[IpAddr], peer: &Peer, headers: &HeaderMap) -> Origin {
    let mut said = headers.get_all("x-forwarded-proto").iter();
    let scheme = match (said.next().map(HeaderValue::as_bytes), said.next()) {
        (Some(b"https"), None) => Scheme::Https,
        (Some(b"http"), None) => Scheme::Http,
        _ => peer.scheme,
    };
    let texts: Vec<String> = path.iter().rev().map(IpAddr::to_string).collect();
    Origin {
        client: path.last().copied().unwrap_or(peer.address.ip()),
        scheme,
        path: HeaderValue::try_from(texts.join(", ")).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(peer: &str, said: &[&str]) -> (String, Option<String>) {
        let proxies = ["10.0.0.0/8", "fd00::/8"].map(|text| Network::parse(text).unwrap());
        let peer = Peer {
            address: SocketAddr::new(peer.parse().unwrap(), 4711),
            listener: Arc::from("public"),
            scheme: Scheme::Http,
            server_name: None,
            worker: 0,
            tasks: Tasks::default(),
        };
        let mut headers = HeaderMap::new();
        for text in said {
            headers.append("x-forwarded-for", HeaderValue::from_str(text).unwrap());
        }
        let origin = Proxies::new(&proxies).origin(&peer, &headers);
        let path = origin.path.map(|path| path.to_str().unwrap().to_owned());
        (origin.client.to_string(), path)
    }

    #[test]
    fn a_stranger_is_not_believed() {
        let (client, path) = origin("203.0.113.9", &["1.2.3.4"]);
        assert_eq!((client.as_str(), path), ("203.0.113.9", None));
    }

    #[test]
    fn a_proxy_is_believed_from_right_to_left_until_somebody_else_speaks() {
        for (said, client, path) in [
            (&["6.6.6.6, 1.2.3.4"][..], "1.2.3.4", "1.2.3.4, 10.0.0.1"),
            (
                &["6.6.6.6", "1.2.3.4, 10.0.0.2"],
                "1.2.3.4",
                "1.2.3.4, 10.0.0.2, 10.0.0.1",
            ),
            (
                &["6.6.6.6, rubbish, 10.0.0.2"],
                "10.0.0.2",
                "10.0.0.2, 10.0.0.1",
            ),
            (&["::ffff:1.2.3.4"], "1.2.3.4", "1.2.3.4, 10.0.0.1"),
            (&[], "10.0.0.1", "10.0.0.1"),
        ] {
            let found = origin("10.0.0.1", said);
            assert_eq!(
                found,
                (client.to_owned(), Some(path.to_owned())),
                "{said:?}"
            );
        }
    }
}
