//! Which claims the routes want, and how a claim becomes a header.

use std::fmt::Write as _;

use http::HeaderValue;
use serde_json::Value;

use super::identity::ClaimValue;
use crate::token::{ClaimError, Claims, Scope};

/// The claims that any route maps to a header or requires a value of. Everything else in a token is forgotten.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    paths: Vec<Path>,
}

#[derive(Clone, Debug)]
struct Path {
    text: Box<str>,
    /// Whether some route requires a value of it. Of the others the header is kept and nothing else.
    is_required: bool,
}

/// One wanted claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClaimId(u16);

/// Facts that have a name of their own, whatever the issuer calls the claim.
#[derive(Clone, Copy, Debug)]
pub(super) struct Named<'a> {
    pub(super) subject: Option<&'a str>,
    pub(super) client: Option<&'a str>,
    pub(super) scope: &'a Scope,
    pub(super) issuer: &'a str,
}

impl Wanted {
    /// Wants one more claim; the same path twice is the same claim.
    ///
    /// `sub`, `client_id`, `scope` and `issuer` mean the subject, the client, the scope as one text, and the issuer's
    /// name in the operator's file, whatever the token calls them. Every other path, and every path that begins with
    /// `claims.`, is looked up in the token itself: member names joined by dots.
    pub fn id(&mut self, path: &str) -> ClaimId {
        let known = self.paths.iter().position(|known| &*known.text == path);
        let place = known.unwrap_or_else(|| {
            self.paths.push(Path {
                text: Box::from(path),
                is_required: false,
            });
            self.paths.len() - 1
        });
        // A configuration with 65,535 different claims shares the last identifier; nobody writes one.
        ClaimId(u16::try_from(place).unwrap_or(u16::MAX))
    }

    /// Wants one more claim, of which some route requires a value.
    pub fn required(&mut self, path: &str) -> ClaimId {
        let id = self.id(path);
        if let Some(path) = self.paths.get_mut(usize::from(id.0)) {
            path.is_required = true;
        }
        id
    }

    /// The wanted claims that are there, ready to send.
    pub(super) fn pick(
        &self,
        claims: &Claims,
        named: Named<'_>,
    ) -> Result<Box<[(ClaimId, ClaimValue)]>, ClaimError> {
        let ids = (0..=u16::MAX).map(ClaimId);
        let mut picked = Vec::new();
        for (id, path) in ids.zip(&self.paths) {
            if let Some(json) = find(&path.text, claims, named) {
                let header = header_value(&json)?;
                let json = path.is_required.then(|| Box::new(json));
                picked.push((id, ClaimValue { header, json }));
            }
        }
        Ok(picked.into_boxed_slice())
    }
}

fn find(path: &str, claims: &Claims, named: Named<'_>) -> Option<Value> {
    match path {
        "sub" => named.subject.map(Value::from),
        "client_id" => named.client.map(Value::from),
        "scope" => Some(named.scope.as_str())
            .filter(|scope| !scope.is_empty())
            .map(Value::from),
        "issuer" => Some(Value::from(named.issuer)),
        path => claims
            .at(path.strip_prefix("claims.").unwrap_or(path))
            .cloned(),
    }
}

/// A claim as a header value.
///
/// | claim | header |
/// |---|---|
/// | text | itself; `%` and every byte outside visible ASCII and space is percent-encoded, so it can be read back |
/// | array of texts | the texts, joined with `,` |
/// | number, `true`, `false` | as in JSON |
/// | object, other array | compact JSON, encoded like a text |
/// | `null` | no header |
///
/// A value of more than 4096 bytes is an error: the token cannot be used where the claim is wanted.
fn header_value(json: &Value) -> Result<Option<HeaderValue>, ClaimError> {
    let text = match json {
        Value::Null => None,
        Value::String(text) => Some(percent_encoded(text)),
        Value::Array(members) if members.iter().all(Value::is_string) => {
            let texts: Vec<&str> = members.iter().filter_map(Value::as_str).collect();
            Some(percent_encoded(&texts.join(",")))
        }
        other => Some(percent_encoded(&other.to_string())),
    };
    match text {
        Some(text) if text.len() > HEADER_LIMIT => Err(TOO_LONG),
        Some(text) => HeaderValue::try_from(text).map(Some).map_err(|_| TOO_LONG),
        None => Ok(None),
    }
}

fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if matches!(byte, b' '..=b'~') && byte != b'%' {
            encoded.push(char::from(byte));
        } else {
            // Writing to a `String` cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

const HEADER_LIMIT: usize = 4096;
const TOO_LONG: ClaimError = ClaimError::WrongType("a claim that is sent to the upstream");

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn header(json: &Value) -> Option<String> {
        let value = header_value(json).unwrap();
        value.map(|header| header.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_claim_becomes_a_header_that_can_be_read_back() {
        assert_eq!(header(&json!("a b+c")).unwrap(), "a b+c");
        assert_eq!(
            header(&json!("Özil 50%\r\n")).unwrap(),
            "%C3%96zil 50%25%0D%0A"
        );
        assert_eq!(header(&json!(["a", "b"])).unwrap(), "a,b");
        assert_eq!(header(&json!(7)).unwrap(), "7");
        assert_eq!(header(&json!(true)).unwrap(), "true");
        assert_eq!(header(&json!({"a": "ä"})).unwrap(), "{\"a\":\"%C3%A4\"}");
        assert_eq!(header(&json!(null)), None);
    }

    #[test]
    fn a_claim_too_long_for_a_header_is_refused() {
        assert!(header_value(&json!("a".repeat(4096))).is_ok());
        assert!(header_value(&json!("a".repeat(4097))).is_err());
        assert!(header_value(&json!("é".repeat(1000))).is_err());
    }

    #[test]
    fn only_what_is_wanted_is_kept_under_the_names_of_the_operator() {
        let mut wanted = Wanted::default();
        let subject = wanted.required("sub");
        let raw = wanted.id("claims.sub");
        let absent = wanted.id("claims.none");
        assert_eq!(wanted.id("sub"), subject);
        let claims = Claims::read(br#"{"sub":"raw","uid":"ada","secret":"x"}"#).unwrap();
        let scope = Scope::empty();
        let named = Named {
            subject: Some("ada"),
            client: None,
            scope: &scope,
            issuer: "hub",
        };
        let picked = wanted.pick(&claims, named).unwrap();
        assert_eq!(picked.len(), 2);
        let json = |id| {
            let found = picked.iter().find(|(known, _)| *known == id);
            found.map(|(_, value)| value.json.as_deref().cloned())
        };
        assert_eq!(json(subject), Some(Some(json!("ada"))));
        assert_eq!(json(raw), Some(None), "only its header is needed");
        assert_eq!(json(absent), None);
    }
}
