//! What it costs to pass a request on: a server that answers by itself against one that asks an upstream on this machine.
//!
//! The difference of the two is the price of a new head, a kept connection and the way to the upstream and back, of
//! which most is the kernel's.

use std::convert::Infallible;
use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use criterion::Criterion;
use http::header::HOST;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tollgate::forward::{
    Forwarding, Reserved, Sending, Upstream, UpstreamSettings, UpstreamTimeouts, UpstreamTls,
    UpstreamUrl,
};
use tollgate::net::{Arrival, Body, Origin, Scheme, Target, Tasks};
use tollgate::observe::RequestIds;
use tollgate::permit::Demand;
use tollgate::token::Timestamp;
use tollgate::verify::Revocations;

static BODY: [u8; 1024] = [b'x'; 1024];
const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
/// The size of the pipe that stands for the client's connection.
const PIPE: usize = 64 * 1024;

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let mut criterion = Criterion::default().configure_from_args();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let tasks = Tasks::default();
    let relay = Arc::new(runtime.block_on(Relay::new(&tasks))?);
    let mut straight = runtime.block_on(connect(&tasks, None))?;
    let mut relayed = runtime.block_on(connect(&tasks, Some(relay)))?;
    let mut group = criterion.benchmark_group("one request");
    for (name, line) in [
        ("answered here", &mut straight),
        ("passed on", &mut relayed),
    ] {
        runtime.block_on(ask(line))?;
        group.bench_function(name, |bencher| bencher.iter(|| exchange(&runtime, line)));
    }
    group.finish();
    criterion.final_summary();
    Ok(())
}

type Line = SendRequest<Empty<Bytes>>;

fn exchange(runtime: &Runtime, line: &mut Line) -> bool {
    runtime.block_on(ask(line)).is_ok()
}

/// One request as browsers make them, and its whole answer.
async fn ask(line: &mut Line) -> Result<(), Failure> {
    let request = Request::get("/orders/7?expand=lines")
        .header(HOST, "api.example.com")
        .header("accept", "application/json")
        .header("accept-encoding", "gzip, br")
        .header("authorization", "Bearer none")
        .header("connection", "keep-alive")
        .header("user-agent", "bench/1.0")
        .body(Empty::new())?;
    line.ready().await?;
    let response = line.send_request(request).await?;
    if !response.status().is_success() {
        return Err(format!("{}", response.status()).into());
    }
    response.into_body().collect().await?;
    Ok(())
}

/// A connection to a server that passes requests on, or answers them itself.
async fn connect(tasks: &Tasks, relay: Option<Arc<Relay>>) -> Result<Line, Failure> {
    let (ours, theirs) = tokio::io::duplex(PIPE);
    let service = service_fn(move |request| answer(relay.clone(), request));
    tasks.spawn(async move {
        let _ = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(theirs), service)
            .await;
    });
    let (line, connection) = hyper::client::conn::http1::handshake(TokioIo::new(ours)).await?;
    tasks.spawn(async move {
        let _ = connection.await;
    });
    Ok(line)
}

async fn answer(
    relay: Option<Arc<Relay>>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Failure> {
    match relay {
        Some(relay) => relay.pass(request).await,
        None => Ok(Response::new(Body::Full(Bytes::from_static(&BODY)))),
    }
}

/// An upstream, and all that passing a request on to it takes.
struct Relay {
    upstream: Upstream,
    forwarding: Forwarding,
    reserved: Reserved,
    ids: RequestIds,
    client: HeaderValue,
    revocations: Revocations,
}

impl Relay {
    async fn new(tasks: &Tasks) -> Result<Self, Failure> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let settings = UpstreamSettings {
            url: url(listener.local_addr()?)?,
            timeouts: UpstreamTimeouts::default(),
            tls: UpstreamTls::default(),
        };
        tasks.spawn(serve(listener, tasks.clone()));
        Ok(Self {
            upstream: Upstream::new(Arc::from("bench"), &settings, 1, tasks.clone())?,
            forwarding: Forwarding::default(),
            reserved: Reserved::default(),
            ids: RequestIds::new(1),
            client: HeaderValue::from_static("203.0.113.9"),
            revocations: Revocations::default(),
        })
    }

    async fn pass(&self, request: Request<Incoming>) -> Result<Response<Body>, Failure> {
        let target = Target::parse(request.uri(), request.headers())
            .map_err(|error| format!("{error:?}"))?;
        let arrival = Arrival {
            id: self.ids.next(NOW),
            now: NOW,
            origin: Origin {
                client: IpAddr::V4(Ipv4Addr::LOCALHOST),
                scheme: Scheme::Http,
                path: None,
            },
            method: request.method().clone(),
            target,
        };
        let sending = Sending {
            arrival: &arrival,
            permit: &Demand::Nothing.admit(None)?,
            forwarding: &self.forwarding,
            reserved: &self.reserved,
            client: &self.client,
            worker: 0,
            body_idle: Duration::from_secs(30),
            revocations: &self.revocations,
        };
        Ok(self.upstream.send(request, &sending).await?.response)
    }
}

fn url(address: SocketAddr) -> Result<UpstreamUrl, Failure> {
    Ok(UpstreamUrl::parse(&format!("http://{address}"))?)
}

async fn serve(listener: TcpListener, tasks: Tasks) {
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let service = service_fn(async |_| {
            Ok::<_, Infallible>(Response::new(Body::Full(Bytes::from_static(&BODY))))
        });
        tasks.spawn(async move {
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}
