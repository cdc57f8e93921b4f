//! The fields of a body, read strictly: JSON or a form, each field once and a text.

use std::borrow::Cow;

use bytes::Bytes;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;
use serde_json::{Map, Value};

use crate::dialect::form::{self, Kind};
use crate::issue::{ClientCredentials, ClientProof};
use crate::token::{Claims, Secret};

/// What is wrong with a request. Nothing in it was sent by the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mistake {
    /// The word of OAuth for it.
    pub(super) error: &'static str,
    /// What is wrong, in a sentence.
    pub(super) sentence: Cow<'static, str>,
}

impl Mistake {
    pub(super) fn request(sentence: impl Into<Cow<'static, str>>) -> Self {
        Self {
            error: "invalid_request",
            sentence: sentence.into(),
        }
    }

    pub(super) fn of(error: &'static str, sentence: &'static str) -> Self {
        Self {
            error,
            sentence: sentence.into(),
        }
    }

    fn missing(name: &str) -> Self {
        Self::request(format!("{name} is missing"))
    }
}

/// The fields of a body, by name. An empty text counts as missing (RFC 6749 §3.2).
#[derive(Debug)]
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    /// Reads JSON, and where `forms` says so, a form too.
    pub(super) fn read(head: &Parts, body: &Bytes, forms: bool) -> Result<Self, Mistake> {
        if form::is_encoded(head) {
            return Err(Mistake::request("the body must not be compressed"));
        }
        match Kind::of(head) {
            Kind::Json => Self::of_json(body),
            Kind::Form if forms => Self::of_form(body),
            _ if forms => Err(Mistake::request("the body must be JSON or a form")),
            _ => Err(Mistake::request("the body must be JSON")),
        }
    }

    fn of_json(body: &Bytes) -> Result<Self, Mistake> {
        match Claims::read(body) {
            Ok(members) => Ok(Self(members.into_members())),
            Err(_) => Err(Mistake::request(
                "the body is not a JSON object in which no member occurs twice",
            )),
        }
    }

    fn of_form(body: &Bytes) -> Result<Self, Mistake> {
        let mut fields = Map::new();
        for (name, value) in form::pairs(body) {
            let value = Value::String(value.into_owned());
            if fields.insert(name.into_owned(), value).is_some() {
                return Err(Mistake::request("a parameter occurs more than once"));
            }
        }
        Ok(Self(fields))
    }

    /// The value of a field, of whatever type.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        let value = self.0.get(name)?;
        Some(value).filter(|value| value.as_str() != Some(""))
    }

    /// A field that is a text on one line.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, Mistake> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) if !text.chars().any(char::is_control) => Ok(Some(text)),
            Some(Value::String(_)) => Err(Mistake::request(format!(
                "{name} holds a control character"
            ))),
            Some(_) => Err(Mistake::request(format!("{name} must be a string"))),
        }
    }

    /// The same, where it must not be missing.
    pub(super) fn needed(&self, name: &str) -> Result<&str, Mistake> {
        self.text(name)?.ok_or_else(|| Mistake::missing(name))
    }

    /// The same, into custody.
    pub(super) fn secret(&self, name: &str) -> Result<Secret, Mistake> {
        self.needed(name).map(Secret::new)
    }

    /// A field that is a list of texts.
    pub(super) fn texts(&self, name: &str) -> Result<Option<Vec<String>>, Mistake> {
        let wrong = || Mistake::request(format!("{name} must be a list of strings"));
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let words = value.as_array().ok_or_else(wrong)?.iter();
        let words: Option<Vec<String>> =
            words.map(|word| Some(word.as_str()?.to_owned())).collect();
        words.map(Some).ok_or_else(wrong)
    }

    /// Which program is asking: by the header, else by the body. Where both say it they must agree on which.
    pub(super) fn client(&self, headers: &HeaderMap) -> Result<ClientCredentials, Mistake> {
        let named = self.text("client_id")?;
        if let Some((id, secret)) = basic(headers)? {
            if named.is_some_and(|named| named != id) {
                return Err(Mistake::request("two different clients are named"));
            }
            return Ok(ClientCredentials {
                id,
                proof: ClientProof::Secret(secret),
                in_header: true,
            });
        }
        let id = named.ok_or(Mistake::of("invalid_client", "client_id is missing"))?;
        let secret = self.text("client_secret")?;
        Ok(ClientCredentials {
            id: id.to_owned(),
            proof: secret.map_or(ClientProof::Nothing, |secret| {
                ClientProof::Secret(Secret::new(secret))
            }),
            in_header: false,
        })
    }
}

/// `Authorization: Basic` (RFC 7617), identifier and secret encoded as in a form (RFC 6749 §2.3.1). Another scheme is as
/// good as none: a token that is about to be renewed must not stand in the way.
fn basic(headers: &HeaderMap) -> Result<Option<(String, Secret)>, Mistake> {
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let Some(field) = fields.next() else {
        return Ok(None);
    };
    if fields.next().is_some() {
        return Err(Mistake::request("more than one Authorization field"));
    }
    let text = field.to_str().unwrap_or_default();
    let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
    if !scheme.eq_ignore_ascii_case("Basic") {
        return Ok(None);
    }
    let named =
        form::basic(rest).filter(|(id, _)| !id.is_empty() && !id.chars().any(char::is_control));
    let wrong = Mistake::of(
        "invalid_client",
        "the Authorization field holds no Basic credentials",
    );
    named.map(Some).ok_or(wrong)
}
