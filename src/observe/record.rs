//! The one log line of a request, closed exactly once, when its last byte has left.

use std::cell::Cell;
use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use http::uri::PathAndQuery;
use http::{HeaderValue, Method, StatusCode, Version};
use serde::{Deserialize, Serialize};

use super::visible::visible;
use super::{Journal, Metrics, Refusal, RequestId, Series};
use crate::token::{Digest, Timestamp};

/// What stands before the value of a field.
macro_rules! key {
    ($name:literal) => {
        concat!(",\"", $name, "\":")
    };
}
/// Where records go when they close.
#[derive(Debug)]
pub struct Observer {
    /// What counts them.
    pub metrics: Metrics,
    /// What writes them; nothing when the access log is off.
    pub journal: Option<Journal>,
    /// In which form.
    pub format: Format,
}

/// The form of a log line.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// `human` on a terminal, `json` otherwise.
    #[default]
    Auto,
    /// For people.
    Human,
    /// One JSON object per line.
    Json,
}

/// What happened to a request. It is written when it is dropped, which is when its last byte has left or its client.
#[derive(Debug)]
pub struct Record {
    /// Where it goes.
    pub observer: Arc<Observer>,
    /// Which worker's buffers it goes through.
    pub worker: usize,
    /// When the request arrived, for the line.
    pub now: Timestamp,
    /// When the request arrived, for durations.
    pub started: Instant,
    /// The request itself.
    pub request: Described,
    /// The notebook of the decision.
    pub trail: Trail,
    /// The status sent.
    pub status: StatusCode,
    /// The upstream's part, if it came to that.
    pub upstream: Option<UpstreamPart>,
    /// Bytes of body sent to the client.
    pub bytes_out: u64,
}

/// A request as a log may describe it: no query values, no header values but the user agent's.
#[derive(Debug)]
pub struct Described {
    /// Its name.
    pub id: RequestId,
    /// The listener.
    pub listener: Arc<str>,
    /// The client's address.
    pub client: IpAddr,
    /// Whether it came over TLS.
    pub tls: bool,
    /// The version of HTTP.
    pub version: Version,
    /// The method.
    pub method: Method,
    /// The host; absent when the target was refused.
    pub host: Option<Box<str>>,
    /// The path; absent when the target was refused.
    pub path: Option<PathAndQuery>,
    /// The user agent, escaped when written.
    pub user_agent: Option<HeaderValue>,
}

/// The notebook of one decision: stages write it, nobody decides by it.
#[derive(Debug, Default)]
pub struct Trail {
    /// The route that applied.
    pub route: Option<Arc<str>>,
    /// Whose token it was.
    pub issuer: Option<Arc<str>>,
    /// The client the token was given to.
    pub client_id: Option<Arc<str>>,
    /// Whom the token speaks for.
    pub subject: Option<Arc<str>>,
    /// The token's digest.
    pub token: Option<Digest>,
    /// How the answer was found: memo, cache, verified, introspected.
    pub source: Option<&'static str>,
    /// Why the request did not pass.
    pub refusal: Option<&'static str>,
    /// Whether the route demands nothing.
    pub public: bool,
}

/// The upstream's part in a request.
#[derive(Debug)]
pub struct UpstreamPart {
    /// Its name.
    pub name: Arc<str>,
    /// Its status; absent when it gave none.
    pub status: Option<StatusCode>,
    /// How often it was tried.
    pub attempts: u32,
    /// Microseconds to the head of its answer.
    pub micros: u64,
}

impl Trail {
    /// The word for the decision: one of the closed list of reasons.
    pub fn reason(&self) -> &'static str {
        match (self.refusal, self.public) {
            (Some(code), _) => code,
            (None, true) => "public",
            (None, false) => "ok",
        }
    }

    /// Notes why the request did not pass.
    pub fn refuse(&mut self, refusal: &Refusal) {
        self.refusal = Some(refusal.code());
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let took = self.started.elapsed();
        self.observer
            .metrics
            .count(self.worker, &Series::of(self), took);
        let Some(journal) = &self.observer.journal else {
            return;
        };
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        journal.write(self.worker, |line| match self.observer.format {
            Format::Human => self.write_human(line, micros),
            Format::Json | Format::Auto => self.write_json(line, micros),
        });
    }
}

impl Record {
    fn write_json(&self, line: &mut Vec<u8>, micros: u64) {
        let mut fields = Fields::begin(line, self.now);
        let request = &self.request;
        fields.word(key!("request_id"), request.id.as_str());
        fields.text(key!("listener"), &request.listener);
        fields.address(key!("client_ip"), request.client);
        fields.word(key!("proto"), version(request.version));
        fields.bare(key!("tls"), if request.tls { "true" } else { "false" });
        fields.word(key!("method"), request.method.as_str());
        fields.maybe(key!("host"), request.host.as_deref());
        fields.maybe(key!("path"), request.path.as_ref().map(PathAndQuery::path));
        fields.maybe(key!("route"), self.trail.route.as_deref());
        fields.bare(key!("status"), self.status.as_str());
        fields.word(key!("reason"), self.trail.reason());
        fields.maybe(key!("issuer"), self.trail.issuer.as_deref());
        fields.maybe(key!("client_id"), self.trail.client_id.as_deref());
        fields.maybe(key!("sub"), self.trail.subject.as_deref());
        if let Some(token) = &self.trail.token {
            fields.plain(key!("token_fp"), token.fingerprint());
        }
        if let Some(source) = self.trail.source {
            fields.word(key!("cache"), source);
        }
        if let Some(upstream) = &self.upstream {
            fields.text(key!("upstream"), &upstream.name);
            if let Some(status) = upstream.status {
                fields.bare(key!("upstream_status"), status.as_str());
            }
            fields.number(key!("attempts"), upstream.attempts.into());
            fields.number(key!("upstream_us"), upstream.micros);
        }
        fields.number(key!("bytes_out"), self.bytes_out);
        fields.number(key!("duration_us"), micros);
        let agent = request
            .user_agent
            .as_ref()
            .map(|value| String::from_utf8_lossy(value.as_bytes()));
        fields.maybe(key!("user_agent"), agent.as_deref());
        fields.end();
    }

    fn write_human(&self, line: &mut Vec<u8>, micros: u64) {
        let mut text = String::with_capacity(160);
        let request = &self.request;
        let host = request.host.as_deref().unwrap_or("-");
        let path = request.path.as_ref().map_or("-", PathAndQuery::path);
        let route = self.trail.route.as_deref().unwrap_or("-");
        let written = write!(
            text,
            "{} {} {} {} {host}{path} route={route} {} from {} {micros} µs {}",
            self.now,
            self.status.as_u16(),
            self.trail.reason(),
            request.method,
            self.trail.subject.as_deref().map_or(Escaped("-"), Escaped),
            request.client,
            request.id,
        );
        if written.is_ok() {
            line.extend_from_slice(text.as_bytes());
            line.push(b'\n');
        }
    }
}

/// Text of a stranger, with its control characters made visible.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_debug())
    }
}

/// One JSON object, field by field, straight into the buffer. Writing to memory does not fail; were it to, the line
/// would be cut, and the next begins anew.
struct Fields<'a>(&'a mut Vec<u8>);

impl<'a> Fields<'a> {
    fn begin(line: &'a mut Vec<u8>, now: Timestamp) -> Self {
        line.extend_from_slice(b"{\"ts\":\"");
        write_moment(line, now);
        line.extend_from_slice(b"\",\"level\":\"info\",\"event\":\"request\"");
        Self(line)
    }

    /// Text of whoever wrote it.
    fn text(&mut self, key: &'static str, value: &str) {
        // No early end, so that many bytes are looked at together.
        let is_plain = value.bytes().fold(true, |all, byte| all & is_itself(byte));
        if is_plain {
            return self.word(key, value);
        }
        self.0.extend_from_slice(key.as_bytes());
        // serde_json escapes quotes and most control characters.
        match serde_json::to_vec(value) {
            Ok(json) => self.0.extend_from_slice(&visible(&json)),
            Err(_) => self.0.extend_from_slice(b"null"),
        }
    }

    fn maybe(&mut self, key: &'static str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(key, value);
        }
    }

    /// Text in which every byte stands for itself.
    fn word(&mut self, key: &'static str, value: &str) {
        self.0.extend_from_slice(key.as_bytes());
        self.0.push(b'"');
        self.0.extend_from_slice(value.as_bytes());
        self.0.push(b'"');
    }

    /// An address; those of four bytes without the machinery of formatting.
    fn address(&mut self, key: &'static str, address: IpAddr) {
        let IpAddr::V4(address) = address else {
            return self.plain(key, address);
        };
        self.0.extend_from_slice(key.as_bytes());
        let mut before = b'"';
        for byte in address.octets() {
            self.0.push(before);
            let mut buffer = itoa::Buffer::new();
            self.0.extend_from_slice(buffer.format(byte).as_bytes());
            before = b'.';
        }
        self.0.push(b'"');
    }

    /// What is displayed in bytes that stand for themselves.
    fn plain(&mut self, key: &'static str, value: impl fmt::Display) {
        self.0.extend_from_slice(key.as_bytes());
        self.0.push(b'"');
        self.write(value);
        self.0.push(b'"');
    }

    /// A number or a truth value, as it is written.
    fn bare(&mut self, key: &'static str, value: &str) {
        self.0.extend_from_slice(key.as_bytes());
        self.0.extend_from_slice(value.as_bytes());
    }

    fn number(&mut self, key: &'static str, value: u64) {
        self.bare(key, itoa::Buffer::new().format(value));
    }

    fn write(&mut self, value: impl fmt::Display) {
        let start = self.0.len();
        if write!(self.0, "{value}").is_err() {
            self.0.truncate(start);
        }
    }

    fn end(self) {
        self.0.extend_from_slice(b"}\n");
    }
}

thread_local! {
    /// The second last written by this worker, and its text up to the milliseconds: thousands of lines share it.
    static SECOND: Cell<(i64, [u8; 20])> = const { Cell::new((i64::MIN, [0; 20])) };
}

fn write_moment(line: &mut Vec<u8>, now: Timestamp) {
    let (mut second, mut text) = SECOND.get();
    if second != now.seconds() {
        let whole = now.to_string();
        let Some(start) = whole.as_bytes().first_chunk() else {
            return;
        };
        (second, text) = (now.seconds(), *start);
        SECOND.set((second, text));
    }
    let millis = u64::try_from(now.millis().rem_euclid(1000)).unwrap_or(0);
    line.extend_from_slice(&text);
    // Three digits, with the zeros in front: those of a number above a thousand, without its first.
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(1000 + millis).strip_prefix('1');
    line.extend_from_slice(digits.unwrap_or_default().as_bytes());
    line.push(b'Z');
}

/// Whether a byte stands for itself in a JSON string.
const fn is_itself(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

const fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "2",
        Version::HTTP_10 => "1.0",
        _ => "1.1",
    }
}
