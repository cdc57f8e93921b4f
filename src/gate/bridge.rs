//! A WebSocket that ends here: each message is a request, judged and answered like any other.
//!
//! Who speaks how is the dialect's business ([`Socket`]); here is the connection: its signs of life, its bounds and its
//! end. A message is judged with the time at which it came, so a token that ends in the middle of a connection ends
//! there for the next message.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use futures_util::stream::FuturesUnordered;
use futures_util::{SinkExt, StreamExt};
use http::header::CONTENT_TYPE;
use http::response::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Interval, MissedTickBehavior, interval_at, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::handle::{arrive, fits, part, report};
use super::recorded::why;
use super::{Caller, Gate};
use crate::dialect::{Answered, Asker, Call, Dialect, Heard, Socket};
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

/// How many requests of one WebSocket are answered at once; more are not read before one is.
const AT_ONCE: usize = 16;

/// The longest message of a client, in bytes.
const LONGEST_MESSAGE: usize = 64 << 10;

/// The longest answer of an upstream that fits into a message, in bytes.
const LONGEST_ANSWER: usize = 1 << 20;

/// How long a client may take to say goodbye.
const FAREWELL: Duration = Duration::from_secs(2);

impl Bridge {
    /// Serves the connection to its end, and says how many bytes of text it sent.
    pub(super) async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send) -> u64 {
        let bounds = WebSocketConfig::default()
            .max_message_size(Some(LONGEST_MESSAGE))
            .max_frame_size(Some(LONGEST_MESSAGE));
        let stream = WebSocketStream::from_raw_socket(stream, Role::Server, Some(bounds)).await;
        let bridge = Arc::new(self);
        let mut line = Line {
            stream,
            patience: bridge.socket.patience,
            bytes: 0,
        };
        if let Some(code) = bridge.converse(&mut line).await {
            line.close(code).await;
        }
        line.bytes
    }

    /// Talks until there is a reason to close, or nobody left to tell it.
    async fn converse<S>(self: &Arc<Self>, line: &mut Line<S>) -> Option<CloseCode>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let socket = self.socket;
        line.say(socket.greeting.to_owned()).await?;
        let mut signs = Life::new(socket);
        let mut answers: FuturesUnordered<Answering> = FuturesUnordered::new();
        let mut draining = pin!(self.caller.peer.tasks.draining());
        let mut is_draining = false;
        loop {
            if is_draining && answers.is_empty() {
                return Some(CloseCode::Away);
            }
            let has_room = answers.len() < AT_ONCE && !is_draining;
            tokio::select! {
                biased;
                () = draining.as_mut(), if !is_draining => is_draining = true,
                _ = signs.beat.tick() => {
                    if signs.is_over(socket, has_room, answers.is_empty()) {
                        return Some(CloseCode::Away);
                    }
                    line.say((socket.ping)(self.gate.time.now())).await?;
                }
                Some(answer) = answers.next() => line.say(answer).await?,
                message = line.stream.next(), if has_room => match heard(message?, socket) {
                    Ok(Heard::Alive) => signs.shown = Instant::now(),
                    Ok(Heard::Answer(answer)) => line.say(answer).await?,
                    Ok(Heard::Call(call)) => {
                        signs.asked = Instant::now();
                        answers.push(Box::pin(Arc::clone(self).answer(call)));
                    }
                    Err(Deaf::Control) => {}
                    Err(Deaf::Wrong(code)) => return Some(code),
                    Err(Deaf::Gone) => return None,
                },
            }
        }
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
        let arrival = arrive(&request, &self.caller, record)?;
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

type Answering = Pin<Box<dyn Future<Output = String> + Send>>;

/// The connection itself.
struct Line<S> {
    stream: WebSocketStream<S>,
    patience: Duration,
    bytes: u64,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Line<S> {
    /// Sends a message; nothing comes back when nobody takes it.
    async fn say(&mut self, text: String) -> Option<()> {
        self.bytes += text.len() as u64;
        let sent = timeout(self.patience, self.stream.send(Message::text(text))).await;
        sent.ok()?.ok()
    }

    /// Says goodbye, and hears the other out.
    async fn close(&mut self, code: CloseCode) {
        let frame = CloseFrame {
            code,
            reason: "".into(),
        };
        let farewell = async {
            if self.stream.close(Some(frame)).await.is_ok() {
                while let Some(Ok(_)) = self.stream.next().await {}
            }
        };
        // Who does not say goodbye is gone all the same.
        let _ = timeout(FAREWELL, farewell).await;
    }
}

/// When the client last showed that it is there, and last wanted something.
struct Life {
    beat: Interval,
    shown: Instant,
    asked: Instant,
}

impl Life {
    fn new(socket: &Socket) -> Self {
        let first = tokio::time::Instant::now() + socket.heartbeat;
        let mut beat = interval_at(first, socket.heartbeat);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            beat,
            shown: Instant::now(),
            asked: Instant::now(),
        }
    }

    /// Whether nobody is there any more. While nothing is read, nobody can show themselves.
    fn is_over(&mut self, socket: &Socket, is_read: bool, is_idle: bool) -> bool {
        if !is_read {
            self.shown = Instant::now();
        }
        self.shown.elapsed() >= socket.patience || (is_idle && self.asked.elapsed() >= socket.idle)
    }
}

/// Why a message says nothing.
enum Deaf {
    /// It is about the connection, and has been dealt with.
    Control,
    /// It is none we take.
    Wrong(CloseCode),
    /// The connection is over.
    Gone,
}

fn heard(message: Result<Message, Error>, socket: &Socket) -> Result<Heard, Deaf> {
    match message {
        Ok(Message::Text(text)) => Ok((socket.read)(&text)),
        Ok(Message::Binary(_)) => Err(Deaf::Wrong(CloseCode::Unsupported)),
        // Whoever closes is answered while the rest is read.
        Ok(_) => Err(Deaf::Control),
        Err(Error::Capacity(_)) => Err(Deaf::Wrong(CloseCode::Size)),
        Err(Error::Utf8(_)) => Err(Deaf::Wrong(CloseCode::Invalid)),
        Err(Error::Protocol(_)) => Err(Deaf::Wrong(CloseCode::Protocol)),
        Err(_) => Err(Deaf::Gone),
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
