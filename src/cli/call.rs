//! One HTTPS request of the tour, and the `curl` line that repeats it.

use std::fmt;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::net::Tasks;
use crate::token::Secret;

/// A client of one listener of the gateway, which trusts the gateway's own authority and nobody else.
#[derive(Debug)]
pub(super) struct Caller {
    address: SocketAddr,
    authority: PathBuf,
    tls: Arc<ClientConfig>,
    tasks: Tasks,
}

/// One request.
#[derive(Clone, Debug)]
pub(super) struct Call {
    method: Method,
    path: String,
    credential: Credential,
    body: Option<(&'static str, String)>,
}

/// What a request shows.
#[derive(Clone, Debug)]
enum Credential {
    Nothing,
    /// A token.
    Token(Filed),
    /// A client's name and secret.
    Client(&'static str, Filed),
}

/// A secret, and the file that holds it, so that a line for the shell need not show it.
#[derive(Clone, Debug)]
pub(super) struct Filed {
    pub(super) secret: Secret,
    pub(super) file: PathBuf,
}

/// What came back.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    /// The body; null if it is not JSON.
    pub(super) json: Value,
}

impl Caller {
    /// A client of the listener at `address`, whose certificate is vouched for by the authority in this PEM file.
    pub(super) fn new(address: SocketAddr, authority: &Path) -> Result<Self, CallError> {
        let mut roots = RootCertStore::empty();
        let certificate = CertificateDer::from_pem_file(authority).map_err(CallError::Authority)?;
        roots.add(certificate).map_err(CallError::Trust)?;
        let tls = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            address,
            authority: authority.to_owned(),
            tls: Arc::new(tls),
            tasks: Tasks::default(),
        })
    }

    /// Sends a request on a connection of its own.
    pub(super) async fn send(&self, call: &Call) -> Result<Reply, CallError> {
        let stream = TcpStream::connect(self.address)
            .await
            .map_err(CallError::Reach)?;
        let name = ServerName::try_from(HOST_NAME)
            .map_err(io::Error::other)
            .map_err(CallError::Reach)?;
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        let stream = connector
            .connect(name, stream)
            .await
            .map_err(CallError::Reach)?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        self.tasks.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection of the tour ended early");
            }
        });
        let response = sender.send_request(self.request(call)?).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        let json = serde_json::from_slice(&body).unwrap_or_default();
        Ok(Reply { status, json })
    }

    /// The line that repeats a request in a shell.
    pub(super) fn curl(&self, call: &Call) -> String {
        let authority = quoted(&self.authority.display().to_string());
        let mut words = vec![format!("curl -sS --cacert {authority}")];
        match &call.credential {
            Credential::Nothing => {}
            Credential::Token(token) => {
                words.push(format!("-H \"Authorization: Bearer {}\"", token.shell()));
            }
            Credential::Client(name, secret) => {
                words.push(format!("-u \"{name}:{}\"", secret.shell()));
            }
        }
        if let Some((kind, body)) = &call.body {
            if *kind != FORM {
                words.push(format!("-H 'Content-Type: {kind}'"));
            }
            words.push(format!("-d {}", quoted(body)));
        }
        words.push(self.url(&call.path));
        words.join(" ")
    }

    /// The address of a path, as a person would write it.
    pub(super) fn url(&self, path: &str) -> String {
        format!("https://{HOST_NAME}:{}{path}", self.address.port())
    }

    fn request(&self, call: &Call) -> Result<Request<Full<Bytes>>, CallError> {
        let mut request = Request::builder()
            .method(&call.method)
            .uri(&call.path)
            .header(HOST, format!("{HOST_NAME}:{}", self.address.port()));
        match &call.credential {
            Credential::Nothing => {}
            Credential::Token(token) => {
                request =
                    request.header(AUTHORIZATION, format!("Bearer {}", token.secret.reveal()));
            }
            Credential::Client(name, secret) => {
                let pair = STANDARD.encode(format!("{name}:{}", secret.secret.reveal()));
                request = request.header(AUTHORIZATION, format!("Basic {pair}"));
            }
        }
        let mut body = Bytes::new();
        if let Some((kind, text)) = &call.body {
            request = request.header(CONTENT_TYPE, *kind);
            body = Bytes::from(text.clone());
        }
        Ok(request.body(Full::new(body))?)
    }
}

impl Call {
    /// Asks for a path.
    pub(super) fn get(path: &str) -> Self {
        Self {
            method: Method::GET,
            path: path.to_owned(),
            credential: Credential::Nothing,
            body: None,
        }
    }

    /// Sends JSON to a path.
    pub(super) fn post(path: &str, json: &Value) -> Self {
        Self {
            method: Method::POST,
            body: Some((JSON, json.to_string())),
            ..Self::get(path)
        }
    }

    /// Sends a form to a path.
    pub(super) fn form(path: &str, form: &str) -> Self {
        Self {
            method: Method::POST,
            body: Some((FORM, form.to_owned())),
            ..Self::get(path)
        }
    }

    /// With this token.
    pub(super) fn bearer(self, token: &Filed) -> Self {
        let credential = Credential::Token(token.clone());
        Self { credential, ..self }
    }

    /// As this client.
    pub(super) fn client(self, name: &'static str, secret: &Filed) -> Self {
        let credential = Credential::Client(name, secret.clone());
        Self { credential, ..self }
    }
}

impl Filed {
    /// Keeps a secret in a file of this folder, which nobody else may enter.
    pub(super) fn new(secret: Secret, folder: &Path, name: &str) -> io::Result<Self> {
        let file = folder.join(name);
        fs::write(&file, secret.reveal())?;
        Ok(Self { secret, file })
    }

    /// How a shell gets at it.
    fn shell(&self) -> String {
        format!("$(cat {})", quoted(&self.file.display().to_string()))
    }
}

impl Reply {
    /// Whether the body has this text in this place.
    pub(super) fn has(&self, pointer: &str, text: &str) -> bool {
        self.json.pointer(pointer).and_then(Value::as_str) == Some(text)
    }

    /// A text of the body that is a secret.
    pub(super) fn secret(&self, pointer: &str) -> Result<Secret, CallError> {
        self.json
            .pointer(pointer)
            .and_then(Value::as_str)
            .map(Secret::new)
            .ok_or(CallError::Missing(pointer.to_owned()))
    }
}

/// The status, and what is worth seeing: who the upstream was told is calling, or why it was not called.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        if !self.status.is_success() {
            return write!(f, "  {}", self.json);
        }
        for field in ["x-user", "x-client"] {
            let told = self
                .json
                .get("headers")
                .and_then(|headers| headers.get(field));
            if let Some(told) = told.and_then(Value::as_str) {
                write!(f, "  the upstream saw {field}: {told}")?;
            }
        }
        Ok(())
    }
}

/// Why a request has no reply.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// The authority's certificate cannot be read.
    #[error("read the certificate of the gateway's authority")]
    Authority(#[source] rustls::pki_types::pem::Error),
    /// The authority's certificate cannot be used.
    #[error("trust the gateway's authority")]
    Trust(#[source] rustls::Error),
    /// The gateway cannot be reached, or its certificate is not good.
    #[error("reach the gateway")]
    Reach(#[source] io::Error),
    /// The gateway broke off.
    #[error("speak with the gateway")]
    Speak(#[from] hyper::Error),
    /// The request cannot be written.
    #[error("write a request")]
    Write(#[from] http::Error),
    /// A token cannot be kept for the lines that use it.
    #[error("keep a token in a file")]
    Keep(#[from] io::Error),
    /// The answer lacks what the next step needs.
    #[error("find {0} in the answer")]
    Missing(String),
}

/// A word as a shell reads it: in quotes if it has to be.
pub(super) fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-=:+@".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

const HOST_NAME: &str = "localhost";
const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_survives_the_shell() {
        assert_eq!(quoted("/tmp/a-b.pem"), "/tmp/a-b.pem");
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
