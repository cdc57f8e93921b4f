//! Pages and redirects as responses, with the headers that keep a browser from doing anything else with them.

use askama::Template;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, LOCATION, REFERRER_POLICY,
    SET_COOKIE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderValue, Response, StatusCode};
use url::Url;

use super::Look;
use crate::net::Body;

/// What became of a request to the pages: the response, and the word for the log.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) response: Response<Body>,
    pub(super) outcome: &'static str,
}

impl Reply {
    /// A page. `beyond` is where its forms may lead in the end, besides back here.
    pub(super) fn page(
        page: &impl Template,
        status: StatusCode,
        look: &Look,
        beyond: Option<&str>,
    ) -> Self {
        let (status, text) = match page.render() {
            Ok(text) => (status, text),
            // Nothing a template does can fail.
            Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, String::new()),
        };
        let mut response = Response::new(Body::from(text));
        *response.status_mut() = status;
        let html = HeaderValue::from_static("text/html; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, html);
        let policy = policy(look, beyond.and_then(source_of).as_deref());
        Self::guarded(response, "page").header(CONTENT_SECURITY_POLICY, &policy)
    }

    /// A redirect. Never 307, which would send a password along (RFC 9700 §4.12).
    pub(super) fn redirect(to: &str, outcome: &'static str) -> Self {
        let mut response = Response::new(Body::Empty);
        *response.status_mut() = StatusCode::SEE_OTHER;
        let nothing = "default-src 'none'; frame-ancestors 'none'";
        Self::guarded(response, outcome)
            .header(CONTENT_SECURITY_POLICY, nothing)
            .header(LOCATION, to)
    }

    /// The same, telling the browser to keep this cookie.
    pub(super) fn keeping(self, cookie: &str) -> Self {
        self.header(SET_COOKIE, cookie)
    }

    /// The same with another word for the log.
    pub(super) fn called(self, outcome: &'static str) -> Self {
        Self { outcome, ..self }
    }

    /// The same with one more header. A value that cannot stand in one is left out.
    pub(super) fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.response.headers_mut().append(name, value);
        }
        self
    }

    /// RFC 9700 §4.2.4, §4.16: kept by no cache, shown in no frame, named to nobody.
    fn guarded(mut response: Response<Body>, outcome: &'static str) -> Self {
        let headers = response.headers_mut();
        for (name, value) in [
            (CACHE_CONTROL, "no-store"),
            (REFERRER_POLICY, "no-referrer"),
            (X_FRAME_OPTIONS, "DENY"),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        Self { response, outcome }
    }
}

/// Nothing but our own style, our own picture, and forms that lead back here. Chromium holds the redirect after a form
/// against `form-action` too (CSP 3 §6.4.1), so the program's own address is allowed as well.
fn policy(look: &Look, beyond: Option<&str>) -> String {
    let beyond = beyond
        .map(|source| format!(" {source}"))
        .unwrap_or_default();
    format!(
        "default-src 'none'; style-src {}; img-src data:; form-action 'self'{beyond}; base-uri 'none'; \
         frame-ancestors 'none'",
        look.style_hash
    )
}

/// The source expression (CSP 3 §2.3.1) that an address lies in: its origin, or its scheme where that is all there is.
fn source_of(address: &str) -> Option<String> {
    let url = Url::parse(address).ok()?;
    let origin = url.origin();
    // The grammar has no room for an IPv6 address.
    let is_named = origin.is_tuple() && !matches!(url.host(), Some(url::Host::Ipv6(_)));
    Some(if is_named {
        origin.ascii_serialization()
    } else {
        format!("{}:", url.scheme())
    })
}

/// How an address is called on a page: by its host, where it has one.
pub(super) fn place_of(address: &str) -> String {
    let url = Url::parse(address).ok();
    let host = url
        .as_ref()
        .and_then(|url| Some((url.host_str()?, url.port())));
    match (host, &url) {
        (Some((host, Some(port))), _) => format!("{host}:{port}"),
        (Some((host, None)), _) if !host.is_empty() => host.to_owned(),
        (_, Some(url)) => format!("the app {}", url.scheme()),
        (_, None) => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_may_lead_to_the_address_of_the_program_and_nowhere_else() {
        for (address, source) in [
            ("https://c.test/cb?x", "https://c.test"),
            ("https://c.test:8443/cb", "https://c.test:8443"),
            ("http://127.0.0.1:49152/", "http://127.0.0.1:49152"),
            ("http://[::1]:49152/", "http:"),
            ("com.example.app:/cb", "com.example.app:"),
            ("app://host/cb", "app:"),
        ] {
            assert_eq!(source_of(address).as_deref(), Some(source), "{address}");
        }
        assert_eq!(source_of("no address; script-src *"), None);
    }

    #[test]
    fn a_place_is_called_by_its_host() {
        assert_eq!(place_of("https://c.test/cb"), "c.test");
        assert_eq!(place_of("http://127.0.0.1:8080/cb"), "127.0.0.1:8080");
        assert_eq!(place_of("com.example.app:/cb"), "the app com.example.app");
    }
}
