//! What is asked of the token endpoint: a form with a grant, and the name of a program in a header.

use std::collections::HashSet;

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use serde_json::{Map, Value};

use crate::dialect::form::{self, Kind};
use crate::issue::{Ask, Program};
use crate::token::Secret;

/// What the operator may have changed of how requests are read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manners {
    /// Whether a refresh without a program's name stands for the name that is used where none was given.
    pub(super) refresh_default_client: bool,
}

impl Manners {
    /// Reads what is wanted, or names the mistake in the words of RFC 6749 §5.2.
    pub(super) fn read(self, head: &Parts, body: &Bytes) -> Result<Ask, &'static str> {
        if !may_be_a_form(head) {
            return Err(UNSUPPORTED);
        }
        if form::is_encoded(head) {
            return Err(INVALID_REQUEST);
        }
        let mut fields = Fields::read(body)?;
        let program = match header_client_id(&head.headers)? {
            None => client_id(&fields.take("client_id"))?,
            named => named,
        };
        // Compared letter by letter, as the original does.
        match fields.take("grant_type").as_str() {
            "password" => Ok(fields.password(program)),
            "refresh_token" => self.refresh(&mut fields, program),
            "client_credentials" => Err("unauthorized_client"),
            _ => Err(UNSUPPORTED),
        }
    }

    fn refresh(self, fields: &mut Fields, program: Option<String>) -> Result<Ask, &'static str> {
        let by = match program {
            Some(name) => Program::Named(name),
            None if self.refresh_default_client => Program::Unnamed,
            None => return Err(INVALID_GRANT),
        };
        Ok(Ask::Refresh {
            by,
            refresh_token: Secret::new(fields.take("refresh_token")),
            scope: None,
        })
    }
}

/// A form is expected. The samples that go around send it as raw text, without any type; JSON has no grant in it.
fn may_be_a_form(head: &Parts) -> bool {
    let mut kinds = head.headers.get_all(CONTENT_TYPE).iter();
    match (kinds.next(), kinds.next()) {
        (None, _) => true,
        (Some(kind), None) => {
            let text = kind.to_str().unwrap_or_default();
            let essence = text.split(';').next().unwrap_or_default().trim();
            Kind::of(head) == Kind::Form || essence.eq_ignore_ascii_case("text/plain")
        }
        (Some(_), Some(_)) => false,
    }
}

/// The header names the program. Proxies that drop headers with an underscore would make it nameless, so the field of
/// that name counts where there is no header.
fn header_client_id(headers: &HeaderMap) -> Result<Option<String>, &'static str> {
    let mut values = headers.get_all(CLIENT_ID).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    match (std::str::from_utf8(value.as_bytes()), values.next()) {
        (Ok(text), None) => client_id(text),
        _ => Err(INVALID_REQUEST),
    }
}

/// A program's name; nothing if there is none in it.
fn client_id(text: &str) -> Result<Option<String>, &'static str> {
    let name = text.trim();
    if name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
        return Err(INVALID_REQUEST);
    }
    Ok((!name.is_empty()).then(|| spelt(name)))
}

/// A name that holds an `@` is an e-mail address, which people write in any case.
fn spelt(name: &str) -> String {
    let name = name.trim();
    if name.contains('@') {
        name.to_lowercase()
    } else {
        name.to_owned()
    }
}

/// The fields of a form, each of which came once.
struct Fields(Map<String, Value>);

impl Fields {
    fn read(body: &Bytes) -> Result<Self, &'static str> {
        let (mut fields, mut names) = (Map::new(), HashSet::new());
        for (name, value) in form::pairs(body) {
            if value.contains('\0') || !names.insert(name.clone()) {
                return Err(INVALID_REQUEST);
            }
            fields.insert(name.into_owned(), Value::String(value.into_owned()));
        }
        Ok(Self(fields))
    }

    /// The value of a field; empty if there is none.
    fn take(&mut self, name: &str) -> String {
        match self.0.remove(name) {
            Some(Value::String(text)) => text,
            _ => String::new(),
        }
    }

    // What is missing is as wrong as wrong. A program without a name goes by that of its user.
    fn password(&mut self, program: Option<String>) -> Ask {
        let username = self.take("username");
        let mut filled = |name| Some(self.take(name)).filter(|text| !text.is_empty());
        let (password, totp) = (filled("password"), filled("totp"));
        Ask::Password {
            program: program.unwrap_or_else(|| spelt(&username)),
            name: username.trim().to_owned(),
            password: password.map(Secret::new),
            totp: totp.map(Secret::new),
        }
    }
}

pub(super) const INVALID_GRANT: &str = "invalid_grant";
pub(super) const INVALID_REQUEST: &str = "invalid_request";
pub(super) const UNSUPPORTED: &str = "unsupported_grant_type";

const CLIENT_ID: &str = "client_id";

/// The longest name of a program, in bytes.
const LONGEST_NAME: usize = 256;
