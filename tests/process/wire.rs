//! A client over TLS that blocks, and an upstream that answers when it is told to.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::tollgate::DEADLINE;

/// One request on a connection of its own.
pub(crate) struct Request {
    head: String,
    body: String,
}

/// What came back.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: String,
    head: String,
}

pub(crate) type Connection = StreamOwned<ClientConnection, TcpStream>;

impl Request {
    pub(crate) fn get(path: &str) -> Self {
        Self {
            head: format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"),
            body: String::new(),
        }
    }

    /// A token as this client (RFC 6749 §4.4).
    pub(crate) fn token(client: &str, secret: &str) -> Self {
        let pair = STANDARD.encode(format!("{client}:{secret}"));
        let form = "application/x-www-form-urlencoded";
        Self::post("/oauth/token", form, "grant_type=client_credentials")
            .with("Authorization", &format!("Basic {pair}"))
    }

    /// Sends JSON.
    pub(crate) fn json(path: &str, body: &serde_json::Value) -> Self {
        Self::post(path, "application/json", &body.to_string())
    }

    /// Sends a form.
    pub(crate) fn form(path: &str, fields: &[(&str, &str)]) -> Self {
        let mut form = form_urlencoded::Serializer::new(String::new());
        let body = form.extend_pairs(fields).finish();
        Self::post(path, "application/x-www-form-urlencoded", &body)
    }

    /// Asks with another method.
    pub(crate) fn called(mut self, method: &str) -> Self {
        let (_, rest) = self.head.split_once(' ').unwrap();
        self.head = format!("{method} {rest}");
        self
    }

    fn post(path: &str, kind: &str, body: &str) -> Self {
        let request = Self {
            head: format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"),
            body: body.to_owned(),
        };
        request
            .with("Content-Type", kind)
            .with("Content-Length", &body.len().to_string())
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.head.push_str(&[name, ": ", value, "\r\n"].concat());
        self
    }

    pub(crate) fn basic(self, name: &str, secret: &str) -> Self {
        let pair = STANDARD.encode(format!("{name}:{secret}"));
        self.with("Authorization", &format!("Basic {pair}"))
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.with("Authorization", &format!("Bearer {token}"))
    }

    /// Sends it and does not wait.
    pub(crate) fn begin(self, to: SocketAddr, authority: &Path) -> Connection {
        let mut connection = connect(to, authority);
        let bytes = format!("{}\r\n{}", self.head, self.body);
        connection.write_all(bytes.as_bytes()).unwrap();
        connection.flush().unwrap();
        connection
    }

    /// Sends it and waits for the reply.
    pub(crate) fn send(self, to: SocketAddr, authority: &Path) -> Reply {
        Reply::from(self.begin(to, authority))
    }
}

/// A connection to a gateway that this certificate vouches for.
pub(crate) fn connect(to: SocketAddr, authority: &Path) -> Connection {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(authority).unwrap())
        .unwrap();
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let tls = ClientConnection::new(Arc::new(config), name).unwrap();
    let stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    StreamOwned::new(tls, stream)
}

impl Reply {
    /// Reads to the end of the connection.
    pub(crate) fn from(mut connection: Connection) -> Self {
        let mut text = String::new();
        connection.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let is_chunked = head
            .to_ascii_lowercase()
            .contains("transfer-encoding: chunked");
        let body = if is_chunked {
            joined(body)
        } else {
            body.to_owned()
        };
        let head = head.to_owned();
        Self { status, body, head }
    }

    /// The value of a header, if it is there.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let found = lines.find(|(said, _)| said.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value)
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// A chunked body in one piece.
fn joined(mut rest: &str) -> String {
    let mut body = String::new();
    while let Some((length, after)) = rest.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).unwrap();
        body.push_str(&after[..length]);
        rest = after[length..].strip_prefix("\r\n").unwrap();
    }
    body
}

/// An upstream that says when a request has come, and answers `made` when it is let.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    came: Receiver<()>,
    go: Sender<()>,
}

impl Upstream {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let ((tell, came), (go, told)) = (channel(), channel());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                if !has_request(&mut stream) {
                    continue;
                }
                // The test is over when nobody listens or speaks any more.
                if tell.send(()).is_err() || told.recv().is_err() {
                    return;
                }
                let answer =
                    "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nmade";
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        Self { address, came, go }
    }

    /// Waits for the next request.
    pub(crate) fn is_asked(&self) {
        self.came.recv_timeout(DEADLINE).unwrap();
    }

    /// Lets one request be answered.
    pub(crate) fn answer(&self) {
        self.go.send(()).unwrap();
    }
}

fn has_request(stream: &mut TcpStream) -> bool {
    let mut seen = Vec::new();
    let mut byte = [0];
    while !seen.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => seen.push(byte[0]),
            _ => return false,
        }
    }
    true
}
