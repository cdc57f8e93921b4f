//! What an operator says about one listener.

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::TlsSettings;
use crate::settings::{ByteSize, Lifetime, Network, mode_or_table, mode_or_table_schema};

/// `[listener.NAME]`: an address on which clients are served.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListenerSettings {
    /// Address and port. `[::]:443` takes IPv4 as well.
    #[schemars(extend("format" = "socket-address"))]
    pub address: SocketAddr,
    /// `"off"` for plain HTTP, `"dev"` for a certificate of an authority made on first use, or a table with files.
    #[serde(default, deserialize_with = "mode_or_table")]
    #[schemars(schema_with = "mode_or_table_schema::<TlsSettings>")]
    pub tls: TlsSettings,
    /// What may be spoken, best first. HTTP/2 needs TLS.
    #[serde(default = "protocols")]
    pub protocols: Vec<Protocol>,
    /// How many connections may be open; more wait to be accepted.
    #[serde(default = "max_connections")]
    pub max_connections: u32,
    /// The largest head of a request; a larger one is answered with 431.
    #[serde(default = "header_limit")]
    pub header_limit: ByteSize,
    /// How long to wait for a peer.
    #[serde(default)]
    pub timeouts: TimeoutSettings,
    /// The proxies in front, whose `X-Forwarded-*` fields are believed.
    #[serde(default)]
    pub trusted_proxies: Vec<Network>,
}

/// How long to wait for a peer before its connection is closed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TimeoutSettings {
    /// For the TLS handshake.
    pub handshake: Lifetime,
    /// For the head of a request, from its first byte; on a new connection from the start.
    pub head: Lifetime,
    /// Without a byte of a request's body.
    pub body_idle: Lifetime,
    /// Without taking a byte of an answer that waits for it.
    pub write_idle: Lifetime,
    /// Between two requests.
    pub idle: Lifetime,
}

/// A version of HTTP, by its name in TLS (RFC 7301).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum Protocol {
    /// HTTP/2 (RFC 9113).
    #[serde(rename = "h2")]
    Http2,
    /// HTTP/1.1 (RFC 9112).
    #[serde(rename = "http/1.1")]
    Http1,
}

impl ListenerSettings {
    /// A listener with the defaults of everything but its address.
    pub fn at(address: SocketAddr) -> Self {
        Self {
            address,
            tls: TlsSettings::default(),
            protocols: protocols(),
            max_connections: max_connections(),
            header_limit: header_limit(),
            timeouts: TimeoutSettings::default(),
            trusted_proxies: Vec::new(),
        }
    }
}

impl Default for TimeoutSettings {
    fn default() -> Self {
        Self {
            handshake: Lifetime::seconds(5),
            head: Lifetime::seconds(10),
            body_idle: Lifetime::seconds(30),
            write_idle: Lifetime::seconds(60),
            idle: Lifetime::seconds(75),
        }
    }
}

impl Protocol {
    /// Its name in the TLS handshake.
    pub(super) const fn alpn(self) -> &'static [u8] {
        match self {
            Self::Http2 => b"h2",
            Self::Http1 => b"http/1.1",
        }
    }
}

fn protocols() -> Vec<Protocol> {
    vec![Protocol::Http2, Protocol::Http1]
}

const fn max_connections() -> u32 {
    20_000
}

const fn header_limit() -> ByteSize {
    ByteSize::kib(32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listen::TlsMode;

    #[test]
    fn one_word_secures_a_listener() {
        let settings: ListenerSettings =
            toml::from_str("address = \"127.0.0.1:8443\"\ntls = \"dev\"").unwrap();
        assert_eq!(settings.tls.mode, TlsMode::Dev);
        assert_eq!(settings.tls.mend(), None);
        assert_eq!(settings.protocols, [Protocol::Http2, Protocol::Http1]);
    }

    #[test]
    fn keys_of_another_mode_are_told_where_they_belong() {
        let settings: ListenerSettings = toml::from_str(
            "address = \"127.0.0.1:8443\"\ntls = { mode = \"dev\", cert = \"a.pem\" }",
        )
        .unwrap();
        assert_eq!(
            settings.tls.mend(),
            Some("`cert` and `key` belong to `mode = \"files\"`")
        );
    }
}
