//! The callers: each has one request under way at a time, on a keep-alive connection of its own or a stream of a shared
//! one.

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::try_join_all;
use http::header::{AUTHORIZATION, HOST};
use http::request::Builder;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use crate::stock::{Plan, Shot, Stock};
use crate::tally::Tally;

type Failure = Box<dyn Error>;

/// How long after the last arrival answers are still awaited; what is then unsent counts as wrong.
const GRACE: Duration = Duration::from_secs(5);
/// The name in the gate's certificate.
const SECURE_HOST: &str = "localhost";

/// A request and the moment at which it should have left.
struct Due {
    shot: Shot,
    at: Instant,
}

/// Connected callers.
pub(crate) struct Fleet {
    callers: Vec<Caller>,
    _connections: JoinSet<()>,
}

impl Fleet {
    /// Opens `count` connections to `port` on 127.0.0.1.
    pub(crate) async fn connect(port: u16, count: usize) -> Result<Self, Failure> {
        let mut connections = JoinSet::new();
        let mut callers = Vec::with_capacity(count);
        for _ in 0..count {
            let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
            stream.set_nodelay(true)?;
            let (line, connection) = http1::handshake(TokioIo::new(stream)).await?;
            connections.spawn(async move {
                let _ = connection.await;
            });
            let line = Line::Http1(line);
            callers.push(Caller { line });
        }
        Ok(Self {
            callers,
            _connections: connections,
        })
    }

    /// Opens one connection with TLS and HTTP/2 to `port` on 127.0.0.1, for `count` callers who share it.
    pub(crate) async fn multiplexed(
        port: u16,
        authority: &Path,
        count: usize,
    ) -> Result<Self, Failure> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(authority)?)?;
        let mut config = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from(SECURE_HOST)?;
        let connector = TlsConnector::from(Arc::new(config));
        let stream = connector.connect(name, stream).await?;
        let (line, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
        let mut connections = JoinSet::new();
        connections.spawn(async move {
            let _ = connection.await;
        });
        let callers = (0..count).map(|_| Caller {
            line: Line::Http2(line.clone()),
        });
        Ok(Self {
            callers: callers.collect(),
            _connections: connections,
        })
    }

    /// Shows the gate every token that is to count as seen before.
    pub(crate) async fn warm(&mut self, stock: &Stock) -> Result<(), Failure> {
        let caller = self.callers.first_mut().ok_or("no connection")?;
        for shot in stock.first_sight() {
            let (kind, status) = (shot.kind, caller.send(shot).await?);
            if status != kind.expected() {
                return Err(
                    format!("{}: {status} instead of {}", kind.name(), kind.expected()).into(),
                );
            }
        }
        Ok(())
    }

    /// Requests at a fixed rate for as long as `duration`, dealt out to the connections in turn.
    pub(crate) async fn open_loop(
        &mut self,
        plan: Plan,
        rate: u32,
        duration: Duration,
    ) -> Result<Tally, Failure> {
        let (lines, queues): (Vec<_>, Vec<_>) =
            self.callers.iter().map(|_| unbounded_channel()).unzip();
        let tally = RefCell::new(Tally::new()?);
        let stop = Instant::now() + duration + GRACE;
        let answering = self
            .callers
            .iter_mut()
            .zip(queues)
            .map(|(caller, queue)| caller.serve(queue, stop, &tally));
        let (paced, answered) =
            tokio::join!(pace(plan, rate, duration, lines), try_join_all(answering));
        paced?;
        answered?;
        Ok(tally.into_inner())
    }

    /// Requests from all connections for as long as `duration`, each as soon as the one before is answered.
    pub(crate) async fn closed_loop(
        &mut self,
        plan: Plan,
        duration: Duration,
    ) -> Result<Tally, Failure> {
        let stop = Instant::now() + duration;
        self.press(plan, || Instant::now() < stop).await
    }

    /// So many requests from all callers together, each as soon as the one before is answered.
    pub(crate) async fn times(&mut self, plan: Plan, requests: u32) -> Result<Tally, Failure> {
        let left = Cell::new(requests);
        let goes_on = || {
            let more = left.get().checked_sub(1);
            left.set(more.unwrap_or_default());
            more.is_some()
        };
        self.press(plan, goes_on).await
    }

    async fn press(&mut self, plan: Plan, goes_on: impl Fn() -> bool) -> Result<Tally, Failure> {
        let (tally, plan) = (RefCell::new(Tally::new()?), RefCell::new(plan));
        let callers = self.callers.iter_mut();
        try_join_all(callers.map(|caller| caller.press(&plan, &goes_on, &tally))).await?;
        Ok(tally.into_inner())
    }
}

/// Hands out each request when it is due. Yields instead of sleeping: a timer of the runtime is a millisecond coarse.
async fn pace(
    mut plan: Plan,
    rate: u32,
    duration: Duration,
    lines: Vec<UnboundedSender<Due>>,
) -> Result<(), Failure> {
    let (start, step) = (Instant::now(), Duration::from_secs(1) / rate);
    let mut at = start;
    for line in lines.iter().cycle() {
        if at >= start + duration {
            break;
        }
        while Instant::now() < at {
            tokio::task::yield_now().await;
        }
        line.send(Due {
            shot: plan.next_shot(),
            at,
        })?;
        at += step;
    }
    Ok(())
}

/// One who asks and waits.
struct Caller {
    line: Line,
}

/// Where requests go.
enum Line {
    /// A connection of its own.
    Http1(http1::SendRequest<Empty<Bytes>>),
    /// A shared one.
    Http2(http2::SendRequest<Empty<Bytes>>),
}

impl Caller {
    async fn serve(
        &mut self,
        mut queue: UnboundedReceiver<Due>,
        stop: Instant,
        tally: &RefCell<Tally>,
    ) -> Result<(), Failure> {
        while let Some(Due { shot, at }) = queue.recv().await {
            let kind = shot.kind;
            let right = Instant::now() < stop && self.send(shot).await? == kind.expected();
            tally.borrow_mut().count(kind, at.elapsed(), right);
        }
        Ok(())
    }

    async fn press(
        &mut self,
        plan: &RefCell<Plan>,
        goes_on: &impl Fn() -> bool,
        tally: &RefCell<Tally>,
    ) -> Result<(), Failure> {
        while goes_on() {
            let shot = plan.borrow_mut().next_shot();
            let (kind, sent) = (shot.kind, Instant::now());
            let right = self.send(shot).await? == kind.expected();
            tally.borrow_mut().count(kind, sent.elapsed(), right);
        }
        Ok(())
    }

    async fn send(&mut self, shot: Shot) -> Result<StatusCode, Failure> {
        let mut request = Request::builder();
        if let Some(authorization) = shot.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let response = self.line.send(request, shot.kind.path()).await?;
        let status = response.status();
        response.into_body().collect().await?;
        Ok(status)
    }
}

impl Line {
    async fn send(&mut self, request: Builder, path: &str) -> Result<Response<Incoming>, Failure> {
        match self {
            Self::Http1(line) => {
                let request = request.uri(path).header(HOST, "bench.example");
                line.ready().await?;
                Ok(line.send_request(request.body(Empty::new())?).await?)
            }
            Self::Http2(line) => {
                let request = request.uri(format!("https://{SECURE_HOST}{path}"));
                line.ready().await?;
                Ok(line.send_request(request.body(Empty::new())?).await?)
            }
        }
    }
}
