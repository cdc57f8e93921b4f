//! A WebSocket that ends here: each message is a request, judged and answered like any other.
//!
//! Who speaks how is the dialect's business ([`Socket`]), and the connection is that of `conversation`; here is what
//! becomes of a message. It is judged with the time at which it came, so a token that ends or is taken back in the middle
//! of a connection ends there for the next message.

use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use http::response::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use tokio::io::{AsyncRead, AsyncWrite};

use super::conversation::{Answering, Conversation};
use super::handle::{fits, part, report};
use super::recorded::why;
use super::{Caller, Gate};
use crate::dialect::{Answered, Asker, Call, Dialect, Socket};
use crate::net::Body;
use crate::observe::{Record, Refusal};
use crate::route::Destination;

/// One WebSocket and what is known of it from its beginning.
pub(super) struct Bridge {
    pub(super) gate: Arc<Gate>,
    pub(super) caller: Arc<Caller>,
    pub(super) socket: &'static Socket,
    /// Who phrases refusals where nobody else does.
    pub(super) voice: Arc<dyn Dialect>,
    /// What stands before the path of every request.
    pub(super) prefix: Box<str>,
    /// The fields of every request.
    pub(super) fields: HeaderMap,
}

/// The longest answer of an upstream that fits into a message, in bytes.
const LONGEST_ANSWER: usize = 1 << 20;

impl Bridge {
    /// Serves the connection to its end, and says how many bytes of text it sent.
    pub(super) async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send) -> u64 {
        let bridge = Arc::new(self);
        let conversation = Conversation {
            socket: bridge.socket,
            time: bridge.gate.time.clone(),
            answer: |call| -> Answering<'static> { Box::pin(Arc::clone(&bridge).answer(call)) },
        };
        let draining = bridge.caller.peer.tasks.draining();
        conversation.hold(stream, draining).await
    }

    /// One request and its answer, with a record of its own.
    async fn answer(self: Arc<Self>, call: Call) -> String {
        let request = self.request(&call);
        let mut record = self.gate.open(&request, &self.caller);
        let (head, body, is_ours) = match self.ask(request, &mut record).await {
            Ok(answer) => answer,
            Err(refusal) => {
                let otherwise = Some(&*self.voice);
                let refused = self.gate.phrase(&refusal, &mut record, otherwise);
                let (head, body) = refused.into_parts();
                (head, whole(body).await.unwrap_or_default(), true)
            }
        };
        record.status = head.status;
        record.bytes_out = body.len() as u64;
        let answered = Answered {
            status: head.status,
            is_json: is_json(&head.headers),
            body: &body,
            is_ours,
        };
        (self.socket.write)(&call, &answered)
    }

    /// The whole answer to a request, and whether its words are our own.
    async fn ask(
        &self,
        request: Request<Bytes>,
        record: &mut Record,
    ) -> Result<(Parts, Bytes, bool), Refusal> {
        let (response, is_ours) = self.pass(request, record).await?;
        let (head, body) = response.into_parts();
        Ok((head, whole(body).await?, is_ours))
    }

    /// Judges a request and has it answered.
    async fn pass(
        &self,
        request: Request<Bytes>,
        record: &mut Record,
    ) -> Result<(Response<Body>, bool), Refusal> {
        let arrival = self.gate.arrive(&request, &self.caller, record)?;
        let passage = self
            .gate
            .judge(request.headers(), &arrival, &self.caller, &mut record.trail)
            .await?;
        match &passage.route.destination {
            Destination::Mount(mount) => {
                let asker = Asker {
                    peer_ip: arrival.origin.client,
                    now: arrival.now,
                    request_id: arrival.id.as_str(),
                    identity: passage.permit.identity(),
                };
                let mut request = request.map(|body| {
                    Full::new(body).map_err(|never| -> hyper::Error { match never {} })
                });
                *request.uri_mut() = Uri::from(arrival.target.path_and_query().clone());
                Ok((mount.serve(request, &asker).await, true))
            }
            // Pages are for people.
            Destination::Pages(_) => Err(Refusal::NoRoute),
            Destination::Upstream(upstream, forwarding) => {
                fits(request.body().len() as u64, forwarding)?;
                let sending = self
                    .gate
                    .sending(&arrival, &passage, forwarding, &self.caller);
                let begun = Instant::now();
                let outcome = upstream.send_whole(request, &sending).await;
                record.upstream = Some(part(upstream, begun, &outcome));
                match outcome {
                    Ok(sent) => Ok((sent.response, false)),
                    Err(error) => Err(report(&error, upstream, &arrival)),
                }
            }
        }
    }

    fn request(&self, call: &Call) -> Request<Bytes> {
        let mut request = Request::new(call.body.clone());
        *request.method_mut() = call.method.clone();
        let path = if self.prefix.is_empty() {
            call.path.clone()
        } else {
            // Both parts are paths; were they none together, nothing would be found at the root.
            PathAndQuery::try_from(format!("{}{}", self.prefix, call.path))
                .unwrap_or_else(|_| PathAndQuery::from_static("/"))
        };
        *request.uri_mut() = Uri::from(path);
        request.headers_mut().clone_from(&self.fields);
        if !call.body.is_empty() {
            let kind = HeaderValue::from_static("application/json");
            request.headers_mut().insert(CONTENT_TYPE, kind);
        }
        request
    }
}

/// The whole body of an answer, if it fits into a message.
async fn whole(mut body: Body) -> Result<Bytes, Refusal> {
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| why(&error))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if whole.len() + data.len() > LONGEST_ANSWER {
            return Err(Refusal::UpstreamError);
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or("");
    let kind = kind.trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}
