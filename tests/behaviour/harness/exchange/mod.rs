//! Clients: [`Wire`] sends exactly the bytes it is given and reads what comes; [`Client`] is the comfortable one, on hyper.
//!
//! Neither follows redirects, repeats requests or adds headers of its own (`Host` and framing by [`Client`] excepted).

mod client;
pub(crate) mod frames;
mod wire;

use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;

pub(crate) use self::{
    client::{Client, Request, Session, pieces},
    wire::Wire,
};

/// A reply, whole or as far as it came.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// The status code.
    pub(crate) status: u16,
    /// The headers.
    pub(crate) headers: HeaderMap,
    /// The body without its framing.
    pub(crate) body: Bytes,
    /// The trailers.
    pub(crate) trailers: HeaderMap,
    /// Whether the body came to its proper end.
    pub(crate) complete: bool,
}

impl Answer {
    /// The value of a header, if it is there at all.
    ///
    /// # Panics
    /// When it is there twice, or is not text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let all: Vec<_> = self.headers.get_all(name).iter().collect();
        assert!(all.len() < 2, "{name} came {} times", all.len());
        all.first().map(|value| value.to_str().unwrap())
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is not JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {}", self.text()))
    }

    /// The member `code` of a problem document, or nothing.
    pub(crate) fn code(&self) -> Option<String> {
        let body: Value = serde_json::from_slice(&self.body).ok()?;
        Some(body.get("code")?.as_str()?.to_owned())
    }
}
