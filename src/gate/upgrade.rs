//! A request for a WebSocket: joined to the upstream's, bridged, or treated like any other.
//!
//! All of it is rare, and none of it in the way of other requests.

use std::sync::Arc;
use std::time::Instant;

use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::bridge::Bridge;
use super::handle::{close, part, report};
use super::{Caller, Gate, Recorded};
use crate::dialect::{Dialect, Socket};
use crate::forward::{Joined, Sending, Switch, Tunnel, Upstream};
use crate::net::{Arrival, Body};
use crate::observe::{Record, Refusal};
use crate::route::{Destination, Route, SocketHandling};
use crate::verify;

/// What becomes of a connection after the answer.
enum Next {
    /// It stays what it was, or closes.
    Nothing,
    /// It is joined to the upstream's.
    Tunnel(Tunnel),
    /// Its messages are requests.
    Bridge(Bridge),
}

/// What a route does with a request for a WebSocket.
enum Plan<'a> {
    /// It is a request like any other.
    None,
    /// The upstream is asked.
    Join,
    /// It ends here, in this language.
    Bridge(&'static Socket, &'a Arc<dyn Dialect>, &'a str),
}

impl Gate {
    /// Answers a request for a WebSocket.
    pub(super) async fn switch(
        self: &Arc<Self>,
        mut request: Request<Incoming>,
        caller: &Arc<Caller>,
        mut record: Box<Record>,
    ) -> Response<Recorded> {
        let wish = hyper::upgrade::on(&mut request);
        let (response, next) = match self.negotiate(request, caller, &mut record).await {
            Ok(negotiated) => negotiated,
            Err(refusal) => (self.refuse(&refusal, true, &mut record), Next::Nothing),
        };
        record.status = response.status();
        match next {
            Next::Nothing => return close(last(response), record),
            Next::Tunnel(tunnel) => {
                let through = through(wish, tunnel, record);
                caller.peer.tasks.spawn(through);
            }
            Next::Bridge(bridge) => {
                let across = across(wish, bridge, record);
                caller.peer.tasks.spawn(across);
            }
        }
        response.map(|_| Recorded::elsewhere())
    }

    async fn negotiate(
        self: &Arc<Self>,
        mut request: Request<Incoming>,
        caller: &Arc<Caller>,
        record: &mut Record,
    ) -> Result<(Response<Body>, Next), Refusal> {
        let mut arrival = self.arrive(&request, caller, record)?;
        self.is_the_right_connection(&arrival, caller)?;
        let route = Arc::clone(self.routes.find(&arrival.method, &arrival.target)?);
        let plan = plan(&route, arrival.target.path());
        if let Plan::None = plan {
            let admitted = self.admit(&request, caller, record).await?;
            let response = self.carry(request, &admitted, caller, record).await?;
            return Ok((response, Next::Nothing));
        }
        verify::lift(
            &mut arrival.target,
            request.headers_mut(),
            &route.accepts.carriers,
        )?;
        record.request.path = Some(arrival.target.path_and_query().clone());
        let Plan::Bridge(socket, voice, prefix) = plan else {
            return self.join(request, &arrival, caller, record).await;
        };
        record.trail.route = Some(Arc::clone(&route.name));
        // Each of its messages is judged; that somebody may send some is open to all.
        record.trail.public = true;
        let response = welcome(request.headers())?;
        let (head, _) = request.into_parts();
        let bridge = Bridge {
            gate: Arc::clone(self),
            caller: Arc::clone(caller),
            socket,
            voice: Arc::clone(voice),
            prefix: Box::from(prefix),
            fields: fields(head.headers),
        };
        Ok((response, Next::Bridge(bridge)))
    }

    /// Asks the upstream, if the request may pass.
    async fn join(
        &self,
        request: Request<Incoming>,
        arrival: &Arrival,
        caller: &Caller,
        record: &mut Record,
    ) -> Result<(Response<Body>, Next), Refusal> {
        let passage = self
            .judge(request.headers(), arrival, caller, &mut record.trail)
            .await?;
        let Destination::Upstream(upstream, forwarding) = &passage.route.destination else {
            return Err(Refusal::NoRoute);
        };
        let sending = self.sending(arrival, &passage, forwarding, caller);
        ask(request, upstream, &sending, record).await
    }
}

async fn ask(
    request: Request<Incoming>,
    upstream: &Upstream,
    sending: &Sending<'_>,
    record: &mut Record,
) -> Result<(Response<Body>, Next), Refusal> {
    let begun = Instant::now();
    let outcome = upstream.switch(request.map(|_| ()), sending).await;
    let (outcome, next) = match outcome {
        Ok(Switch::Agreed(sent, tunnel)) => (Ok(sent), Next::Tunnel(tunnel)),
        Ok(Switch::Declined(sent)) => (Ok(sent), Next::Nothing),
        Err(error) => (Err(error), Next::Nothing),
    };
    record.upstream = Some(part(upstream, begun, &outcome));
    match outcome {
        Ok(sent) => Ok((sent.response, next)),
        Err(error) => Err(report(&error, upstream, sending.arrival)),
    }
}

fn plan<'a>(route: &'a Route, path: &str) -> Plan<'a> {
    match (&route.destination, route.socket) {
        (Destination::Mount(mount), _) => match mount.socket(path) {
            Some(socket) => Plan::Bridge(socket, mount.dialect(), mount.prefix()),
            None => Plan::None,
        },
        (Destination::Upstream(..), SocketHandling::Pass) => Plan::Join,
        (Destination::Pages(_), _) | (Destination::Upstream(..), SocketHandling::Off) => Plan::None,
        (Destination::Upstream(..), SocketHandling::Bridge) => {
            // The file is not accepted where nobody speaks.
            let voice = route.voice.as_ref();
            voice
                .and_then(|voice| Some(Plan::Bridge(voice.socket()?, voice, "")))
                .unwrap_or(Plan::None)
        }
    }
}

/// Whoever asked for another protocol and did not get it may have sent its first words already: nothing behind the
/// request is read as another one.
fn last(mut response: Response<Body>) -> Response<Body> {
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(CONNECTION, close);
    response
}

async fn through(wish: OnUpgrade, tunnel: Tunnel, mut record: Box<Record>) {
    // Without, the client left before it was told.
    let Ok(client) = wish.await else { return };
    let (ended, bytes) = tunnel.join(client).await;
    record.bytes_out = bytes;
    match ended {
        Joined::Closed => {}
        Joined::Idle => record.trail.refuse(&Refusal::UpstreamTimeout),
        Joined::PermitEnded => record.trail.refuse(&Refusal::Revoked),
        Joined::TakenBack(error) => record.trail.refuse(&Refusal::from(error)),
    }
}

async fn across(wish: OnUpgrade, bridge: Bridge, mut record: Box<Record>) {
    let Ok(client) = wish.await else { return };
    record.bytes_out = bridge.serve(hyper_util::rt::TokioIo::new(client)).await;
}

/// The answer that makes a connection a WebSocket (RFC 6455 §4.2.2).
fn welcome(headers: &HeaderMap) -> Result<Response<Body>, Refusal> {
    let field = |name| {
        let mut values = headers.get_all(name).iter();
        values.next().filter(|_| values.next().is_none())
    };
    if field(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(Refusal::BadRequest("the WebSocket is not of version 13"));
    }
    let key = field(SEC_WEBSOCKET_KEY).filter(|key| key.len() == KEY_LENGTH);
    let key = key.ok_or(Refusal::BadRequest("the WebSocket has no key"))?;
    let accept = HeaderValue::try_from(derive_accept_key(key.as_bytes()))
        .map_err(|_| Refusal::BadRequest("the WebSocket has no key"))?;
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let fields = response.headers_mut();
    fields.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    fields.insert(UPGRADE, HeaderValue::from_static("websocket"));
    fields.insert(SEC_WEBSOCKET_ACCEPT, accept);
    Ok(response)
}

/// What was said of the client once and holds for each of its messages: everything but what made the WebSocket.
fn fields(headers: HeaderMap) -> HeaderMap {
    let names: Vec<_> = headers
        .keys()
        .filter(|name| {
            name.as_str().starts_with("sec-websocket-")
                || matches!(
                    name.as_str(),
                    "connection" | "upgrade" | "content-type" | "content-length"
                )
        })
        .cloned()
        .collect();
    let mut headers = headers;
    for name in names {
        headers.remove(name);
    }
    headers
}

/// Sixteen bytes in base64.
const KEY_LENGTH: usize = 24;
