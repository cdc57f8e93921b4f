//! Listening, seen from the other end of the wire.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::pending;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;
use crate::net::{Peer, pem};
use crate::settings::{ByteSize, Lifetime};
use crate::token::{TimeSource, Timestamp};

const SHORT: Lifetime = Lifetime::seconds(1);
const GRACE: Duration = Duration::from_secs(10);

fn now() -> Timestamp {
    TimeSource::Wall.now()
}

fn settings() -> ListenerSettings {
    ListenerSettings::at(SocketAddr::from(([127, 0, 0, 1], 0)))
}

/// A listener that answers every request with the same closure.
struct Served {
    listening: Listening,
    address: SocketAddr,
    folder: tempfile::TempDir,
}

fn serve<F, B>(
    settings: ListenerSettings,
    answer: impl Fn(Arc<Peer>, Request<Incoming>) -> F + Clone + Send + 'static,
) -> Served
where
    F: Future<Output = Response<B>> + Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let folder = tempfile::tempdir().unwrap();
    let listeners = BTreeMap::from([("public".to_owned(), settings)]);
    let bound = bind(&listeners, folder.path(), now()).unwrap();
    let address = bound[0].address();
    let listening = Listening::start(bound, NonZeroUsize::MIN, move |peer: Arc<Peer>| {
        let answer = answer.clone();
        move |request| answer(Arc::clone(&peer), request)
    })
    .unwrap();
    Served {
        listening,
        address,
        folder,
    }
}

impl Served {
    async fn send(&self, bytes: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream
    }

    async fn secured(&self, alpn: &[u8]) -> TlsStream<TcpStream> {
        let mut roots = rustls::RootCertStore::empty();
        let ca = DevAuthority::below(self.folder.path()).ca_path();
        roots
            .add(pem::certificates(&ca).unwrap().remove(0))
            .unwrap();
        let mut config =
            ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots)
                .with_no_client_auth();
        config.alpn_protocols = vec![alpn.to_vec()];
        let stream = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
            .unwrap()
    }
}

async fn hello(_: Arc<Peer>, _: Request<Incoming>) -> Response<Full<Bytes>> {
    Response::new(Full::from("hello"))
}

async fn rest(stream: &mut TcpStream) -> io::Result<String> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await?;
    Ok(String::from_utf8(bytes).unwrap())
}

/// A body without end; it says when it is dropped.
struct Endless {
    _dropped: Dropped,
}

struct Dropped(UnboundedSender<()>);

impl Drop for Dropped {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 16_384])))))
    }
}

fn serve_endless(settings: ListenerSettings) -> (Served, UnboundedReceiver<()>) {
    let (sender, receiver) = unbounded_channel();
    let served = serve(settings, move |_, _| {
        let body = Endless {
            _dropped: Dropped(sender.clone()),
        };
        async move { Response::new(body) }
    });
    (served, receiver)
}

#[tokio::test]
async fn a_taken_port_is_named_together_with_the_remedy() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let listeners = BTreeMap::from([("public".to_owned(), ListenerSettings::at(address))]);
    let folder = tempfile::tempdir().unwrap();
    let error = bind(&listeners, folder.path(), now())
        .unwrap_err()
        .to_string();
    assert!(error.contains(&address.to_string()), "{error}");
    assert!(error.contains("`address` in [listener.public]"), "{error}");
}

#[tokio::test]
async fn a_development_certificate_is_not_shown_to_other_machines() {
    let mut settings = settings();
    settings.address = SocketAddr::from(([0, 0, 0, 0], 0));
    settings.tls.mode = TlsMode::Dev;
    let listeners = BTreeMap::from([("public".to_owned(), settings)]);
    let folder = tempfile::tempdir().unwrap();
    let error = bind(&listeners, folder.path(), now()).unwrap_err();
    assert!(matches!(error, ListenError::DevIsRemote { .. }), "{error}");
}

#[tokio::test]
async fn a_certificate_and_a_foreign_key_are_both_named() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (folder.path().join("one"), folder.path().join("other"));
    DevAuthority::below(&one).chain(now()).unwrap();
    DevAuthority::below(&other).chain(now()).unwrap();
    let cert = DevAuthority::below(&one).leaf_path();
    let key = DevAuthority::below(&other).key_path();
    let mut settings = settings();
    settings.tls = TlsSettings {
        mode: TlsMode::Files,
        cert: Some(cert.clone().into()),
        key: Some(crate::settings::SecretSource {
            file: Some(key.clone().into()),
            ..Default::default()
        }),
        allow_remote: false,
    };
    let listeners = BTreeMap::from([("public".to_owned(), settings)]);
    let error = bind(&listeners, folder.path(), now()).unwrap_err();
    assert!(matches!(error, ListenError::Mismatch { .. }), "{error}");
    let error = error.to_string();
    assert!(error.contains(&cert.display().to_string()), "{error}");
    assert!(error.contains(&key.display().to_string()), "{error}");
}

#[tokio::test]
async fn requests_follow_one_another_on_a_connection() {
    let served = serve(settings(), hello);
    let mut stream = served
        .send(b"GET /1 HTTP/1.1\r\nhost: a\r\n\r\nGET /2 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        .await;
    let answers = rest(&mut stream).await.unwrap();
    assert_eq!(answers.matches("200 OK").count(), 2, "{answers}");
    assert_eq!(served.listening.tallies().0.len(), 1);
}

#[tokio::test]
async fn a_head_that_does_not_end_is_not_waited_for() {
    let mut settings = settings();
    settings.timeouts.head = SHORT;
    let served = serve(settings, hello);
    let mut silent = served.send(b"").await;
    let mut slow = served.send(b"GET / HTTP/1.1\r\nhost: ").await;
    assert_eq!(rest(&mut silent).await.unwrap(), "");
    assert_eq!(rest(&mut slow).await.unwrap(), "");
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let mut settings = settings();
    settings.timeouts.idle = SHORT;
    let served = serve(settings, hello);
    let mut stream = served.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(rest(&mut stream).await.unwrap().ends_with("hello"));
}

#[tokio::test]
async fn a_handshake_that_does_not_come_is_not_waited_for() {
    let mut settings = settings();
    settings.tls.mode = TlsMode::Dev;
    settings.timeouts.handshake = SHORT;
    let served = serve(settings, hello);
    let mut stream = served.send(b"").await;
    assert_eq!(rest(&mut stream).await.unwrap(), "");
}

#[tokio::test]
async fn a_head_over_the_limit_is_answered_with_431() {
    let mut settings = settings();
    settings.header_limit = ByteSize::kib(32);
    let served = serve(settings, hello);
    for (name, head) in [
        ("one field", format!("a: {}\r\n", "x".repeat(33_000))),
        ("without end", format!("a: {}", "x".repeat(100_000))),
        ("many fields", "a: b\r\n".repeat(100)),
    ] {
        let mut stream = served
            .send(format!("GET / HTTP/1.1\r\nhost: a\r\n{head}\r\n").as_bytes())
            .await;
        let answer = rest(&mut stream).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 431 "), "{name}: {answer}");
    }
    let mut stream = served
        .send(
            format!(
                "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\na: {}\r\n\r\n",
                "x".repeat(32_000)
            )
            .as_bytes(),
        )
        .await;
    assert!(rest(&mut stream).await.unwrap().ends_with("hello"));
}

#[tokio::test]
async fn an_unread_body_ends_the_connection_and_the_answer_arrives() {
    let served = serve(settings(), hello);
    let mut request = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 200000\r\n\r\n".to_vec();
    request.extend_from_slice(&b"GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n".repeat(1_400));
    let mut stream = served.send(&request).await;
    let answers = rest(&mut stream).await.unwrap();
    assert_eq!(answers.matches("HTTP/1.1").count(), 1, "{answers}");
    assert!(answers.ends_with("hello"), "{answers}");
}

#[tokio::test]
async fn an_answer_that_broke_off_does_not_look_complete() {
    let served = serve(settings(), |_, _| async {
        let frames = [
            Ok(Frame::data(Bytes::from("half"))),
            Err(io::Error::from(ErrorKind::Other)),
        ];
        let body = futures_util::stream::iter(frames);
        Response::new(http_body_util::StreamBody::new(body))
    });
    // The end of the connection is the end of this answer: there is no other mark.
    let mut stream = served.send(b"GET / HTTP/1.0\r\nhost: a\r\n\r\n").await;
    let error = rest(&mut stream).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn who_does_not_take_the_answer_is_left() {
    let mut settings = settings();
    settings.timeouts.write_idle = SHORT;
    let (served, mut dropped) = serve_endless(settings);
    let _stream = served.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    dropped.recv().await.unwrap();
}

#[tokio::test]
async fn http2_is_spoken_over_tls_and_tells_the_name_asked_for() {
    let mut settings = settings();
    settings.tls.mode = TlsMode::Dev;
    let served = serve(settings, |peer, request: Request<Incoming>| async move {
        assert_eq!(request.version(), Version::HTTP_2);
        let name = peer.server_name.as_deref().unwrap_or_default().to_owned();
        Response::new(Full::from(name))
    });
    let stream = served.secured(b"h2").await;
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    let request = Request::get("https://localhost/")
        .body(Empty::<Bytes>::new())
        .unwrap();
    let answer = async {
        let answer = sender.send_request(request).await.unwrap();
        answer.into_body().collect().await.unwrap().to_bytes()
    };
    tokio::select! {
        body = answer => assert_eq!(body, "localhost"),
        ended = connection => panic!("{ended:?}"),
    }
}

#[tokio::test]
async fn one_stream_that_is_not_taken_is_ended_alone() {
    let mut settings = settings();
    settings.tls.mode = TlsMode::Dev;
    settings.timeouts.write_idle = SHORT;
    let (served, mut dropped) = serve_endless(settings);
    let stream = served.secured(b"h2").await;
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    let request = Request::get("https://localhost/")
        .body(Empty::<Bytes>::new())
        .unwrap();
    let untaken = async {
        let _answer = sender.send_request(request).await.unwrap();
        dropped.recv().await.unwrap();
        assert!(!sender.is_closed());
    };
    tokio::select! {
        () = untaken => {}
        ended = connection => panic!("{ended:?}"),
    }
}

#[tokio::test]
async fn draining_answers_what_has_begun_and_closes_what_is_idle() {
    let (begun, mut has_begun) = unbounded_channel();
    let (release, _) = tokio::sync::broadcast::channel::<()>(1);
    let gate = release.clone();
    let served = serve(settings(), move |_, request: Request<Incoming>| {
        let mut released = release.subscribe();
        let begun = begun.clone();
        async move {
            if request.uri().path() == "/slow" {
                begun.send(()).unwrap();
                let _ = released.recv().await;
            }
            Response::new(Full::<Bytes>::from("hello"))
        }
    });
    let mut idle = served.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    idle.read_exact(&mut [0; 17]).await.unwrap();
    let mut slow = served.send(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await;
    has_begun.recv().await.unwrap();
    let address = served.address;
    let drained = served.listening.drain(GRACE, pending());
    let seen = async {
        rest(&mut idle).await.unwrap();
        TcpStream::connect(address).await.unwrap_err();
        gate.send(()).unwrap();
        let answer = rest(&mut slow).await.unwrap();
        assert!(answer.contains("connection: close"), "{answer}");
        assert!(answer.ends_with("hello"), "{answer}");
    };
    let (drained, ()) = tokio::join!(drained, seen);
    assert_eq!(drained, Drained::Cleanly);
}

#[tokio::test]
async fn a_second_signal_cuts_what_is_left() {
    let (begun, mut has_begun) = unbounded_channel();
    let served = serve(settings(), move |_, _| {
        begun.send(()).unwrap();
        pending::<Response<Full<Bytes>>>()
    });
    let mut stuck = served.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    has_begun.recv().await.unwrap();
    let drained = served.listening.drain(GRACE, async {}).await;
    assert_eq!(drained, Drained::Cut);
    rest(&mut stuck).await.unwrap_err();
}
