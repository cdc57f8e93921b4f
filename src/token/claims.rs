//! What a token says (RFC 7519 §4), read strictly.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::{Audience, ClaimError, Scope, Timestamp};

/// The claims of a token: one JSON object in which no member occurs twice, at any depth.
///
/// Every reading names the type it wants; a claim of another type is an error, never skipped. `null` is a type too.
#[derive(Clone, Debug, PartialEq)]
pub struct Claims(Map<String, Value>);

impl Claims {
    /// Reads the payload of a token, or any other JSON object that must be read strictly.
    pub fn read(json: &[u8]) -> Result<Self, ClaimError> {
        match strict_json(json) {
            Some(Value::Object(members)) => Ok(Self(members)),
            _ => Err(ClaimError::NotAnObject),
        }
    }

    /// All of them.
    pub fn into_members(self) -> Map<String, Value> {
        self.0
    }

    /// Whether the claim is there, of whatever type.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// A claim that is a text.
    pub fn text(&self, name: &'static str) -> Result<Option<&str>, ClaimError> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(ClaimError::WrongType(name)),
        }
    }

    /// A claim that is true or false.
    pub fn truth(&self, name: &'static str) -> Result<Option<bool>, ClaimError> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::Bool(truth)) => Ok(Some(*truth)),
            Some(_) => Err(ClaimError::WrongType(name)),
        }
    }

    /// A claim that is a `NumericDate` (RFC 7519 §2): seconds, whole or with a fraction.
    pub fn moment(&self, name: &'static str) -> Result<Option<Timestamp>, ClaimError> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::Number(seconds)) => {
                moment(seconds).map(Some).ok_or(ClaimError::WrongType(name))
            }
            Some(_) => Err(ClaimError::WrongType(name)),
        }
    }

    /// Whom the token is for.
    pub fn audience(&self) -> Result<Option<Audience<'_>>, ClaimError> {
        self.0.get("aud").map(Audience::read).transpose()
    }

    /// What the token may do, from a claim that is a text, or an array of scope tokens. No claim means no scope.
    pub fn scope(&self, name: &'static str, loose: bool) -> Result<Option<Scope>, ClaimError> {
        let wrong = ClaimError::WrongType(name);
        let scope = match self.0.get(name) {
            None => return Ok(None),
            Some(Value::String(text)) if loose => Scope::parse_loose(text),
            Some(Value::String(text)) => Scope::parse(text),
            Some(Value::Array(words)) => {
                let words: Option<Vec<&str>> = words.iter().map(Value::as_str).collect();
                Scope::from_words(words.ok_or(wrong)?)
            }
            Some(_) => return Err(wrong),
        };
        scope.map(Some).map_err(|_| wrong)
    }

    /// The claim at a path of member names joined by dots, such as `resource_access.shop.roles`.
    ///
    /// A member whose own name holds dots (`https://example.com/tenant`) is found too: at every level, a member
    /// named like the whole rest of the path comes first, then the shortest beginning that is an object.
    pub fn at(&self, path: &str) -> Option<&Value> {
        find(&self.0, path)
    }
}

fn find<'a>(members: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    if let Some(value) = members.get(path) {
        return Some(value);
    }
    path.match_indices('.').find_map(|(dot, _)| {
        let inner = members.get(path.get(..dot)?)?.as_object()?;
        find(inner, path.get(dot + 1..)?)
    })
}

fn moment(seconds: &Number) -> Option<Timestamp> {
    if let Some(whole) = seconds.as_i64() {
        return Some(Timestamp::from_seconds(whole));
    }
    let seconds = seconds.as_f64().filter(|seconds| seconds.is_finite())?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a moment beyond the range of i64 saturates: it is as far away as can be"
    )]
    let millis = (seconds * 1000.0).floor() as i64;
    Some(Timestamp::from_millis(millis))
}

/// Reads JSON in which no member of any object occurs twice (RFC 8725 §3.7, RFC 7519 §4).
fn strict_json(json: &[u8]) -> Option<Value> {
    let mut source = serde_json::Deserializer::from_slice(json);
    let value = Strict { depth: DEPTH }.deserialize(&mut source).ok()?;
    source.end().ok()?;
    Some(value)
}

/// How deep arrays and objects may lie in one another.
const DEPTH: u8 = 16;

/// Builds a `Value`, but stops at a member that is already there, where `Value`'s own reading lets the last one win, and
/// where it would go deeper than so many levels more.
#[derive(Clone, Copy)]
struct Strict {
    depth: u8,
}

impl Strict {
    fn deeper<E: de::Error>(self) -> Result<Self, E> {
        let depth = self.depth.checked_sub(1);
        depth
            .map(|depth| Self { depth })
            .ok_or_else(|| E::custom("too many levels"))
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Value, D::Error> {
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without repeated members")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Value, E> {
        Ok(Value::Bool(truth))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Value, E> {
        Number::from_f64(number)
            .map(Value::Number)
            .ok_or_else(|| E::custom("a number that is not finite"))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::from(text))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut source: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut members = Vec::new();
        while let Some(member) = source.next_element_seed(inner)? {
            members.push(member);
        }
        Ok(Value::Array(members))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut source: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut members = Map::new();
        while let Some(name) = source.next_key::<String>()? {
            let value = source.next_value_seed(inner)?;
            if members.insert(name, value).is_some() {
                return Err(de::Error::custom("a repeated member"));
            }
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_has_sixteen_levels_at_most() {
        let nested = |levels| format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels));
        assert!(Claims::read(nested(16).as_bytes()).is_ok());
        assert!(Claims::read(nested(17).as_bytes()).is_err());
    }

    fn claims(json: &str) -> Claims {
        Claims::read(json.as_bytes()).unwrap()
    }

    /// W07
    #[test]
    fn a_repeated_member_is_refused_at_any_depth() {
        for json in [
            r#"{"sub":"a","sub":"a"}"#,
            r#"{"sub":"a","\u0073ub":"b"}"#,
            r#"{"a":{"b":[{"c":1,"c":2}]}}"#,
        ] {
            assert_eq!(
                Claims::read(json.as_bytes()),
                Err(ClaimError::NotAnObject),
                "{json}"
            );
        }
    }

    /// W07
    #[test]
    fn only_one_json_object_in_utf_8_is_claims() {
        for json in [
            &b"[]"[..],
            b"{} {}",
            b"{\"a\":\"\xff\"}",
            b"",
            b"null",
            b"{\"exp\":1e999}",
            b"{\"exp\":NaN}",
        ] {
            assert!(Claims::read(json).is_err());
        }
        let deep = format!("{}{}", "{\"a\":".repeat(500), "1");
        assert!(Claims::read(deep.as_bytes()).is_err());
    }

    /// JW-06
    #[test]
    fn a_moment_is_a_number_and_nothing_else() {
        assert_eq!(
            claims(r#"{"exp":1.5}"#).moment("exp"),
            Ok(Some(Timestamp::from_millis(1500)))
        );
        assert_eq!(
            claims(r#"{"exp":9}"#).moment("exp"),
            Ok(Some(Timestamp::from_seconds(9)))
        );
        assert_eq!(claims("{}").moment("exp"), Ok(None));
        for wrong in [
            r#"{"exp":"9999999999"}"#,
            r#"{"exp":null}"#,
            r#"{"exp":[1]}"#,
            r#"{"exp":true}"#,
        ] {
            assert_eq!(
                claims(wrong).moment("exp"),
                Err(ClaimError::WrongType("exp"))
            );
        }
    }

    #[test]
    fn a_scope_is_a_text_or_an_array() {
        let text = claims(r#"{"scope":"a b"}"#);
        let array = claims(r#"{"scp":["a","b"]}"#);
        let commas = claims(r#"{"scp":"a,b"}"#);
        let expected = Scope::parse("a b").unwrap();
        assert_eq!(text.scope("scope", false), Ok(Some(expected.clone())));
        assert_eq!(array.scope("scp", false), Ok(Some(expected.clone())));
        assert_eq!(commas.scope("scp", true), Ok(Some(expected)));
        assert_eq!(text.scope("scp", false), Ok(None));
        assert!(claims(r#"{"scope":[1]}"#).scope("scope", false).is_err());
        assert!(
            claims(r#"{"scope":["a b"]}"#)
                .scope("scope", false)
                .is_err()
        );
    }

    #[test]
    fn a_path_reaches_into_objects_and_names_with_dots() {
        let claims =
            claims(r#"{"a":{"b":{"c":1}},"https://x.example/t":2,"x.y":{"z":3},"a.b":{"c":4}}"#);
        assert_eq!(claims.at("a.b.c"), Some(&json!(1)));
        assert_eq!(claims.at("https://x.example/t"), Some(&json!(2)));
        assert_eq!(claims.at("x.y.z"), Some(&json!(3)));
        assert_eq!(claims.at("a.x"), None);
        assert_eq!(claims.at(""), None);
    }
}
