//! The pages of the admin listener. None has an effect, so only reading is allowed.

use std::future::Future;
use std::num::NonZeroUsize;
use std::sync::Arc;

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderName, ORIGIN};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use serde_json::json;

use super::{AdminSettings, Health};
use crate::listen::{Bound, ListenError, ListenerSettings, Listening, bind_plain};
use crate::net::Body;

/// Takes the address of the admin listener. Whoever asks waits until it is started.
pub fn bind(settings: &AdminSettings) -> Result<Bound, ListenError> {
    let listener = ListenerSettings {
        max_connections: CONNECTIONS,
        ..ListenerSettings::at(settings.address)
    };
    bind_plain("admin", &listener)
}

/// Starts the admin listener on a thread of its own. `health` is asked whenever a probe is, `metrics` whenever a
/// scraper is: neither may block.
pub fn start<H, F, M>(bound: Bound, health: H, metrics: M) -> Result<Listening, ListenError>
where
    H: Fn() -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Health> + Send + 'static,
    M: Fn() -> String + Clone + Send + Sync + 'static,
{
    let pages = Arc::new(Pages { health, metrics });
    Listening::start(vec![bound], NonZeroUsize::MIN, move |_| {
        let pages = Arc::clone(&pages);
        move |request| {
            let pages = Arc::clone(&pages);
            async move { pages.answer(&request).await }
        }
    })
}

/// More than any number of probes and scrapers needs.
const CONNECTIONS: u32 = 64;

struct Pages<H, M> {
    health: H,
    metrics: M,
}

impl<H, F, M> Pages<H, M>
where
    H: Fn() -> F,
    F: Future<Output = Health>,
    M: Fn() -> String,
{
    async fn answer(&self, request: &Request<Incoming>) -> Response<Body> {
        let path = request.uri().path();
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        if !is_read && is_foreign(request) {
            return page(StatusCode::FORBIDDEN, TEXT, "not from another site\n");
        }
        if !PATHS.contains(&path) {
            return page(StatusCode::NOT_FOUND, TEXT, "not found\n");
        }
        if !is_read {
            let mut refusal = page(StatusCode::METHOD_NOT_ALLOWED, TEXT, "read only\n");
            let headers = refusal.headers_mut();
            headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refusal;
        }
        match path {
            "/readyz" => ready(&(self.health)().await, is_verbose(request)),
            "/startupz" => started((self.health)().await.started),
            "/metrics" => page(StatusCode::OK, METRICS, (self.metrics)()),
            _ => page(StatusCode::OK, TEXT, "alive\n"),
        }
    }
}

const PATHS: [&str; 4] = ["/livez", "/readyz", "/startupz", "/metrics"];

/// Whether a page of another site made a browser send this. Whoever is no browser says nothing of where it comes from.
fn is_foreign<B>(request: &Request<B>) -> bool {
    let headers = request.headers();
    let site = headers.get(HeaderName::from_static("sec-fetch-site"));
    let is_from_afar = site.is_some_and(|site| site == "cross-site");
    let authority = request
        .uri()
        .authority()
        .map(|host| host.as_str().as_bytes());
    let host = headers.get(HOST).map(HeaderValue::as_bytes);
    let here = authority.or(host).unwrap_or_default();
    let is_here = |origin: &HeaderValue| origin.as_bytes().strip_prefix(b"http://") == Some(here);
    is_from_afar || headers.get(ORIGIN).is_some_and(|origin| !is_here(origin))
}

/// `?verbose` tells of every check, as JSON.
fn is_verbose(request: &Request<Incoming>) -> bool {
    let query = request.uri().query().unwrap_or_default();
    query
        .split('&')
        .any(|word| word == "verbose" || word.starts_with("verbose="))
}

fn ready(health: &Health, verbose: bool) -> Response<Body> {
    let is_ready = health.is_ready();
    let status = if is_ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    if verbose {
        let told = json!({ "ready": is_ready, "checks": health.checks });
        return page(status, JSON, told.to_string());
    }
    let problems = health
        .checks
        .iter()
        .filter_map(|check| Some(format!("{}: {}\n", check.name, check.problem.as_ref()?)));
    let first = if is_ready { "ready\n" } else { "not ready\n" }.to_owned();
    page(
        status,
        TEXT,
        std::iter::once(first).chain(problems).collect::<String>(),
    )
}

fn started(is_started: bool) -> Response<Body> {
    if is_started {
        page(StatusCode::OK, TEXT, "started\n")
    } else {
        page(StatusCode::SERVICE_UNAVAILABLE, TEXT, "starting\n")
    }
}

fn page(status: StatusCode, kind: &'static str, body: impl Into<Body>) -> Response<Body> {
    let mut page = Response::new(body.into());
    *page.status_mut() = status;
    let headers = page.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    page
}

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;
    use crate::admin::Check;

    fn started_with(checks: Vec<Check>) -> Listening {
        let settings = AdminSettings {
            address: ([127, 0, 0, 1], 0).into(),
        };
        let health = move || {
            let checks = checks.clone();
            async move {
                Health {
                    started: true,
                    checks,
                }
            }
        };
        start(bind(&settings).unwrap(), health, || "# EOF\n".to_owned()).unwrap()
    }

    async fn ask(listening: &Listening, line: &str) -> String {
        let (_, address) = listening.addresses().next().unwrap();
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("{line} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn a_process_whose_store_is_down_is_alive_but_not_ready() {
        let admin = started_with(vec![
            Check::new("configuration", Ok(())),
            Check::new("store", Err("the disk is full".to_owned())),
        ]);
        assert!(ask(&admin, "GET /livez").await.starts_with("HTTP/1.1 200 "));
        assert!(
            ask(&admin, "GET /startupz")
                .await
                .starts_with("HTTP/1.1 200 ")
        );
        let told = ask(&admin, "GET /readyz").await;
        assert!(told.starts_with("HTTP/1.1 503 "), "{told}");
        assert!(
            told.ends_with("not ready\nstore: the disk is full\n"),
            "{told}"
        );
        let told = ask(&admin, "GET /readyz?verbose").await;
        assert!(told.contains(r#"{"name":"configuration"}"#), "{told}");
    }

    #[tokio::test]
    async fn a_process_that_lacks_nothing_is_ready() {
        let admin = started_with(vec![Check::new("store", Ok(()))]);
        assert!(ask(&admin, "GET /readyz").await.ends_with("ready\n"));
        assert!(ask(&admin, "GET /metrics").await.ends_with("# EOF\n"));
    }

    #[tokio::test]
    async fn the_admin_listener_can_only_be_read() {
        let admin = started_with(Vec::new());
        let told = ask(&admin, "POST /readyz").await;
        assert!(told.starts_with("HTTP/1.1 405 "), "{told}");
        assert!(told.contains("allow: GET, HEAD"), "{told}");
        assert!(
            ask(&admin, "GET /status")
                .await
                .starts_with("HTTP/1.1 404 ")
        );
    }

    #[test]
    fn a_form_of_another_site_is_foreign_and_what_is_no_browser_is_not() {
        for (host, said, foreign) in [
            ("a:9", &[][..], false),
            ("a:9", &[("origin", "http://a:9")], false),
            ("a:9", &[("sec-fetch-site", "same-origin")], false),
            ("a:9", &[("sec-fetch-site", "cross-site")], true),
            ("a:9", &[("origin", "https://a:9")], true),
            ("a:9", &[("origin", "http://a")], true),
            ("a:9", &[("origin", "http://evil.test")], true),
            ("a:9", &[("origin", "null")], true),
            ("", &[("origin", "null")], true),
        ] {
            let mut request = Request::post("/livez").header("host", host);
            for (name, value) in said {
                request = request.header(*name, *value);
            }
            let request = request.body(()).unwrap();
            assert_eq!(is_foreign(&request), foreign, "{said:?}");
        }
    }
}
