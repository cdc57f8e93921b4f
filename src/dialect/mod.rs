//! How clients say it on the wire.
//!
//! [`Place`] is where a refusal is phrased, and [`standard`] phrases it in the plain words of RFC 6750 and RFC 9457.

pub mod standard;

#[cfg(test)]
mod testing;

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
