//! The upstream's response on its way back: hop-by-hop fields gone, framing set anew.

use http::header::{CONTENT_LENGTH, HeaderMap};
use http::{Method, StatusCode};

use super::request::remove_hop_by_hop;

/// Filters the fields of a response in place (RFC 9110 §7.6.1).
///
/// A length stays only where it describes what is not sent: the answer to `HEAD`, and 304 (RFC 9110 §8.6). Else the
/// HTTP library derives it from the body itself.
pub(super) fn filter(headers: &mut HeaderMap, method: &Method, status: StatusCode) {
    remove_hop_by_hop(headers);
    if *method != Method::HEAD && status != StatusCode::NOT_MODIFIED {
        headers.remove(CONTENT_LENGTH);
    }
}
