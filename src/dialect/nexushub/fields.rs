//! What a body says, whichever way it is written.

use std::fmt;

use bytes::Bytes;
use http::StatusCode;
use http::request::Parts;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::{open_to_all, plain, refused};
use crate::dialect::Malformed;
use crate::dialect::form::{self, Kind};
use crate::issue::Ask;
use crate::token::Secret;

/// The fields of a body, by name. A field that is not a string, or comes twice, counts as missing: who looked at the body
/// before may have gone by the other one.
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    pub(super) fn read(head: &Parts, body: &Bytes) -> Result<Self, Malformed> {
        if form::is_encoded(head) {
            let response = plain(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported content encoding",
            );
            return Err(Malformed::new("content_encoding", open_to_all(response)));
        }
        match Kind::of(head) {
            _ if body.is_empty() => Ok(Self(Map::new())),
            Kind::Json => Self::of_json(body),
            Kind::Form => Ok(Self::of_form(body)),
            Kind::Other => Ok(Self(Map::new())),
        }
    }

    fn of_json(body: &Bytes) -> Result<Self, Malformed> {
        serde_json::from_slice(body).map_err(|_| {
            let response = plain(StatusCode::BAD_REQUEST, "malformed JSON");
            Malformed::new("malformed_json", open_to_all(response))
        })
    }

    fn of_form(body: &Bytes) -> Self {
        let mut fields = Self(Map::new());
        for (name, value) in form::pairs(body) {
            fields.add(name.into_owned(), Value::String(value.into_owned()));
        }
        fields
    }

    fn add(&mut self, name: String, value: Value) {
        let is_again = self.0.contains_key(&name);
        self.0
            .insert(name, if is_again { Value::Null } else { value });
    }

    pub(super) fn register(self) -> Result<Ask, Malformed> {
        let (Some(name), Some(password)) = (self.text("user_id"), self.secret("user_secret"))
        else {
            return Err(self.missing("user credentials"));
        };
        let name = name.to_owned();
        Ok(Ask::Register { name, password })
    }

    // `redirect`, `cookie_set` and `cookie_longliving` are fields of the original: the first sends people wherever the
    // caller likes, the others need a cookie that is nowhere configured. All are ignored.
    pub(super) fn authenticate(self) -> Result<Ask, Malformed> {
        let Some(key) = self.text("user_key") else {
            return Err(self.missing("user credentials"));
        };
        Ok(Ask::Login {
            key: key.to_owned(),
            password: self.secret("user_secret"),
        })
    }

    pub(super) fn refresh(self) -> Result<Ask, Malformed> {
        match self.secret("refresh_token") {
            Some(refresh_token) => Ok(Ask::Renew { refresh_token }),
            None => Err(self.missing("refresh token")),
        }
    }

    // Nobody is called nothing, so a missing name is an unknown one.
    pub(super) fn recover_key(self) -> Ask {
        Ask::RecoverKey {
            name: self.text("user_id").unwrap_or_default().to_owned(),
            password: self.secret("user_secret"),
        }
    }

    fn text(&self, name: &str) -> Option<&str> {
        let text = self.0.get(name)?.as_str()?;
        Some(text).filter(|text| !text.is_empty())
    }

    fn secret(&self, name: &str) -> Option<Secret> {
        self.text(name).map(Secret::new)
    }

    /// The original repeats the whole body here, secrets and all. Only names are repeated, and only names we know: the
    /// name of an unknown field may be a secret itself, in a body sent under the wrong content type.
    fn missing(&self, what: &str) -> Malformed {
        let present = KNOWN_FIELDS
            .into_iter()
            .filter(|name| self.0.contains_key(*name));
        let present: Vec<&str> = present.collect();
        let got = match present.as_slice() {
            [] => "nothing".to_owned(),
            names => names.join(", "),
        };
        let reason = format!("Expected {what}. Got: {got}.");
        let response = refused(StatusCode::UNAUTHORIZED, "Unauthorized.", &reason);
        Malformed::new("missing_field", open_to_all(response))
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_any(Members)
    }
}

/// Reads the members of a JSON object one by one: a map that was read whole has forgotten which came twice. A list has
/// none.
struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Fields;

    fn expecting(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        text.write_str("an object or a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Fields, A::Error> {
        let mut fields = Fields(Map::new());
        while let Some((name, value)) = object.next_entry()? {
            fields.add(name, value);
        }
        Ok(fields)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Fields, A::Error> {
        while list.next_element::<Value>()?.is_some() {}
        Ok(Fields(Map::new()))
    }
}

/// The fields that some endpoint of the original reads.
const KNOWN_FIELDS: [&str; 7] = [
    "user_id",
    "user_key",
    "user_secret",
    "refresh_token",
    "redirect",
    "cookie_set",
    "cookie_longliving",
];
