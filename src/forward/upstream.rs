//! One resource server: reaching it, sending it a permitted request, and giving its answer back.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use rustls::pki_types::ServerName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::body::{Bounds, ClientBody, Progress, UpstreamBody};
use super::connect::Endpoint;
use super::error::{ConnectError, ForwardError};
use super::pool::{Lease, Pool, Sender};
use super::request::{Forwarding, Reserved, outgoing};
use super::response;
use super::url::UpstreamUrl;
use crate::net::{Arrival, Body, Tasks, TrustError, client_config};
use crate::permit::Permit;
use crate::settings::{FilePath, Lifetime};
use crate::verify::{Identity, Revocations, VerifyError};

/// A resource server.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpstreamSettings {
    /// Where it is: `http://` or `https://`, a host, and a port if it is not the usual one.
    pub url: UpstreamUrl,
    /// How long to wait for it.
    #[serde(default)]
    pub timeouts: UpstreamTimeouts,
    /// How to recognise it over `https`.
    #[serde(default)]
    pub tls: UpstreamTls,
}

/// How long to wait for an upstream.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UpstreamTimeouts {
    /// For a connection, name and TLS included.
    pub connect: Lifetime,
    /// For the head of its answer, from the last sign of life of the request.
    pub response: Lifetime,
    /// For the next piece of a body.
    pub stream: Lifetime,
    /// How long an idle connection is kept. Keep it below the upstream's own limit.
    pub idle: Lifetime,
}

impl Default for UpstreamTimeouts {
    fn default() -> Self {
        Self {
            connect: Lifetime::seconds(3),
            response: Lifetime::seconds(30),
            stream: Lifetime::seconds(300),
            idle: Lifetime::seconds(60),
        }
    }
}

/// How to recognise an upstream over `https`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UpstreamTls {
    /// The certificate authority to trust, in PEM; default: those of the operating system.
    pub ca: Option<FilePath>,
    /// The name its certificate is for; default: the host of `url`.
    pub server_name: Option<String>,
}

/// A resource server and how to reach it.
pub struct Upstream {
    name: Arc<str>,
    endpoint: Endpoint,
    pub(super) timeouts: UpstreamTimeouts,
    pool: Arc<Pool>,
    tasks: Tasks,
}

/// Everything that goes into sending one request.
pub struct Sending<'a> {
    /// The request as it arrived.
    pub arrival: &'a Arrival,
    /// The proof that it may pass.
    pub permit: &'a Permit,
    /// How its route passes requests on.
    pub forwarding: &'a Forwarding,
    /// The identity fields of all routes.
    pub reserved: &'a Reserved,
    /// The client's address, as the upstream is told.
    pub client: &'a HeaderValue,
    /// Which worker's connections to use.
    pub worker: usize,
    /// How long the client may send nothing.
    pub body_idle: Duration,
    /// What takes a permit back before its time.
    pub revocations: &'a Revocations,
}

impl Sending<'_> {
    /// The identity under which something flows on, if it can be taken back meanwhile.
    pub(super) fn watched(&self) -> Option<Watched> {
        let identity = self.permit.identity()?;
        identity.can_be_taken_back().then(|| Watched {
            identity: Arc::clone(identity),
            revocations: self.revocations.clone(),
        })
    }
}

/// An identity under which something flows on after its request was judged.
pub(super) struct Watched {
    identity: Arc<Identity>,
    revocations: Revocations,
}

impl Watched {
    /// Whether it was taken back. One atomic read as long as nothing is.
    pub(super) fn is_taken_back(&self) -> bool {
        self.revocations.check(&self.identity).is_err()
    }

    /// Waits until it is, and says why.
    pub(super) fn taken_back(&self) -> TakenBack {
        let revocations = self.revocations.clone();
        Box::pin(revocations.until_taken_back(Arc::clone(&self.identity)))
    }
}

/// Comes to its end when an identity is taken back.
pub(super) type TakenBack = Pin<Box<dyn Future<Output = VerifyError> + Send>>;

/// The upstream's answer.
#[derive(Debug)]
pub struct Sent {
    /// The response, ready for the client.
    pub response: Response<Body>,
    /// How often it was tried.
    pub attempts: u32,
}

impl Upstream {
    /// An upstream by its settings, with connections for this many workers.
    pub fn new(
        name: Arc<str>,
        settings: &UpstreamSettings,
        workers: usize,
        tasks: Tasks,
    ) -> Result<Self, TrustError> {
        let host = settings.url.host().to_owned();
        let tls = if settings.url.is_https() {
            Some(recognise(&host, &settings.tls)?)
        } else {
            None
        };
        Ok(Self {
            name,
            endpoint: Endpoint {
                host,
                port: settings.url.port(),
                tls,
            },
            pool: Arc::new(Pool::new(workers, settings.timeouts.idle.duration())),
            timeouts: settings.timeouts.clone(),
            tasks,
        })
    }

    /// Its name in the operator's file.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Sends a permitted request, and gives the answer whose body is still flowing.
    ///
    /// A kept connection may have been closed by the upstream just now: a request of which no byte had left is sent
    /// again over a new one, once.
    pub fn send<'a>(
        &'a self,
        request: Request<Incoming>,
        sending: &'a Sending<'_>,
    ) -> impl Future<Output = Result<Sent, ForwardError>> + Send + 'a {
        let (head, incoming) = request.into_parts();
        let (body, progress) = client_body(incoming, sending);
        self.carry(Request::from_parts(head, body), progress, sending)
    }

    /// Sends a permitted request whose body is at hand.
    pub fn send_whole<'a>(
        &'a self,
        request: Request<Bytes>,
        sending: &'a Sending<'_>,
    ) -> impl Future<Output = Result<Sent, ForwardError>> + Send + 'a {
        self.carry(request.map(Body::from), Progress::default(), sending)
    }

    fn carry<'a>(
        &'a self,
        request: Request<Body>,
        progress: Progress,
        sending: &'a Sending<'_>,
    ) -> impl Future<Output = Result<Sent, ForwardError>> + Send + 'a {
        let request = outgoing(request, sending).map_err(ForwardError::Head);
        // Before anything is waited for: what waits is moved about, and a request is heavy.
        let begun = request.map(|request| match self.pool.take(sending.worker) {
            Some(kept) => Ok(ask(kept, request)),
            None => Err(Box::new(request)),
        });
        async move {
            let unsent = match begun? {
                Err(request) => (request, 1),
                Ok(asked) => match self.exchange(asked, &progress, sending).await {
                    Err(Failed::Unsent(request)) => (request, 2),
                    Err(Failed::Sent(error)) => return Err(error),
                    Ok(response) => {
                        return Ok(Sent {
                            response,
                            attempts: 1,
                        });
                    }
                },
            };
            Box::pin(self.send_fresh(unsent, &progress, sending)).await
        }
    }

    /// Connecting is rare and its state large: whoever calls this boxes it, so that no other request carries its weight.
    async fn send_fresh(
        &self,
        (request, attempts): (Box<Request<Body>>, u32),
        progress: &Progress,
        sending: &Sending<'_>,
    ) -> Result<Sent, ForwardError> {
        let fresh = self.connect().await.map_err(ForwardError::Connect)?;
        match self.exchange(ask(fresh, *request), progress, sending).await {
            Ok(response) => Ok(Sent { response, attempts }),
            Err(Failed::Unsent(_)) => Err(ForwardError::Connect(ConnectError::Closed)),
            Err(Failed::Sent(error)) => Err(error),
        }
    }

    /// A new connection, which is nobody else's.
    pub(super) async fn connect(&self) -> Result<Sender, ConnectError> {
        timeout(
            self.timeouts.connect.duration(),
            self.endpoint.connect(&self.tasks),
        )
        .await
        .unwrap_or(Err(ConnectError::Timeout))
    }

    async fn exchange(
        &self,
        (sender, answer): (Sender, Answering),
        progress: &Progress,
        sending: &Sending<'_>,
    ) -> Result<Response<Body>, Failed> {
        let answer = self.in_time(answer, progress).await.map_err(Failed::Sent)?;
        let response = answer.map_err(|mut error| match error.take_message() {
            Some(request) => Failed::Unsent(Box::new(request)),
            None => Failed::Sent(ForwardError::of_exchange(error.into_error())),
        })?;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Err(Failed::Sent(ForwardError::Unasked));
        }
        let lease = Lease {
            sender,
            pool: Some(Arc::clone(&self.pool)),
            worker: sending.worker,
        };
        Ok(self.deliver(response, lease, sending))
    }

    /// The answer as the client gets it. When its body has ended, the connection goes back where it came from.
    pub(super) fn deliver(
        &self,
        response: Response<Incoming>,
        lease: Lease,
        sending: &Sending<'_>,
    ) -> Response<Body> {
        let (mut head, incoming) = response.into_parts();
        response::filter(&mut head.headers, &sending.arrival.method, head.status);
        let lasts = incoming.size_hint().exact().is_none_or(|size| size > SHORT);
        let bounds = Bounds {
            idle: self.timeouts.stream.duration(),
            end: sending.permit.end(sending.arrival.now),
            watched: lasts.then(|| sending.watched()).flatten(),
        };
        let body = UpstreamBody::new(incoming, lease, bounds);
        let body = if http_body::Body::is_end_stream(&body) {
            Body::Empty
        } else {
            Body::stream(body)
        };
        Response::from_parts(head, body)
    }

    /// Waits for the head of the answer, as long as either side shows a sign of life.
    pub(super) async fn in_time<A>(
        &self,
        answer: impl Future<Output = A>,
        progress: &Progress,
    ) -> Result<A, ForwardError> {
        let mut answer = std::pin::pin!(answer);
        let mut seen = progress.frames();
        loop {
            if let Ok(answer) = timeout(self.timeouts.response.duration(), answer.as_mut()).await {
                return Ok(answer);
            }
            let frames = progress.frames();
            if frames == seen {
                return Err(ForwardError::Timeout);
            }
            seen = frames;
        }
    }
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Upstream({} at {}:{})",
            self.name, self.endpoint.host, self.endpoint.port
        )
    }
}

/// The longest body, in bytes, that is over before anybody could take its permit back.
const SHORT: u64 = 64 << 10;

/// How an exchange failed: before any byte of the request had left, or after.
enum Failed {
    Unsent(Box<Request<Body>>),
    Sent(ForwardError),
}

/// What came of a request on one connection: an answer, or the request again if no byte of it had left.
type Answered = Result<Response<Incoming>, TrySendError<Request<Body>>>;

/// Boxed, as it has room for a whole request, and everything that waits for it would move that about.
type Answering = Pin<Box<dyn Future<Output = Answered> + Send>>;

/// Hands a request to a connection, which begins to write it.
fn ask(mut sender: Sender, request: Request<Body>) -> (Sender, Answering) {
    let answer = Box::pin(sender.try_send_request(request));
    (sender, answer)
}

fn client_body(incoming: Incoming, sending: &Sending<'_>) -> (Body, Progress) {
    if http_body::Body::is_end_stream(&incoming) {
        return (Body::Empty, Progress::default());
    }
    let body = ClientBody::new(incoming, sending.forwarding.body_limit, sending.body_idle);
    let progress = body.progress();
    (Body::stream(body), progress)
}

fn recognise(
    host: &str,
    settings: &UpstreamTls,
) -> Result<(Arc<rustls::ClientConfig>, ServerName<'static>), TrustError> {
    let name = settings.server_name.as_deref().unwrap_or(host);
    let bare = name
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    let server_name = ServerName::try_from(bare).map_err(|_| TrustError::Name(name.to_owned()))?;
    Ok((
        client_config(settings.ca.as_ref().map(FilePath::as_path), &[b"http/1.1"])?,
        server_name,
    ))
}
