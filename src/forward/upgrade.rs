//! Two byte streams joined, no longer than the permit lasts: until its time is over, or it is taken back.
//!
//! Only a WebSocket is asked for (RFC 6455 §4), only by `GET` without a body over HTTP/1.1; any other wish to upgrade is
//! dropped like every field that belongs to one connection. Not one byte behind the request is passed on before the
//! upstream has agreed by a 101 that names the protocol, and whatever it answers, its connection is used for nothing
//! else.

use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use http::header::{CONNECTION, HeaderMap, HeaderName, HeaderValue, UPGRADE};
use http::{Method, Request, Response, StatusCode, Version};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf, copy_bidirectional};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::body::Progress;
use super::error::ForwardError;
use super::pool::Lease;
use super::request::outgoing;
use super::response;
use super::upstream::{Sending, Sent, TakenBack, Upstream};
use crate::net::Body;
use crate::verify::VerifyError;

/// What came of asking an upstream for a WebSocket.
#[derive(Debug)]
pub enum Switch {
    /// It agreed: what the client is told, and the tunnel that begins once the client was.
    Agreed(Sent, Tunnel),
    /// It answered something else, which the client is told.
    Declined(Sent),
}

/// The upstream's end of two joined streams.
pub struct Tunnel {
    upstream: Upgraded,
    idle: Duration,
    end: Option<Instant>,
    taken_back: TakenBack,
}

/// How a tunnel came to its end.
#[derive(Debug)]
pub enum Joined {
    /// Somebody closed.
    Closed,
    /// Nothing moved for too long.
    Idle,
    /// The permit's time was over.
    PermitEnded,
    /// The permit was taken back.
    TakenBack(VerifyError),
}

/// Whether a request asks for a WebSocket, in the one way that counts.
pub fn asks_for_websocket<B: http_body::Body>(request: &Request<B>) -> bool {
    request.method() == Method::GET
        && request.version() == Version::HTTP_11
        && request.body().is_end_stream()
        && names(request.headers(), &CONNECTION, "upgrade")
        && only_websocket(request.headers())
}

impl Upstream {
    /// Asks the upstream for a WebSocket, over a connection of its own.
    pub async fn switch(
        &self,
        request: Request<()>,
        sending: &Sending<'_>,
    ) -> Result<Switch, ForwardError> {
        let mut request =
            outgoing(request.map(|()| Body::Empty), sending).map_err(ForwardError::Head)?;
        say_upgrade(request.headers_mut());
        let mut sender = self.connect().await.map_err(ForwardError::Connect)?;
        let answer = self
            .in_time(sender.send_request(request), &Progress::default())
            .await?;
        let mut response = answer.map_err(ForwardError::of_exchange)?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            let lease = Lease {
                sender,
                pool: None,
                worker: sending.worker,
            };
            let response = self.deliver(response, lease, sending);
            return Ok(Switch::Declined(Sent {
                response,
                attempts: 1,
            }));
        }
        if !only_websocket(response.headers()) {
            return Err(ForwardError::Unasked);
        }
        let upgraded = hyper::upgrade::on(&mut response);
        let upstream = timeout(self.timeouts.connect.duration(), upgraded).await;
        let upstream = upstream
            .map_err(|_| ForwardError::Timeout)?
            .map_err(ForwardError::Answer)?;
        let (mut head, _) = response.into_parts();
        response::filter(&mut head.headers, &Method::GET, head.status);
        say_upgrade(&mut head.headers);
        let tunnel = Tunnel {
            upstream,
            idle: self.timeouts.stream.duration(),
            end: sending.permit.end(sending.arrival.now),
            taken_back: match sending.watched() {
                Some(watched) => watched.taken_back(),
                None => Box::pin(std::future::pending()),
            },
        };
        let sent = Sent {
            response: Response::from_parts(head, Body::Empty),
            attempts: 1,
        };
        Ok(Switch::Agreed(sent, tunnel))
    }
}

impl Tunnel {
    /// Joins the client's stream to the upstream's until one of them closes, nothing has moved for too long, or the
    /// permit ends or is taken back. Says how it ended, and how many bytes the client got.
    pub async fn join(self, client: Upgraded) -> (Joined, u64) {
        let meter = Meter::new(self.idle);
        let mut client = Metered {
            stream: TokioIo::new(client),
            meter: &meter,
        };
        let mut upstream = TokioIo::new(self.upstream);
        let ended = {
            let carrying = carry(&mut client, &mut upstream, &meter, self.end);
            tokio::select! {
                // First, as streams that always have something to say would never let it be heard.
                biased;
                error = self.taken_back => Joined::TakenBack(error),
                ended = carrying => ended,
            }
        };
        if !matches!(ended, Joined::Closed) {
            // Who does not let go by then is dropped.
            let both = async { tokio::join!(client.stream.shutdown(), upstream.shutdown()) };
            let _ = timeout(LINGER, both).await;
        }
        (ended, meter.to_client.load(Relaxed))
    }
}

impl std::fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tunnel(until {:?})", self.end)
    }
}

async fn carry(
    client: &mut Metered<'_>,
    upstream: &mut TokioIo<Upgraded>,
    meter: &Meter,
    end: Option<Instant>,
) -> Joined {
    let mut copying = pin!(copy_bidirectional(client, upstream));
    loop {
        let due = meter.due();
        let at = end.map_or(due, |end| end.min(due));
        tokio::select! {
            // First, as streams that always have something to say would never let it ring.
            biased;
            () = tokio::time::sleep_until(at.into()) => {}
            _ = copying.as_mut() => return Joined::Closed,
            // From now on less time is left.
            () = meter.hurry.notified() => {}
        }
        let now = Instant::now();
        if end.is_some_and(|end| now >= end) {
            return Joined::PermitEnded;
        }
        if now >= meter.due() {
            return if meter.closing.load(Relaxed) {
                Joined::Closed
            } else {
                Joined::Idle
            };
        }
    }
}

/// What moves, and since when nothing does.
struct Meter {
    began: Instant,
    idle: Duration,
    /// When something moved last, in milliseconds since `began`.
    moved: AtomicU64,
    to_client: AtomicU64,
    /// Whether one side has said its last word.
    closing: AtomicBool,
    /// Rings when one side has.
    hurry: Notify,
}

impl Meter {
    fn new(idle: Duration) -> Self {
        Self {
            began: Instant::now(),
            idle,
            moved: AtomicU64::new(0),
            to_client: AtomicU64::new(0),
            closing: AtomicBool::new(false),
            hurry: Notify::new(),
        }
    }

    fn moves(&self) {
        let millis = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.moved.store(millis, Relaxed);
    }

    fn closes(&self) {
        if !self.closing.swap(true, Relaxed) {
            self.moves();
            self.hurry.notify_one();
        }
    }

    fn due(&self) -> Instant {
        let patience = if self.closing.load(Relaxed) {
            LINGER
        } else {
            self.idle
        };
        self.began + Duration::from_millis(self.moved.load(Relaxed)) + patience
    }
}

/// The client's stream, at which everything passes by, whichever way it goes.
struct Metered<'a> {
    stream: TokioIo<Upgraded>,
    meter: &'a Meter,
}

impl AsyncRead for Metered<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if buffer.filled().len() > before {
            self.meter.moves();
        } else {
            self.meter.closes();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Metered<'_> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, bytes))?;
        self.meter.moves();
        self.meter.to_client.fetch_add(written as u64, Relaxed);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.meter.closes();
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// The two fields by which one connection becomes another (RFC 9110 §7.8).
fn say_upgrade(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
}

/// Whether `Upgrade` is there once and names a WebSocket and nothing else: of a list the upstream could choose another.
fn only_websocket(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(UPGRADE).iter();
    let named = values
        .next()
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
    named && values.next().is_none()
}

/// Whether a field lists a word (RFC 9110 §5.6.1).
fn names(headers: &HeaderMap, field: &HeaderName, word: &str) -> bool {
    let lists = headers.get_all(field).iter();
    lists
        .filter_map(|list| list.to_str().ok())
        .flat_map(|list| list.split(','))
        .any(|one| one.trim().eq_ignore_ascii_case(word))
}

/// How long one side may go on after the other has closed.
const LINGER: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use http_body_util::{Empty, Full};

    use super::*;

    fn asked(method: &str, fields: &[(&str, &str)]) -> bool {
        let mut request = Request::builder().method(method).uri("/ws");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        asks_for_websocket(&request.body(Empty::<bytes::Bytes>::new()).unwrap())
    }

    const CONNECTION: (&str, &str) = ("connection", "keep-alive, Upgrade");
    const WEBSOCKET: (&str, &str) = ("upgrade", "WebSocket");

    #[test]
    fn a_websocket_is_asked_for_in_one_way_only() {
        assert!(asked("GET", &[CONNECTION, WEBSOCKET]));
        assert!(!asked("POST", &[CONNECTION, WEBSOCKET]));
        assert!(!asked("GET", &[WEBSOCKET]));
        assert!(!asked("GET", &[CONNECTION]));
        for other in ["h2c", "h2c, websocket", "websocket, h2c", "websocket/13"] {
            assert!(!asked("GET", &[CONNECTION, ("upgrade", other)]), "{other}");
        }
        assert!(!asked("GET", &[CONNECTION, WEBSOCKET, ("upgrade", "h2c")]));
        let body = Full::new(bytes::Bytes::from_static(b"x"));
        let request = Request::get("/ws")
            .header("connection", "upgrade")
            .header("upgrade", "websocket");
        assert!(!asks_for_websocket(&request.body(body).unwrap()));
    }

    #[test]
    fn a_side_that_has_closed_leaves_the_other_little_time() {
        let meter = Meter::new(Duration::from_mins(5));
        assert_eq!(meter.due(), meter.began + Duration::from_mins(5));
        meter.closes();
        assert!(meter.due() < meter.began + Duration::from_secs(6));
    }
}
