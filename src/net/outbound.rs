//! The HTTPS client for issuers: short, bounded questions that follow no redirect.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};
use url::{Host, Url};

use super::{BodyError, TrustError, client_config, read_limited};

/// Asks issuers. Cheap to clone; all clones share their connections, which live on the runtime that sends.
#[derive(Clone, Debug)]
pub struct Outbound(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

/// An address we may ask: `https`, or `http` to this very machine where the operator wrote it so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(Url);

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    /// The text is not a URL.
    #[error("not a URL")]
    NotAUrl(#[source] url::ParseError),
    /// The URL is neither `https` nor `http` to a loopback host, or holds a password or a fragment.
    #[error("{0}: only https, or http to a loopback host, without password and fragment")]
    NotSecure(String),
    /// There is no certificate authority to trust.
    #[error("nobody to trust")]
    Trust(#[source] TrustError),
    /// Connecting, the handshake or the exchange failed.
    #[error("no answer from the peer")]
    Exchange(#[source] hyper_util::client::legacy::Error),
    /// The answer broke off, or is too large.
    #[error("no complete answer")]
    Body(#[source] BodyError),
    /// The answer took too long.
    #[error("no answer within {0:?}")]
    Deadline(Duration),
}

impl Outbound {
    /// A client that trusts the authorities of the operating system, or those in the file `ca`.
    pub fn new(ca: Option<&Path>) -> Result<Self, OutboundError> {
        let tls = client_config(ca, &[]).map_err(OutboundError::Trust)?;
        Ok(Self::with(Arc::unwrap_or_clone(tls)))
    }

    /// A client for plain HTTP to this very machine.
    pub fn loopback() -> Result<Self, OutboundError> {
        without_tls().map(Self::with)
    }

    fn with(tls: ClientConfig) -> Self {
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE)
            .pool_max_idle_per_host(POOL_SIZE)
            .build(connector);
        Self(client)
    }

    /// Sends a question and reads the whole answer, of at most 1 MiB, all within `deadline`.
    ///
    /// A redirect is an answer like any other: nothing is followed.
    pub async fn send(
        &self,
        request: Request<Full<Bytes>>,
        deadline: Duration,
    ) -> Result<Response<Bytes>, OutboundError> {
        tokio::time::timeout(deadline, self.exchange(request, deadline))
            .await
            .map_err(|_| OutboundError::Deadline(deadline))?
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
        deadline: Duration,
    ) -> Result<Response<Bytes>, OutboundError> {
        let response = self.0.request(request).await;
        let (head, body) = response.map_err(OutboundError::Exchange)?.into_parts();
        let body = read_limited(body, ANSWER_LIMIT, deadline)
            .await
            .map_err(OutboundError::Body)?;
        Ok(Response::from_parts(head, body))
    }
}

impl Address {
    /// Reads an address that the operator wrote.
    pub fn parse(text: &str) -> Result<Self, OutboundError> {
        let url = Url::parse(text).map_err(OutboundError::NotAUrl)?;
        let scheme_is_fine = match url.scheme() {
            "https" => true,
            "http" => is_loopback(&url),
            _ => false,
        };
        let is_plain =
            url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        if scheme_is_fine && is_plain && url.has_host() {
            Ok(Self(url))
        } else {
            Err(not_secure(&url))
        }
    }

    /// Reads an address that this one's owner gave us. It may be plain `http` only if this one is.
    pub fn named_here(&self, text: &str) -> Result<Self, OutboundError> {
        let named = Self::parse(text)?;
        if named.0.scheme() == "https" || self.0.scheme() == "http" {
            Ok(named)
        } else {
            Err(not_secure(&named.0))
        }
    }

    /// The same host with another path, and no query.
    #[must_use]
    pub fn with_path(&self, path: &str) -> Self {
        let mut url = self.0.clone();
        url.set_path(path);
        url.set_query(None);
        Self(url)
    }

    /// Whether it is plain `http` to this very machine.
    pub fn is_loopback_http(&self) -> bool {
        self.0.scheme() == "http"
    }

    /// The path.
    pub fn path(&self) -> &str {
        self.0.path()
    }

    /// The text form.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

// Without what may be a secret in it.
fn not_secure(url: &Url) -> OutboundError {
    let host = url.host_str().unwrap_or_default();
    OutboundError::NotSecure(format!("{}://{host}", url.scheme()))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Without TLS there is nobody to trust, so that a machine without any authority can still ask itself.
fn without_tls() -> Result<ClientConfig, OutboundError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| OutboundError::Trust(TrustError::Tls(error)))?;
    Ok(builder
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth())
}

/// The largest answer we read.
const ANSWER_LIMIT: usize = 1024 * 1024;
const POOL_IDLE: Duration = Duration::from_secs(30);
const POOL_SIZE: usize = 8;

#[cfg(test)]
mod tests {
    use rustls::pki_types::PrivateKeyDer;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::runtime::Handle;

    use super::*;

    #[test]
    fn only_https_and_loopback_http_are_addresses() {
        for fine in [
            "https://id.example.com/keys?v=1",
            "http://127.0.0.1:8080/",
            "http://[::1]/",
            "http://localhost:1/keys",
        ] {
            assert!(Address::parse(fine).is_ok(), "{fine}");
        }
        for wrong in [
            "http://id.example.com/",
            "http://127.0.0.1.example.com/",
            "https://user:pass@id.example.com/",
            "https://id.example.com/#a",
            "file:///etc/passwd",
            "id.example.com",
        ] {
            assert!(Address::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_https_issuer_cannot_send_us_to_plain_http() {
        let issuer = Address::parse("https://id.example.com/").unwrap();
        assert!(issuer.named_here("http://127.0.0.1/keys").is_err());
        assert!(issuer.named_here("https://keys.example.com/").is_ok());
        let local = Address::parse("http://127.0.0.1:1/").unwrap();
        assert!(local.named_here("http://127.0.0.1:2/keys").is_ok());
    }

    /// A TLS server that certifies itself and says these bytes to whoever asks, once; with them its certificate.
    async fn server(says: Vec<u8>) -> (String, tempfile::NamedTempFile) {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), made.cert.pem()).unwrap();
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!(
            "https://localhost:{}/",
            listener.local_addr().unwrap().port()
        );
        Handle::current().spawn(async move {
            let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = acceptor.accept(stream).await.unwrap();
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(&says).await;
            // Stays until the peer goes.
            let _ = stream.read(&mut request).await;
        });
        (url, file)
    }

    async fn ask(outbound: &Outbound, url: &str) -> Result<Response<Bytes>, OutboundError> {
        let request = Request::get(url).body(Full::default()).unwrap();
        outbound.send(request, Duration::from_millis(500)).await
    }

    #[tokio::test]
    async fn an_issuer_is_believed_by_its_authority_alone() {
        let says = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_vec();
        let (url, ca) = server(says.clone()).await;
        let outbound = Outbound::new(Some(ca.path())).unwrap();
        assert_eq!(ask(&outbound, &url).await.unwrap().body(), "ok");
        let (other, _) = server(says).await;
        let refused = ask(&outbound, &other).await;
        assert!(matches!(refused, Err(OutboundError::Exchange(_))));
    }

    #[tokio::test]
    async fn is_05_an_answer_that_is_late_or_large_is_none() {
        let late = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\no".to_vec();
        let (url, ca) = server(late).await;
        let answer = ask(&Outbound::new(Some(ca.path())).unwrap(), &url).await;
        assert!(matches!(
            answer,
            Err(OutboundError::Deadline(_) | OutboundError::Body(_))
        ));
        let large = b"HTTP/1.1 200 OK\r\ncontent-length: 50000000\r\n\r\n".to_vec();
        let (url, ca) = server(large).await;
        let answer = ask(&Outbound::new(Some(ca.path())).unwrap(), &url).await;
        assert!(matches!(
            answer,
            Err(OutboundError::Body(BodyError::TooLarge))
        ));
    }
}
