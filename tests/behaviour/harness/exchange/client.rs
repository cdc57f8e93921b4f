//! A well-behaved client for HTTP/1.1 and HTTP/2, on hyper.

use std::{convert::Infallible, net::SocketAddr, sync::Arc};

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    body::{Frame, Incoming},
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ClientConfig, pki_types::ServerName};
use serde_json::Value;
use tokio::{net::TcpStream, sync::mpsc};
use tokio_rustls::TlsConnector;

use super::Answer;
use crate::harness::{Task, authority::authority, outside, soon};

/// Somebody who knows where the gateway is and what it is called there. Opens a connection per request; [`Client::session`]
/// keeps one.
#[derive(Clone)]
pub(crate) struct Client {
    address: SocketAddr,
    name: String,
    tls: Option<Arc<ClientConfig>>,
    http2: bool,
}

/// A kept connection. Clones share it, as far as its protocol lets them.
pub(crate) struct Session {
    sender: Sender,
    client: Client,
    task: Arc<Task>,
}

/// A request being written.
pub(crate) struct Request {
    client: Client,
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Body,
}

/// A part of a body sent piece by piece.
pub(crate) type Piece = Bytes;

type Body = UnsyncBoxBody<Bytes, Infallible>;

enum Sender {
    Http1(http1::SendRequest<Body>),
    Http2(http2::SendRequest<Body>),
}

/// A body that the test sends piece by piece; it ends when the sender is dropped.
pub(crate) fn pieces() -> (mpsc::UnboundedSender<Piece>, Body) {
    let (sender, receiver) = mpsc::unbounded_channel::<Piece>();
    let frames = stream::unfold(receiver, |mut receiver| async {
        let piece = receiver.recv().await?;
        Some((Ok(Frame::data(piece)), receiver))
    });
    (sender, StreamBody::new(frames).boxed_unsync())
}

impl Client {
    /// A client over TLS, HTTP/1.1, that trusts the common authority.
    pub(crate) fn new(address: SocketAddr, name: &str) -> Self {
        let tls = Some(authority().client(&["http/1.1"]));
        Self {
            address,
            name: name.to_owned(),
            tls,
            http2: false,
        }
    }

    /// A client on plain TCP, HTTP/1.1.
    pub(crate) fn plain(address: SocketAddr) -> Self {
        Self {
            address,
            name: address.to_string(),
            tls: None,
            http2: false,
        }
    }

    /// The same client speaking HTTP/2.
    pub(crate) fn http2(&self) -> Self {
        let tls = self.tls.as_ref().map(|_| authority().client(&["h2"]));
        Self {
            tls,
            http2: true,
            ..self.clone()
        }
    }

    /// The same client asking for another host.
    pub(crate) fn named(&self, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..self.clone()
        }
    }

    /// The same client with other ideas about TLS.
    pub(crate) fn trusting(&self, tls: Arc<ClientConfig>) -> Self {
        Self {
            tls: Some(tls),
            ..self.clone()
        }
    }

    /// A GET request.
    pub(crate) fn get(&self, path: &str) -> Request {
        self.request(Method::GET, path)
    }

    /// A POST request.
    pub(crate) fn post(&self, path: &str) -> Request {
        self.request(Method::POST, path)
    }

    /// Any request.
    pub(crate) fn request(&self, method: Method, path: &str) -> Request {
        let body = Full::default().boxed_unsync();
        Request {
            client: self.clone(),
            method,
            path: path.to_owned(),
            headers: HeaderMap::new(),
            body,
        }
    }

    /// A connection that stays.
    pub(crate) async fn session(&self) -> Session {
        soon("a session", Box::pin(self.try_session()))
            .await
            .unwrap()
    }

    /// A connection that stays; an error when it is cut before it stands.
    async fn try_session(&self) -> std::io::Result<Session> {
        let stream = TcpStream::connect(self.address).await?;
        let Some(tls) = self.tls.clone() else {
            return Ok(self.handshake(TokioIo::new(stream)).await);
        };
        let host = self.name.split(':').next().unwrap().to_owned();
        let name = ServerName::try_from(host).unwrap();
        let stream = TlsConnector::from(tls).connect(name, stream).await?;
        Ok(self.handshake(TokioIo::new(stream)).await)
    }

    async fn handshake<T>(&self, stream: T) -> Session
    where
        T: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    {
        let (sender, task) = if self.http2 {
            let (sender, connection) = http2::handshake(TokioExecutor::new(), stream)
                .await
                .unwrap();
            (
                Sender::Http2(sender),
                outside(async { drop(connection.await) }),
            )
        } else {
            let (sender, connection) = http1::handshake(stream).await.unwrap();
            (
                Sender::Http1(sender),
                outside(async { drop(connection.await) }),
            )
        };
        Session {
            sender,
            client: self.clone(),
            task: Arc::new(task),
        }
    }
}

impl Session {
    /// A GET request.
    pub(crate) fn get(&self, path: &str) -> Request {
        self.client.get(path)
    }

    /// Any request.
    pub(crate) fn request(&self, method: Method, path: &str) -> Request {
        self.client.request(method, path)
    }

    /// Sends a request and reads the whole reply.
    pub(crate) async fn send(&mut self, request: Request) -> Answer {
        let response = self.open(request).await.unwrap();
        read(response).await
    }

    /// Sends a request and gives the reply as soon as its head is there.
    pub(crate) async fn open(
        &mut self,
        request: Request,
    ) -> hyper::Result<http::Response<Incoming>> {
        let request = request.build();
        soon("a reply", async {
            match &mut self.sender {
                Sender::Http1(sender) => {
                    sender.ready().await?;
                    sender.send_request(request).await
                }
                Sender::Http2(sender) => {
                    sender.ready().await?;
                    sender.send_request(request).await
                }
            }
        })
        .await
    }

    /// The same connection once more, to send while another request is under way.
    ///
    /// # Panics
    /// Over HTTP/1.1, which has no such thing.
    pub(crate) fn share(&self) -> Self {
        let Sender::Http2(sender) = &self.sender else {
            panic!("HTTP/1.1 cannot be shared")
        };
        Self {
            sender: Sender::Http2(sender.clone()),
            client: self.client.clone(),
            task: self.task.clone(),
        }
    }

    /// Whether the other side has ended the connection.
    pub(crate) fn is_closed(&self) -> bool {
        match &self.sender {
            Sender::Http1(sender) => sender.is_closed(),
            Sender::Http2(sender) => sender.is_closed(),
        }
    }
}

impl Request {
    /// Adds `Authorization: Bearer ..`.
    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// Adds a header; several of one name stand beside each other.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.append(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_str(value).unwrap(),
        );
        self
    }

    /// Gives it a body.
    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = Full::new(body.into()).boxed_unsync();
        self
    }

    /// Gives it a body of unknown length; see [`pieces`].
    pub(crate) fn pieces(mut self, body: Body) -> Self {
        self.body = body;
        self
    }

    /// Gives it a JSON body.
    pub(crate) fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json")
            .body(body.to_string())
    }

    /// Gives it a form as its body.
    pub(crate) fn form(self, fields: &[(&str, &str)]) -> Self {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        self.header("content-type", "application/x-www-form-urlencoded")
            .body(body)
    }

    /// Adds `Authorization: Basic ..`.
    pub(crate) fn basic(self, name: &str, secret: &str) -> Self {
        use base64::{Engine, prelude::BASE64_STANDARD};
        self.header(
            "authorization",
            &format!(
                "Basic {}",
                BASE64_STANDARD.encode(format!("{name}:{secret}"))
            ),
        )
    }

    /// Sends it on a connection of its own and reads the whole reply.
    ///
    /// # Panics
    /// When there is no reply; see [`Request::try_send`].
    pub(crate) async fn send(self) -> Answer {
        self.try_send().await.expect("a reply")
    }

    /// Sends it on a connection of its own; an error when there is no reply.
    pub(crate) async fn try_send(self) -> Result<Answer, Box<dyn std::error::Error>> {
        let mut session = soon("a session", Box::pin(self.client.try_session())).await?;
        let response = session.open(self).await?;
        Ok(read(response).await)
    }

    fn build(self) -> http::Request<Body> {
        let scheme = if self.client.tls.is_some() {
            "https"
        } else {
            "http"
        };
        let uri = if self.client.http2 {
            format!("{scheme}://{}{}", self.client.name, self.path)
        } else {
            self.path
        };
        let mut request = http::Request::new(self.body);
        *request.method_mut() = self.method;
        *request.uri_mut() = uri.parse::<Uri>().unwrap();
        *request.headers_mut() = self.headers;
        if !self.client.http2 && !request.headers().contains_key(header::HOST) {
            let host = HeaderValue::from_str(&self.client.name).unwrap();
            request.headers_mut().insert(header::HOST, host);
        }
        request
    }
}

/// Reads a reply to its end, proper or not.
async fn read(response: http::Response<Incoming>) -> Answer {
    let (head, mut incoming) = response.into_parts();
    let (mut body, mut trailers, mut complete) = (BytesMut::new(), HeaderMap::new(), true);
    while let Some(frame) = soon("the rest of a reply", incoming.frame()).await {
        match frame.map(Frame::into_data) {
            Ok(Ok(data)) => body.extend_from_slice(&data),
            Ok(Err(frame)) => trailers = frame.into_trailers().unwrap_or_default(),
            Err(_) => complete = false,
        }
        if !complete {
            break;
        }
    }
    Answer {
        status: head.status.as_u16(),
        headers: head.headers,
        body: body.freeze(),
        trailers,
        complete,
    }
}
