//! Where people may be sent back to (RFC 8252 §7, RFC 9700 §4.1.3).

use url::{Host, Url};

/// Whether people may be sent there: to a site over TLS, to the own machine, or to an app. If not, why.
pub(super) fn check(uri: &str) -> Result<(), &'static str> {
    let is = |fits: bool, otherwise| fits.then_some(()).ok_or(otherwise);
    let is_plain = uri.len() <= LONGEST && uri.bytes().all(|byte| byte.is_ascii_graphic());
    is(
        is_plain && !uri.contains('\\'),
        "a redirect URI is too long or holds other signs",
    )?;
    is(!uri.contains('#'), "a redirect URI has a fragment")?;
    let url = Url::parse(uri).map_err(|_| "a redirect URI is not absolute")?;
    is(
        url.username().is_empty() && url.password().is_none(),
        "a redirect URI names a person",
    )?;
    match url.scheme() {
        "https" => Ok(()),
        "http" => is(is_near(&url), "a redirect URI is without TLS"),
        scheme => is(
            !FORBIDDEN.contains(&scheme),
            "a redirect URI is of a scheme that is not taken",
        ),
    }
}

/// Whether another program on the person's machine could be listening there: on a port of the machine itself, or for a
/// scheme that anybody can claim (RFC 8252 §8.6).
pub(super) fn is_anybodys(uri: &str) -> bool {
    Url::parse(uri).map_or(true, |url| url.scheme() != "https" || is_near(&url))
}

fn is_near(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// What would run in the page, or reads what is the person's own.
const FORBIDDEN: [&str; 10] = [
    "javascript",
    "data",
    "vbscript",
    "blob",
    "file",
    "filesystem",
    "about",
    "ftp",
    "ws",
    "wss",
];
/// In bytes.
const LONGEST: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;

    /// S12: no answer goes over the network in plain text.
    #[test]
    fn people_are_sent_to_safe_places_only() {
        for uri in [
            "https://desk.test/cb?x=1",
            "http://localhost:8400/cb",
            "http://127.0.0.1/cb",
            "http://[::1]:9/cb",
            "desk://cb",
            "com.example.desk:/cb",
        ] {
            assert_eq!(check(uri), Ok(()), "{uri}");
        }
        for uri in [
            "",
            "desk.test/cb",
            "/cb",
            "http://desk.test/cb",
            "http://localhost.evil.test/",
            "https://ada@desk.test/",
            "https://desk.test/#x",
            "https://desk.test/a b",
            "https://desk.test\\@evil.test/",
            "javascript:alert(1)",
            "JavaScript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "https://desk.test/\u{e4}",
        ] {
            assert!(check(uri).is_err(), "{uri}");
        }
    }

    #[test]
    fn a_site_over_tls_is_its_owners_and_every_other_place_anybodys() {
        assert!(!is_anybodys("https://desk.test/cb"));
        for uri in [
            "http://127.0.0.1:8400/cb",
            "http://[::1]/cb",
            "http://localhost/cb",
            "https://localhost/cb",
            "desk://cb",
            "com.example.desk:/cb",
        ] {
            assert!(is_anybodys(uri), "{uri}");
        }
    }
}
