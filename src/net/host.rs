//! The host a request is for, in one spelling.

use std::fmt;

use http::HeaderMap;
use http::header::HOST;
use http::uri::{Authority, Uri};

/// A host name or address in canonical form: lower case, without a trailing dot, without a port.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Host(Box<str>);

/// Why a request names no usable host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostError {
    /// None at all (RFC 9112 §3.2).
    Missing,
    /// More than one.
    Repeated,
    /// Not a host name or address.
    Malformed,
    /// The target and the `Host` field name different hosts.
    Contradicting,
}

impl HostError {
    /// The sentence for the client.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Missing => "the request names no host",
            Self::Repeated => "the request names its host more than once",
            Self::Malformed => "the host is not a valid name or address",
            Self::Contradicting => "the request target and the Host field name different hosts",
        }
    }
}

impl Host {
    /// Reads a host name or address, with or without a port.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        let authority: Authority = text.parse().map_err(|_| HostError::Malformed)?;
        Self::of(&authority)
    }

    /// The host a request is for: its `:authority` or absolute target if it has one, which `Host` must not contradict,
    /// else its one `Host` field (RFC 9112 §3.2, RFC 9113 §8.3.1).
    pub fn of_request(uri: &Uri, headers: &HeaderMap) -> Result<Self, HostError> {
        let mut fields = headers.get_all(HOST).iter();
        let field = fields.next();
        if fields.next().is_some() {
            return Err(HostError::Repeated);
        }
        let named = match field {
            Some(value) => Some(Self::parse(
                value.to_str().map_err(|_| HostError::Malformed)?,
            )?),
            None => None,
        };
        match (uri.authority(), named) {
            (Some(authority), None) => Self::of(authority),
            (None, Some(host)) => Ok(host),
            (Some(authority), Some(host)) if Self::of(authority)? == host => Ok(host),
            (Some(_), Some(_)) => Err(HostError::Contradicting),
            (None, None) => Err(HostError::Missing),
        }
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The canonical text, to keep.
    pub fn into_text(self) -> Box<str> {
        self.0
    }

    fn of(authority: &Authority) -> Result<Self, HostError> {
        if authority.as_str().contains('@') {
            return Err(HostError::Malformed);
        }
        let host = authority.host();
        let host = host.strip_suffix('.').unwrap_or(host);
        let is_address = host.starts_with('[');
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        if host.is_empty() || !(is_address || host.bytes().all(fits)) {
            return Err(HostError::Malformed);
        }
        Ok(Self(host.to_ascii_lowercase().into_boxed_str()))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Host({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(uri: &str, fields: &[&'static str]) -> Result<String, HostError> {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(HOST, http::HeaderValue::from_static(field));
        }
        Host::of_request(&uri.parse().unwrap(), &headers).map(|host| host.to_string())
    }

    #[test]
    fn a_host_has_one_spelling() {
        assert_eq!(
            host("/", &["Api.Example.COM.:8443"]).unwrap(),
            "api.example.com"
        );
        assert_eq!(host("/", &["[::1]:80"]).unwrap(), "[::1]");
    }

    #[test]
    fn a_request_names_exactly_one_host() {
        assert_eq!(host("/", &[]), Err(HostError::Missing));
        assert_eq!(host("/", &["a", "a"]), Err(HostError::Repeated));
        assert_eq!(host("/", &[""]), Err(HostError::Malformed));
        assert_eq!(host("/", &["a@b"]), Err(HostError::Malformed));
        assert_eq!(
            host("http://b.test/x", &["a.test"]),
            Err(HostError::Contradicting)
        );
        assert_eq!(host("http://b.test/x", &["B.test:80"]).unwrap(), "b.test");
    }
}
