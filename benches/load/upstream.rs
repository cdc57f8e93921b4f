//! The upstream: answers every request at once with 1 KiB.

use std::convert::Infallible;
use std::io;
use std::net::Ipv4Addr;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

static BODY: [u8; 1024] = [b'x'; 1024];

/// A running upstream; ends when dropped.
pub(crate) struct Upstream {
    port: u16,
    _accepting: JoinSet<()>,
}

impl Upstream {
    /// Where it listens on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

/// Starts it on a port of the system's choice.
pub(crate) async fn start() -> io::Result<Upstream> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let port = listener.local_addr()?.port();
    let mut accepting = JoinSet::new();
    accepting.spawn(accept(listener));
    Ok(Upstream {
        port,
        _accepting: accepting,
    })
}

async fn accept(listener: TcpListener) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let serving = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service_fn(answer));
        connections.spawn(async move {
            let _ = serving.await;
        });
    }
}

async fn answer(_request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::new(Bytes::from_static(&BODY))))
}
