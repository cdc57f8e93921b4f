//! The built-in upstream: a small server that answers with what it received, so that a first run needs nothing else.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::thread::JoinHandle;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value, json};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use crate::net::Tasks;

/// A running echo; it stops when dropped.
#[derive(Debug)]
pub(super) struct Echo {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Echo {
    /// Starts on a free port of 127.0.0.1, on a thread of its own.
    pub(super) fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("echo".to_owned())
            .spawn(move || serve(&runtime, listener, stopped))?;
        Ok(Self {
            address,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Its address, as `url` of an upstream.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the echo did not end well");
        }
    }
}

fn serve(runtime: &Runtime, listener: TcpListener, stopped: oneshot::Receiver<()>) {
    runtime.block_on(async {
        let listener = match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => listener,
            Err(error) => return tracing::error!(%error, "the echo cannot listen"),
        };
        let accepting = accept(&listener, Tasks::default());
        tokio::select! {
            () = accepting => {}
            // Told to stop, or whoever could tell is gone.
            _ = stopped => {}
        }
    });
}

async fn accept(listener: &tokio::net::TcpListener, tasks: Tasks) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => tasks.spawn(async move {
                let answered = http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service_fn(answer))
                    .await;
                if let Err(error) = answered {
                    tracing::debug!(%error, "a connection to the echo ended early");
                }
            }),
            Err(error) => tracing::debug!(%error, "the echo missed a connection"),
        }
    }
}

/// What came, as JSON: `{"method": .., "target": .., "headers": {..}, "body": ".."}`.
async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = match Limited::new(body, LONGEST_BODY).collect().await {
        Ok(body) => String::from_utf8_lossy(&body.to_bytes()).into_owned(),
        Err(_) => "(longer than the echo cares to repeat)".to_owned(),
    };
    let seen = json!({
        "method": head.method.as_str(),
        "target": head.uri.to_string(),
        "headers": listed(&head.headers),
        "body": body,
    });
    let mut response = Response::new(Full::from(format!("{seen:#}\n")));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    Ok(response)
}

fn listed(headers: &HeaderMap) -> Map<String, Value> {
    let mut listed = Map::new();
    for name in headers.keys() {
        let values: Vec<_> = headers
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect();
        listed.insert(name.as_str().to_owned(), values.join(", ").into());
    }
    listed
}

const LONGEST_BODY: usize = 64 * 1024;
