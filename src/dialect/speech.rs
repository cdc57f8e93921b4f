//! What a dialect is: the one trait of the program.

use std::fmt::Debug;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Response};

use super::{Socket, standard};
use crate::issue::{Answer, Ask, IssueError};
use crate::net::{Allowance, Body};
use crate::observe::Refusal;
use crate::token::Profile;
use crate::verify::Identity;

/// One API's words, as a value built for one mount: bytes to [`Ask`], answers and refusals to bytes.
pub trait Dialect: Send + Sync + Debug {
    /// What its tokens look like.
    fn profile(&self) -> &Profile;

    /// What it serves.
    fn endpoints(&self) -> &[Endpoint];

    /// Reads what a request wants; or answers, in its own words, what is wrong with it.
    fn read(&self, at: &Endpoint, asked: &Asked<'_>) -> Result<Ask, Malformed>;

    /// Whether every path below its mount's is its own, or only those of its endpoints.
    fn owns_all_below(&self) -> bool {
        true
    }

    /// Whether the limit of an endpoint is each program's own at an address, and not the address's as a whole.
    fn counts_programs(&self, _at: &Endpoint) -> bool {
        false
    }

    /// Where people give a program leave to act for them (RFC 6749 §3.1); nowhere for most.
    fn authorization(&self) -> &[Spot] {
        &[]
    }

    /// How it speaks over a WebSocket, if it does.
    fn socket(&self) -> Option<&'static Socket> {
        None
    }

    /// Writes what became of it.
    fn write(&self, at: &Endpoint, outcome: Result<&Answer, &IssueError>) -> Response<Body>;

    /// Phrases a refusal on a route that this dialect has the voice on, or inside its mount where no endpoint is.
    fn refuse(&self, refusal: &Refusal, place: &Place<'_>) -> Response<Body> {
        standard::refuse(refusal, place)
    }

    /// Phrases a refusal at one of its own endpoints, before anything was read.
    fn decline(&self, _at: &Endpoint, refusal: &Refusal, place: &Place<'_>) -> Response<Body> {
        self.refuse(refusal, place)
    }
}

/// What came to an endpoint.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The head of the request.
    pub head: &'a Parts,
    /// Its body, whole.
    pub body: &'a Bytes,
    /// Whose token came with it, where the endpoint demands one.
    pub identity: Option<&'a Arc<Identity>>,
}

/// One place where a dialect answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// What it is called, in logs and metrics too; distinct within its dialect.
    pub name: &'static str,
    /// Where it is.
    pub spot: Spot,
    /// The one method it takes. `HEAD` is taken where `GET` is.
    pub method: Method,
    /// How often one address may call it; nothing is as often as it likes.
    pub limit: Option<Allowance>,
    /// Whether it demands one of this dialect's own tokens.
    pub demands_token: bool,
}

/// Where an endpoint is, relative to its mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spot {
    /// This path, behind the mount's.
    Below(&'static str),
    /// This name below `/.well-known/`, and behind it the path of the issuer identifier (RFC 8414 §3.1).
    WellKnown(&'static str),
}

impl Spot {
    /// The whole path, for a mount with this prefix and issuer identifier.
    pub fn path(self, prefix: &str, identifier: &str) -> String {
        match self {
            Self::Below(path) => format!("{prefix}{path}"),
            Self::WellKnown(name) => format!("/.well-known/{name}{}", path_of(identifier)),
        }
    }
}

/// The path of an issuer identifier, without a slash at the end (RFC 8414 §3.1).
fn path_of(identifier: &str) -> String {
    let path = url::Url::parse(identifier).map(|url| url.path().to_owned());
    let path = path.unwrap_or_default();
    path.strip_suffix('/').unwrap_or(&path).to_owned()
}

/// What came is not what the endpoint takes.
#[derive(Debug)]
pub struct Malformed {
    /// The stable word for what is wrong, for logs and metrics.
    pub code: &'static str,
    /// What the client is told.
    pub response: Box<Response<Body>>,
}

impl Malformed {
    /// Says `response` to the client and `code` to the operator.
    pub fn new(code: &'static str, response: Response<Body>) -> Self {
        Self {
            code,
            response: Box::new(response),
        }
    }
}

/// Where a refusal happens, as far as an answer may tell.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The path of the request, without its query.
    pub path: &'a str,
    /// The name of the request, so that a person can ask about it.
    pub request_id: &'a str,
    /// What the protected space is called (RFC 9110 §11.5).
    pub realm: &'a str,
}
