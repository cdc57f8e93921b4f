//! U1, the upstream that remembers: every byte of every connection, and every request as it arrived.
//!
//! It reads HTTP/1.1 with a parser of its own that forgives nothing: one framing header, CR LF only, no chunk extensions. What
//! it dislikes becomes a [`Connection::faults`] entry and ends the connection, so a test may assert that nothing reached it
//! that two parsers could read in two ways.
//!
//! By default it answers `200` with the body `ok` and keeps the connection. [`Upstream::next`] scripts single replies,
//! [`Upstream::always`] and [`Upstream::answer_with`] replace the default.

mod parse;
mod reply;

use std::{
    collections::VecDeque,
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::either::Either;

pub(crate) use self::reply::{Reply, Valve};
use self::{parse::Reading, reply::Step};
use super::{Task, authority::authority, outside, until};

/// An upstream on a port of its own, gone when dropped.
pub(crate) struct Upstream {
    address: SocketAddr,
    secure: bool,
    shared: Arc<Shared>,
    task: Option<Task>,
}

/// One request as it arrived.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Which connection brought it, counted from 0.
    pub(crate) connection: usize,
    /// The method, letter for letter.
    pub(crate) method: String,
    /// The request target, letter for letter.
    pub(crate) target: String,
    /// The headers in order, names as received.
    pub(crate) headers: Vec<(String, String)>,
    /// The body without its framing.
    pub(crate) body: Vec<u8>,
    /// The trailers in order, names as received.
    pub(crate) trailers: Vec<(String, String)>,
    /// Whether the message came to its end.
    pub(crate) complete: bool,
}

/// One connection and all that came over it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Connection {
    /// Every byte received, after TLS.
    pub(crate) bytes: Vec<u8>,
    /// What the strict parser found wrong.
    pub(crate) faults: Vec<String>,
    /// Whether it is over.
    pub(crate) closed: bool,
}

type Answering = Arc<dyn Fn(&Seen) -> Reply + Send + Sync>;
type Stream = Either<TcpStream, Box<TlsStream<TcpStream>>>;

struct Shared {
    log: Mutex<Log>,
    script: Mutex<VecDeque<Reply>>,
    answering: Mutex<Answering>,
    /// Steps taken as soon as a connection is accepted, before anything is read.
    greeting: Mutex<Vec<Step>>,
}

#[derive(Default)]
struct Log {
    connections: Vec<Connection>,
    requests: Vec<Seen>,
}

impl Upstream {
    /// Starts an upstream on plain TCP.
    pub(crate) async fn start() -> Self {
        Self::listen(None).await
    }

    /// Starts an upstream on TLS, certified by the common authority for `localhost` and `127.0.0.1`.
    pub(crate) async fn secure() -> Self {
        let config = authority().server(&["localhost", "127.0.0.1"]);
        Self::listen(Some(TlsAcceptor::from(config))).await
    }

    /// The address of a server that is not there: connections to it are refused.
    pub(crate) fn nobody() -> SocketAddr {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        socket.local_addr().unwrap()
    }

    async fn listen(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut upstream = Self {
            address: listener.local_addr().unwrap(),
            secure: tls.is_some(),
            shared: Arc::new(Shared::new()),
            task: None,
        };
        upstream.task = Some(outside(accept(listener, tls, upstream.shared.clone())));
        upstream
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL without a path: `http://127.0.0.1:PORT` or `https://localhost:PORT`.
    pub(crate) fn url(&self) -> String {
        if self.secure {
            format!("https://localhost:{}", self.address.port())
        } else {
            format!("http://{}", self.address)
        }
    }

    /// Scripts the reply to the next request that has none yet.
    pub(crate) fn next(&self, reply: Reply) {
        self.shared.script.lock().unwrap().push_back(reply);
    }

    /// Answers every unscripted request with this from now on.
    pub(crate) fn always(&self, reply: Reply) {
        self.answer_with(move |_| reply.clone());
    }

    /// Answers every unscripted request by this function from now on.
    pub(crate) fn answer_with(&self, answering: impl Fn(&Seen) -> Reply + Send + Sync + 'static) {
        *self.shared.answering.lock().unwrap() = Arc::new(answering);
    }

    /// Answers every unscripted request with JSON of what it received: `method`, `target`, `headers` (name in lower case to
    /// list of values) and `body`.
    pub(crate) fn echo(&self) {
        self.answer_with(|seen| Reply::json(200, &seen.as_json()));
    }

    /// Closes every new connection at once, or treats them normally again.
    pub(crate) fn slam_doors(&self, slam: bool) {
        *self.shared.greeting.lock().unwrap() = if slam { vec![Step::Close] } else { Vec::new() };
    }

    /// Stops listening and drops every connection.
    pub(crate) fn stop(&mut self) {
        self.task = None;
    }

    /// Every request so far, unfinished ones included, in order of arrival.
    pub(crate) fn requests(&self) -> Vec<Seen> {
        self.shared.log().requests.clone()
    }

    /// Every connection so far.
    pub(crate) fn connections(&self) -> Vec<Connection> {
        self.shared.log().connections.clone()
    }

    /// Every byte received so far, all connections together.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.shared
            .log()
            .connections
            .iter()
            .flat_map(|connection| connection.bytes.clone())
            .collect()
    }

    /// Whether not one byte has arrived yet.
    pub(crate) fn is_untouched(&self) -> bool {
        self.shared
            .log()
            .connections
            .iter()
            .all(|connection| connection.bytes.is_empty())
    }

    /// The only request so far.
    ///
    /// # Panics
    /// When there were none, or several.
    pub(crate) fn only(&self) -> Seen {
        let requests = self.requests();
        assert_eq!(
            requests.len(),
            1,
            "exactly one request should have reached the upstream: {requests:#?}"
        );
        requests.into_iter().next().unwrap()
    }

    /// The newest request.
    ///
    /// # Panics
    /// When there was none.
    pub(crate) fn last(&self) -> Seen {
        self.requests()
            .pop()
            .expect("a request should have reached the upstream")
    }

    /// Everything the strict parser disliked so far.
    pub(crate) fn faults(&self) -> Vec<String> {
        self.shared
            .log()
            .connections
            .iter()
            .flat_map(|connection| connection.faults.clone())
            .collect()
    }

    /// Waits until that many requests have begun to arrive.
    pub(crate) async fn received(&self, count: usize) {
        until(&format!("{count} requests reached the upstream"), || {
            (self.requests().len() >= count).then_some(())
        })
        .await;
    }

    /// Waits until no connection is open.
    pub(crate) async fn abandoned(&self) {
        until("every connection to the upstream was closed", || {
            self.connections()
                .iter()
                .all(|connection| connection.closed)
                .then_some(())
        })
        .await;
    }
}

impl Seen {
    /// All values of a header, its name compared without regard to case.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let wanted = self
            .headers
            .iter()
            .filter(|(known, _)| known.eq_ignore_ascii_case(name));
        wanted.map(|(_, value)| value.as_str()).collect()
    }

    /// The value of a header, if it is there at all.
    ///
    /// # Panics
    /// When it is there twice.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(
            all.len() < 2,
            "{name} reached the upstream {} times: {all:?}",
            all.len()
        );
        all.first().copied()
    }

    /// All values whose header name equals `name` once lower-cased and with `_` and `.` read as `-`: how a careless
    /// application server would look it up.
    pub(crate) fn alike(&self, name: &str) -> Vec<&str> {
        let plain = |name: &str| name.to_ascii_lowercase().replace(['_', '.'], "-");
        let wanted = self
            .headers
            .iter()
            .filter(|(known, _)| plain(known) == plain(name));
        wanted.map(|(_, value)| value.as_str()).collect()
    }

    /// What the echo answers.
    pub(crate) fn as_json(&self) -> serde_json::Value {
        let mut headers = serde_json::Map::new();
        for (name, value) in &self.headers {
            let values = headers
                .entry(name.to_ascii_lowercase())
                .or_insert_with(|| serde_json::json!([]));
            values.as_array_mut().unwrap().push(value.clone().into());
        }
        let body = String::from_utf8_lossy(&self.body);
        serde_json::json!({ "method": self.method, "target": self.target, "headers": headers, "body": body })
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Upstream").field(&self.address).finish()
    }
}

impl Shared {
    fn new() -> Self {
        Self {
            log: Mutex::default(),
            script: Mutex::default(),
            answering: Mutex::new(Arc::new(|_: &Seen| Reply::ok())),
            greeting: Mutex::default(),
        }
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap()
    }

    /// The scripted reply if it is one of those that do not wait for the body.
    fn early_reply(&self) -> Option<Reply> {
        let mut script = self.script.lock().unwrap();
        if script.front().is_some_and(Reply::is_early) {
            script.pop_front()
        } else {
            None
        }
    }

    fn reply(&self, seen: &Seen) -> Reply {
        if let Some(reply) = self.script.lock().unwrap().pop_front() {
            return reply;
        }
        let answering = self.answering.lock().unwrap().clone();
        answering(seen)
    }
}

/// Accepts for ever; the connections end with the listener, as their tasks are owned here.
async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    let mut tasks = Vec::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, shared) = (tls.clone(), shared.clone());
        let number = {
            let mut log = shared.log();
            log.connections.push(Connection::default());
            log.connections.len() - 1
        };
        tasks.push(outside(async move {
            let stream = match tls {
                None => Some(Either::Left(stream)),
                Some(tls) => tls
                    .accept(stream)
                    .await
                    .ok()
                    .map(|stream| Either::Right(Box::new(stream))),
            };
            if let Some(stream) = stream {
                let line = Line {
                    stream,
                    number,
                    shared: shared.clone(),
                    waiting: Vec::new(),
                };
                line.serve().await;
            }
            shared.log().connections[number].closed = true;
        }));
    }
}

/// One connection being served.
struct Line {
    stream: Stream,
    number: usize,
    shared: Arc<Shared>,
    /// Bytes received and not yet understood.
    waiting: Vec<u8>,
}

impl Line {
    async fn serve(mut self) {
        let greeting = self.shared.greeting.lock().unwrap().clone();
        if !greeting.is_empty() && self.play(greeting).await.is_none() {
            return;
        }
        while let Some(index) = self.head().await {
            let early = self.shared.early_reply();
            let answered = early.is_some();
            if let Some(reply) = early
                && self.play(reply.steps()).await.is_none()
            {
                return;
            }
            if self.body(index).await.is_none() {
                return;
            }
            if answered {
                continue;
            }
            let seen = self.shared.log().requests[index].clone();
            if self.play(self.shared.reply(&seen).steps()).await.is_none() {
                return;
            }
        }
    }

    /// Reads a head and writes it down; gives its place in the log.
    async fn head(&mut self) -> Option<usize> {
        loop {
            match parse::head(&self.waiting) {
                Reading::More => self.more().await?,
                Reading::Wrong(fault) => return self.fault(fault).await,
                Reading::Done(mut seen, used) => {
                    self.waiting.drain(..used);
                    seen.connection = self.number;
                    let mut log = self.shared.log();
                    log.requests.push(seen);
                    return Some(log.requests.len() - 1);
                }
            }
        }
    }

    /// Reads the rest of the message and writes it down.
    async fn body(&mut self, index: usize) -> Option<()> {
        let head = self.shared.log().requests[index].clone();
        if head.header("expect").is_some() {
            self.stream
                .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")
                .await
                .ok()?;
        }
        loop {
            match parse::body(&head, &self.waiting) {
                Reading::Wrong(fault) => return self.fault(fault).await,
                Reading::More => self.more().await?,
                Reading::Done(rest, used) => {
                    self.waiting.drain(..used);
                    let mut log = self.shared.log();
                    let seen = &mut log.requests[index];
                    seen.body = rest.body;
                    seen.trailers = rest.trailers;
                    seen.complete = true;
                    return Some(());
                }
            }
        }
    }

    /// Takes more bytes from the wire, or ends.
    async fn more(&mut self) -> Option<()> {
        let mut buffer = vec![0; 16 * 1024];
        match self.stream.read(&mut buffer).await {
            Ok(0) | Err(_) => None,
            Ok(count) => {
                self.shared.log().connections[self.number]
                    .bytes
                    .extend_from_slice(&buffer[..count]);
                self.waiting.extend_from_slice(&buffer[..count]);
                Some(())
            }
        }
    }

    async fn fault<T>(&mut self, fault: String) -> Option<T> {
        self.shared.log().connections[self.number]
            .faults
            .push(fault);
        let _ = self
            .stream
            .write_all(
                b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            )
            .await;
        None
    }

    /// Plays a reply; `None` when the connection is over.
    async fn play(&mut self, steps: Vec<Step>) -> Option<()> {
        for step in steps {
            match step {
                Step::Bytes(bytes) => {
                    self.stream.write_all(&bytes).await.ok()?;
                    self.stream.flush().await.ok()?;
                }
                Step::Drip(bytes, pause) => {
                    for byte in bytes {
                        self.stream.write_all(&[byte]).await.ok()?;
                        self.stream.flush().await.ok()?;
                        tokio::time::sleep(pause).await;
                    }
                }
                Step::Wait(valve) => self.wait(&valve).await?,
                Step::Silence => while self.more().await.is_some() {},
                Step::Close => {
                    let _ = self.stream.shutdown().await;
                    return None;
                }
                Step::Reset => {
                    let _ = socket(&self.stream).set_zero_linger();
                    return None;
                }
                Step::Tunnel => return self.tunnel().await,
            }
        }
        Some(())
    }

    /// Waits for the valve, noticing a client that leaves meanwhile.
    async fn wait(&mut self, valve: &Valve) -> Option<()> {
        loop {
            tokio::select! {
                () = valve.passed() => return Some(()),
                more = self.more() => more?,
            }
        }
    }

    /// Sends every byte back until the other side is done.
    async fn tunnel(&mut self) -> Option<()> {
        loop {
            let waiting = std::mem::take(&mut self.waiting);
            self.stream.write_all(&waiting).await.ok()?;
            self.stream.flush().await.ok()?;
            if self.more().await.is_none() {
                let _ = self.stream.shutdown().await;
                return None;
            }
        }
    }
}

fn socket(stream: &Stream) -> &TcpStream {
    match stream {
        Either::Left(stream) => stream,
        Either::Right(stream) => stream.get_ref().0,
    }
}
