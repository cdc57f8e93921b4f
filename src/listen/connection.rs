//! One connection, from its first byte to its last: HTTP/1.1 or HTTP/2, under its deadlines.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;

use super::accept::Accepted;
use super::bind::Listener;
use super::coalesce::Coalesce;
use super::exchange::{answer, fits};
use super::link::{Link, Stream};
use super::settings::Protocol;
use super::stream::Streams;
use super::tally::Tally;
use super::tls::Secured;
use super::watch::{Alarm, Limits, Phase, Watch};
use super::worker::Bench;
use crate::net::{Peer, Scheme, Socket, Tasks};

/// Serves one connection.
pub(super) async fn run<H, C, F, B>(accepted: Accepted, bench: Bench, serve: H)
where
    H: Fn(Arc<Peer>) -> C,
    C: Fn(Request<Incoming>) -> F + Send + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let Accepted {
        stream,
        address,
        listener,
        permit,
    } = accepted;
    let seat = bench.seat(permit, &listener.tally);
    let Some(opened) = open(stream, &listener).await else {
        return;
    };
    let serve = serve(Arc::new(Peer {
        address,
        listener: Arc::clone(&listener.name),
        scheme: opened.scheme,
        server_name: opened.server_name,
        worker: bench.index,
        tasks: bench.tasks.clone(),
    }));
    let limits = Limits::of(&listener.settings.timeouts);
    let watch = Arc::new(Watch::new(opened.protocol, limits));
    let link = Link::new(opened.stream, Arc::clone(&watch), seat);
    let wire = Wire {
        link,
        watch,
        tasks: bench.tasks,
        tally: Arc::clone(&listener.tally),
        header_limit: listener.settings.header_limit.as_usize(),
    };
    let ended = match opened.protocol {
        Protocol::Http1 => wire.http1(serve).await,
        Protocol::Http2 => wire.http2(serve).await,
    };
    if let Err(Late) = ended {
        listener.tally.timed_out();
    }
}

/// A stream that speaks HTTP.
struct Opened {
    stream: Stream,
    protocol: Protocol,
    scheme: Scheme,
    server_name: Option<Arc<str>>,
}

async fn open(stream: std::net::TcpStream, listener: &Listener) -> Option<Opened> {
    // Both fail only for a socket that is already dead.
    let stream = Socket::new(TcpStream::from_std(stream).ok()?).ok()?;
    let Some(tls) = &listener.tls else {
        return Some(Opened {
            stream: Stream::Plain(stream),
            protocol: Protocol::Http1,
            scheme: Scheme::Http,
            server_name: None,
        });
    };
    let secured = tls.handshake(stream, &listener.tally).await?;
    let Secured {
        stream,
        protocol,
        server_name,
    } = secured;
    Some(Opened {
        stream: Stream::Tls(Box::new(stream)),
        protocol,
        scheme: Scheme::Https,
        server_name,
    })
}

/// A connection whose protocol is settled.
struct Wire {
    link: Link,
    watch: Arc<Watch>,
    tasks: Tasks,
    tally: Arc<Tally>,
    header_limit: usize,
}

impl Wire {
    async fn http1<C, F, B>(self, serve: C) -> Result<(), Late>
    where
        C: Fn(Request<Incoming>) -> F,
        F: Future<Output = Response<B>>,
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (watch, tally) = (Arc::clone(&self.watch), Arc::clone(&self.tally));
        let service = service_fn(move |request: Request<Incoming>| {
            let underway = watch.begin();
            let answering = fits(&request, &tally).then(|| serve(request));
            answer(answering, underway, None)
        });
        // The parser's own limit on fields is a hundred; to name it would cost an allocation per request. Its deadline
        // for heads runs between requests too, so ours stands in for it.
        let connection = http1::Builder::new()
            .max_header_size(self.header_limit)
            .max_buf_size(self.header_limit.max(BUFFER))
            .header_read_timeout(None)
            .serve_connection(TokioIo::new(self.link), service)
            .with_upgrades();
        let close = http1::UpgradeableConnection::graceful_shutdown;
        drive(connection, close, &self.watch, (&self.tasks, &self.tally)).await
    }

    async fn http2<C, F, B>(self, serve: C) -> Result<(), Late>
    where
        C: Fn(Request<Incoming>) -> F,
        F: Future<Output = Response<B>> + Send + 'static,
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (watch, tally) = (Arc::clone(&self.watch), Arc::clone(&self.tally));
        let streams = Streams::new(self.tasks.clone(), watch.limits().write_idle);
        let started = streams.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let offer = started.announce();
            let underway = watch.begin();
            let answering = fits(&request, &tally).then(|| serve(request));
            answer(answering, underway, Some(offer))
        });
        let connection = http2::Builder::new(streams)
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(u32::try_from(self.header_limit).unwrap_or(u32::MAX))
            .max_send_buf_size(BUFFER)
            .keep_alive_interval(PING)
            .serve_connection(TokioIo::new(Coalesce::new(self.link)), service);
        let close = http2::Connection::graceful_shutdown;
        drive(connection, close, &self.watch, (&self.tasks, &self.tally)).await
    }
}

/// The peer took too long.
struct Late;

/// Runs a connection to its end, closing it in good order when the worker drains or the peer has been idle for too
/// long. A peer that is late with anything else is left at once.
async fn drive<C>(
    connection: C,
    close: impl Fn(Pin<&mut C>),
    watch: &Watch,
    (tasks, tally): (&Tasks, &Tally),
) -> Result<(), Late>
where
    C: Future<Output = hyper::Result<()>>,
{
    let mut connection = pin!(connection);
    let mut draining = pin!(tasks.draining());
    let mut is_draining = false;
    let mut alarm = Alarm::default();
    poll_fn(|context| {
        loop {
            // Asked first, so that an answer that is ready just now can still say that it is the last.
            if !is_draining && draining.as_mut().poll(context).is_ready() {
                is_draining = true;
                watch.drain();
                close(connection.as_mut());
            }
            if let Poll::Ready(ended) = connection.as_mut().poll(context) {
                if let Err(error) = ended {
                    if error.is_parse_too_large() {
                        tally.oversized();
                    }
                    tracing::debug!(%error, "connection ended early");
                }
                return Poll::Ready(Ok(()));
            }
            match alarm.poll(watch, context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Phase::Idle) => {
                    watch.close();
                    close(connection.as_mut());
                }
                // We have said our goodbye; who does not say his is gone. The connection may still say how it ended.
                Poll::Ready(Phase::Closing) if watch.is_over() => return Poll::Ready(Ok(())),
                Poll::Ready(Phase::Closing) => watch.give_up(),
                Poll::Ready(_) => return Poll::Ready(Err(Late)),
            }
        }
    })
    .await
}

/// How much of a body is read, or held for writing, at once.
const BUFFER: usize = 64 * 1024;

/// What one connection of HTTP/2 may ask of us: requests at once, and bytes we have not yet read.
const STREAMS: u32 = 100;
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// How often an HTTP/2 peer is asked whether it is still there; it has 20 s to answer.
const PING: Duration = Duration::from_secs(30);
