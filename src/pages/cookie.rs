//! The one cookie of the pages: where it may go, and what it is called.

use http::HeaderMap;
use http::header::COOKIE;

/// The cookie of one mount.
#[derive(Clone, Debug)]
pub(super) struct Cookie {
    name: String,
    is_secure: bool,
}

impl Cookie {
    /// For a mount that people reach at `url`. The prefix keeps every other host and every unencrypted page from setting
    /// it (RFC 6265bis §4.1.3.2); plain HTTP, which there is on the own machine only, cannot have it.
    pub(super) fn new(mount: &str, url: &str) -> Self {
        let is_secure = url.starts_with("https://");
        let prefix = if is_secure { "__Host-" } else { "" };
        Self {
            name: format!("{prefix}tollgate-{mount}"),
            is_secure,
        }
    }

    /// What the browser brings back. Two of one name are none: one of them is somebody else's.
    pub(super) fn find<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let fields = headers.get_all(COOKIE).iter();
        let pairs = fields
            .filter_map(|field| field.to_str().ok())
            .flat_map(|field| field.split(';'))
            .filter_map(|pair| pair.trim().split_once('='));
        let mut values = pairs.filter(|(name, _)| *name == self.name);
        match (values.next(), values.next()) {
            (Some((_, value)), None) => Some(value),
            _ => None,
        }
    }

    /// What tells the browser to keep `value` until it is closed.
    pub(super) fn keep(&self, value: &str) -> String {
        let secure = if self.is_secure { "; Secure" } else { "" };
        format!(
            "{}={value}; Path=/{secure}; HttpOnly; SameSite=Lax",
            self.name
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_bound_to_its_host_where_the_connection_is_encrypted() {
        let secure = Cookie::new("oauth", "https://id.test/oauth").keep("v");
        assert_eq!(
            secure,
            "__Host-tollgate-oauth=v; Path=/; Secure; HttpOnly; SameSite=Lax"
        );
        let plain = Cookie::new("oauth", "http://localhost:8080/oauth").keep("v");
        assert_eq!(plain, "tollgate-oauth=v; Path=/; HttpOnly; SameSite=Lax");
    }

    #[test]
    fn a_cookie_is_found_among_others_and_two_of_one_name_are_none() {
        let cookie = Cookie::new("oauth", "http://localhost/");
        let found = |fields: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for field in fields {
                headers.append(COOKIE, http::HeaderValue::from_static(field));
            }
            cookie.find(&headers).map(str::to_owned)
        };
        assert_eq!(
            found(&["a=1; tollgate-oauth=x=y;b=2"]).as_deref(),
            Some("x=y")
        );
        assert_eq!(found(&["a=1", "tollgate-oauth=v"]).as_deref(), Some("v"));
        assert_eq!(found(&["tollgate-oauth=v; tollgate-oauth=w"]), None);
        assert_eq!(found(&["tollgate-oauths=v"]), None);
    }
}
