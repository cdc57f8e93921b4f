//! Which hosts a route is for.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::net::Host;

/// One host, or every host below a domain.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub enum HostPattern {
    /// Exactly this host.
    Exact(Host),
    /// Any host below this domain, written `*.example.com`; the domain itself is not below itself.
    Below(Host),
}

impl HostPattern {
    /// Reads `api.example.com` or `*.example.com`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (name, below) = match text.strip_prefix("*.") {
            Some(domain) => (domain, true),
            None => (text, false),
        };
        let host = Host::parse(name).map_err(|_| format!("`{text}` is not a host name"))?;
        if host.as_str().len() != name.len() {
            return Err(format!(
                "`{text}` has a port or a trailing dot; write only the name"
            ));
        }
        Ok(if below {
            Self::Below(host)
        } else {
            Self::Exact(host)
        })
    }

    /// How much this says: an exact host says more than a domain, a longer domain more than a shorter one.
    pub fn weight(&self) -> usize {
        match self {
            Self::Exact(_) => usize::MAX,
            Self::Below(domain) => domain.as_str().len(),
        }
    }

    /// Whether this host is meant.
    pub fn accepts(&self, host: &Host) -> bool {
        match self {
            Self::Exact(exact) => exact == host,
            Self::Below(domain) => is_below(host.as_str(), domain.as_str()),
        }
    }
}

fn is_below(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain)
        .is_some_and(|front| front.len() > 1 && front.ends_with('.'))
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(host) => write!(f, "{host}"),
            Self::Below(domain) => write!(f, "*.{domain}"),
        }
    }
}

impl TryFrom<String> for HostPattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<HostPattern> for String {
    fn from(pattern: HostPattern) -> Self {
        pattern.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_hosts_below_a_domain_and_not_for_the_domain() {
        let pattern = HostPattern::parse("*.example.com").unwrap();
        assert!(pattern.accepts(&Host::parse("a.example.com").unwrap()));
        assert!(pattern.accepts(&Host::parse("a.b.example.com").unwrap()));
        assert!(!pattern.accepts(&Host::parse("example.com").unwrap()));
        assert!(!pattern.accepts(&Host::parse("badexample.com").unwrap()));
    }
}
