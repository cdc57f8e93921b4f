//! A WebSocket that ends here, as a connection: what is heard and said, signs of life, bounds, and the end.
//!
//! What a call is about and who answers it is somebody else's business. Up to 16 are answered at once, and their answers
//! go out as they come; while there is no room for another, nothing is read.

use std::pin::{Pin, pin};
use std::time::{Duration, Instant};

use futures_util::stream::FuturesUnordered;
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Interval, MissedTickBehavior, interval_at, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::dialect::{Call, Heard, Socket};
use crate::token::TimeSource;

/// What is said over one WebSocket.
pub(super) struct Conversation<A> {
    /// In which language.
    pub(super) socket: &'static Socket,
    /// What the clock says in it.
    pub(super) time: TimeSource,
    /// Who answers.
    pub(super) answer: A,
}

/// An answer on its way.
pub(super) type Answering<'a> = Pin<Box<dyn Future<Output = String> + Send + 'a>>;

/// How many requests of one WebSocket are answered at once; more are not read before one is.
const AT_ONCE: usize = 16;

/// The longest message of a client, in bytes.
const LONGEST_MESSAGE: usize = 64 << 10;

/// How long a client may take to say goodbye.
const FAREWELL: Duration = Duration::from_secs(2);

impl<'a, A: Fn(Call) -> Answering<'a>> Conversation<A> {
    /// Holds it to its end, which `draining` hastens, and says how many bytes of text were said.
    pub(super) async fn hold<S>(&self, stream: S, draining: impl Future<Output = ()>) -> u64
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let bounds = WebSocketConfig::default()
            .max_message_size(Some(LONGEST_MESSAGE))
            .max_frame_size(Some(LONGEST_MESSAGE));
        let stream = WebSocketStream::from_raw_socket(stream, Role::Server, Some(bounds)).await;
        let mut line = Line {
            stream,
            patience: self.socket.patience,
            bytes: 0,
        };
        if let Some(code) = self.converse(&mut line, draining).await {
            line.close(code).await;
        }
        line.bytes
    }

    /// Talks until there is a reason to close, or nobody left to tell it.
    async fn converse<S>(
        &self,
        line: &mut Line<S>,
        draining: impl Future<Output = ()>,
    ) -> Option<CloseCode>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let socket = self.socket;
        line.say(socket.greeting.to_owned()).await?;
        let mut signs = Life::new(socket);
        let mut answers: FuturesUnordered<Answering<'a>> = FuturesUnordered::new();
        let mut draining = pin!(draining);
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
                    line.say((socket.ping)(self.time.now())).await?;
                }
                Some(answer) = answers.next() => line.say(answer).await?,
                message = line.stream.next(), if has_room => match heard(message?, socket) {
                    Ok(Heard::Alive) => signs.shown = Instant::now(),
                    Ok(Heard::Answer(answer)) => line.say(answer).await?,
                    Ok(Heard::Call(call)) => {
                        signs.asked = Instant::now();
                        answers.push((self.answer)(call));
                    }
                    Err(Deaf::Control) => {}
                    Err(Deaf::Wrong(code)) => return Some(code),
                    Err(Deaf::Gone) => return None,
                },
            }
        }
    }
}

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

#[cfg(test)]
mod tests {
    use futures_util::future::{pending, ready};
    use http::Method;
    use http::uri::PathAndQuery;
    use serde_json::Value;
    use tokio::io::{DuplexStream, duplex};

    use super::*;
    use crate::dialect::Answered;
    use crate::net::Tasks;
    use crate::token::Timestamp;

    /// Nothing but signs of life and one question. What a test does not look at is longer than it lasts.
    const CALM: Socket = Socket {
        path: "/ws",
        greeting: "hello",
        heartbeat: Duration::from_millis(10),
        patience: Duration::from_mins(1),
        idle: Duration::from_mins(1),
        ping: |now: Timestamp| format!("ping {}", now.seconds()),
        read: |text: &str| match text {
            "pong" => Heard::Alive,
            "what?" => Heard::Answer("that".to_owned()),
            _ => Heard::Call(Call {
                id: Value::Null,
                method: Method::GET,
                path: PathAndQuery::from_static("/"),
                body: bytes::Bytes::new(),
            }),
        },
        write: |_: &Call, _: &Answered<'_>| String::new(),
    };
    static IMPATIENT: Socket = Socket {
        patience: Duration::from_millis(100),
        ..CALM
    };
    static BUSY: Socket = Socket {
        idle: Duration::from_millis(200),
        ..CALM
    };

    type Client = WebSocketStream<DuplexStream>;

    /// Begins a conversation in which questions are answered by `answer`, and gives the other end of it.
    async fn begin(socket: &'static Socket, answer: fn(Call) -> Answering<'static>) -> Client {
        let (ours, theirs) = duplex(1 << 16);
        let time = TimeSource::manual(Timestamp::from_seconds(1_800_000_000));
        let conversation = Conversation {
            socket,
            time,
            answer,
        };
        Tasks::default().spawn(async move {
            conversation.hold(ours, pending()).await;
        });
        let mut client = WebSocketStream::from_raw_socket(theirs, Role::Client, None).await;
        assert_eq!(next(&mut client).await, Ok("hello".to_owned()));
        client
    }

    /// The next text, or how the other side closed.
    async fn next(client: &mut Client) -> Result<String, CloseCode> {
        loop {
            match client.next().await.unwrap().unwrap() {
                Message::Text(text) => return Ok(text.to_string()),
                Message::Close(frame) => return Err(frame.unwrap().code),
                _ => {}
            }
        }
    }

    /// Answers every sign of life until the end, and says what else was heard and how it ended.
    async fn stay(client: &mut Client) -> (Vec<String>, CloseCode) {
        let mut heard = Vec::new();
        loop {
            match next(client).await {
                Ok(text) if text.starts_with("ping") => {
                    let _ = client.send(Message::text("pong")).await;
                }
                Ok(text) => heard.push(text),
                Err(code) => return (heard, code),
            }
        }
    }

    fn at_once(_: Call) -> Answering<'static> {
        Box::pin(ready("answer".to_owned()))
    }

    fn never(_: Call) -> Answering<'static> {
        Box::pin(pending())
    }

    #[tokio::test]
    async fn who_shows_no_sign_of_life_is_let_go_when_patience_is_over() {
        let began = Instant::now();
        let mut client = begin(&IMPATIENT, at_once).await;
        let mut pings = 0;
        let code = loop {
            // Whatever else is said is no sign of life.
            let _ = client.send(Message::text("what?")).await;
            match next(&mut client).await {
                Ok(text) if text.starts_with("ping") => {
                    assert_eq!(text, "ping 1800000000");
                    pings += 1;
                }
                Ok(text) => assert_eq!(text, "that"),
                Err(code) => break code,
            }
        };
        assert_eq!(code, CloseCode::Away);
        assert!(pings > 0 && began.elapsed() >= IMPATIENT.patience);
    }

    #[tokio::test]
    async fn who_asks_for_nothing_is_let_go_whatever_signs_of_life_it_shows() {
        let began = Instant::now();
        let mut client = begin(&BUSY, at_once).await;
        let (heard, code) = stay(&mut client).await;
        assert_eq!((heard.len(), code), (0, CloseCode::Away));
        assert!(began.elapsed() >= BUSY.idle);
    }

    #[tokio::test]
    async fn who_asks_stays_for_as_long_again() {
        let mut client = begin(&BUSY, at_once).await;
        while next(&mut client).await != Ok("ping 1800000000".to_owned()) {}
        let asked = Instant::now();
        client.send(Message::text("do")).await.unwrap();
        let (heard, code) = stay(&mut client).await;
        assert_eq!((heard.len(), code), (1, CloseCode::Away));
        assert!(asked.elapsed() >= BUSY.idle);
    }

    #[tokio::test]
    async fn who_waits_for_an_answer_is_not_idle() {
        let mut client = begin(&BUSY, never).await;
        client.send(Message::text("do")).await.unwrap();
        let staying = timeout(3 * BUSY.idle, stay(&mut client)).await;
        assert!(staying.is_err(), "{staying:?}");
    }

    #[tokio::test]
    async fn while_nothing_is_read_nobody_is_missed() {
        let mut client = begin(&IMPATIENT, never).await;
        for _ in 0..AT_ONCE {
            client.send(Message::text("do")).await.unwrap();
        }
        let waiting = timeout(3 * IMPATIENT.patience, async {
            while next(&mut client).await.is_ok() {}
        });
        assert!(waiting.await.is_err());
    }
}
