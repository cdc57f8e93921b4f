//! Requests and answers over a WebSocket, as one dialect words them.
//!
//! A [`Socket`] is data: who keeps the connection needs to know no API, and a dialect needs to know no connection.

use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{Method, StatusCode};
use serde_json::Value;

use crate::token::Timestamp;

/// How a dialect speaks over a WebSocket: each message of the client is a request, each of ours an answer or a sign of
/// life. All messages are text.
#[derive(Debug)]
pub struct Socket {
    /// Where clients of a mount ask for it, behind the mount's path.
    pub path: &'static str,
    /// What we say first.
    pub greeting: &'static str,
    /// How often we ask whether the client is still there.
    pub heartbeat: Duration,
    /// How long it may take to say so.
    pub patience: Duration,
    /// How long it may ask for nothing.
    pub idle: Duration,
    /// The question whether it is still there.
    pub ping: fn(Timestamp) -> String,
    /// Understands a message.
    pub read: fn(&str) -> Heard,
    /// Words an answer.
    pub write: fn(&Call, &Answered<'_>) -> String,
}

/// What a message says.
#[derive(Debug)]
pub enum Heard {
    /// The client wants something.
    Call(Call),
    /// The client is still there.
    Alive,
    /// Something that has its answer at once: this.
    Answer(String),
}

/// A request, as far as a message says it.
#[derive(Clone, Debug)]
pub struct Call {
    /// How the client tells the answers apart.
    pub id: Value,
    /// The method.
    pub method: Method,
    /// The path, behind the mount's if it has one, and the query.
    pub path: PathAndQuery,
    /// The body, JSON; empty if there is none.
    pub body: Bytes,
}

/// What became of a request.
#[derive(Clone, Copy, Debug)]
pub struct Answered<'a> {
    /// The status.
    pub status: StatusCode,
    /// Whether the body says of itself that it is JSON.
    pub is_json: bool,
    /// The body.
    pub body: &'a [u8],
    /// Whether the words are ours, and not an upstream's.
    pub is_ours: bool,
}
