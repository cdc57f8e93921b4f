//! What kind of body came, the fields of a form, and what else is encoded like one.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::request::Parts;

use crate::token::Secret;

/// The kinds of body that some endpoint takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `application/x-www-form-urlencoded`.
    Form,
    /// `application/json`.
    Json,
    /// Any other, or none named.
    Other,
}

impl Kind {
    /// What the one `Content-Type` field says; its parameters do not matter.
    pub(super) fn of(head: &Parts) -> Self {
        let mut fields = head.headers.get_all(CONTENT_TYPE).iter();
        let (Some(field), None) = (fields.next(), fields.next()) else {
            return Self::Other;
        };
        let text = field.to_str().unwrap_or_default();
        let essence = text.split(';').next().unwrap_or_default().trim();
        if essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            Self::Form
        } else if essence.eq_ignore_ascii_case("application/json") {
            Self::Json
        } else {
            Self::Other
        }
    }
}

/// Whether the body is packed in some way. No endpoint unpacks: a small body could grow without bound.
pub(super) fn is_encoded(head: &Parts) -> bool {
    let fields = head.headers.get_all(CONTENT_ENCODING).iter();
    fields
        .filter(|field| !field.as_bytes().eq_ignore_ascii_case(b"identity"))
        .count()
        > 0
}

/// The names and values of a form, in order.
pub(super) fn pairs(body: &Bytes) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    form_urlencoded::parse(body)
}

/// One value, decoded as if it stood in a form (RFC 6749 appendix B).
fn decoded(text: &str) -> String {
    // Kept from being read as the signs that separate pairs: callers who do not encode at all send them bare.
    let whole = text.replace('&', "%26").replace('=', "%3D");
    let mut pairs = form_urlencoded::parse(whole.as_bytes());
    pairs
        .next()
        .map_or_else(String::new, |(name, _)| name.into_owned())
}

/// Identifier and secret of `Basic` credentials (RFC 7617), each encoded as in a form (RFC 6749 §2.3.1).
pub(super) fn basic(credentials: &str) -> Option<(String, Secret)> {
    let bytes = STANDARD.decode(credentials.trim_matches(' ')).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((decoded(id), Secret::new(decoded(secret))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::testing::head;

    #[test]
    fn the_kind_of_a_body_is_its_media_type_alone() {
        let kind = |value: &str| Kind::of(&head("POST", "/", &[("content-type", value)]));
        assert_eq!(kind("Application/JSON; charset=utf-8"), Kind::Json);
        assert_eq!(kind("application/x-www-form-urlencoded"), Kind::Form);
        assert_eq!(kind("application/jsonx"), Kind::Other);
        assert_eq!(Kind::of(&head("POST", "/", &[])), Kind::Other);
    }

    #[test]
    fn a_single_value_is_decoded_whatever_signs_it_holds() {
        assert_eq!(decoded("a%20b+c%2B"), "a b c+");
        assert_eq!(decoded("c2VjcmV0==&x"), "c2VjcmV0==&x");
        assert_eq!(decoded(""), "");
    }
}
