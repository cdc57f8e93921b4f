//! What a token may do: a set of scope tokens (RFC 6749 §3.3).

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A set of scope tokens, in the order they were given.
///
/// Written as text with single spaces, the form of RFC 6749 §3.3. A scope may stand for every scope there is: some
/// APIs have one word that opens all doors (see [`Scope::or_everything`]).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Scope {
    text: Arc<str>,
    everything: bool,
}

/// Text that is not a scope: it holds a character outside those of RFC 6749 §3.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a scope is made of visible ASCII characters other than `\"` and `\\`, separated by spaces"
)]
pub struct InvalidScope;

impl Scope {
    /// The scope that permits nothing in particular.
    pub fn empty() -> Self {
        Self {
            text: Arc::from(""),
            everything: false,
        }
    }

    /// Reads scope tokens separated by white space.
    pub fn parse(text: &str) -> Result<Self, InvalidScope> {
        Self::from_words(text.split_ascii_whitespace())
    }

    /// Reads scope tokens separated by white space or commas, as some older APIs write them.
    pub fn parse_loose(text: &str) -> Result<Self, InvalidScope> {
        Self::from_words(
            text.split([' ', '\t', '\n', '\r', ','])
                .filter(|word| !word.is_empty()),
        )
    }

    /// The set of these scope tokens; a repeated one counts once.
    pub fn from_words<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidScope> {
        let mut kept: Vec<&str> = Vec::new();
        for word in words {
            if word.is_empty() || !word.bytes().all(is_scope_character) {
                return Err(InvalidScope);
            }
            if !kept.contains(&word) {
                kept.push(word);
            }
        }
        Ok(Self {
            text: Arc::from(kept.join(" ")),
            everything: false,
        })
    }

    /// This scope; if it holds the word `master`, it stands for every scope.
    #[must_use]
    pub fn or_everything(mut self, master: Option<&str>) -> Self {
        self.everything = master.is_some_and(|word| self.contains(word));
        self
    }

    /// The same scope, with its text as `share` gives it.
    #[must_use]
    pub fn map_text(mut self, share: impl FnOnce(&str) -> Arc<str>) -> Self {
        self.text = share(&self.text);
        self
    }

    /// Whether this one scope token is held.
    pub fn contains(&self, word: &str) -> bool {
        self.everything || self.words().any(|held| held == word)
    }

    /// Whether every scope token of `needed` is held.
    pub fn covers(&self, needed: &Scope) -> bool {
        self.everything || needed.words().all(|word| self.contains(word))
    }

    /// The scope tokens, one by one.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.text.split(' ').filter(|word| !word.is_empty())
    }

    /// Whether there is no scope token at all.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The text form: scope tokens separated by single spaces.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

// RFC 6749 §3.3: %x21 / %x23-5B / %x5D-7E
fn is_scope_character(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e)
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scope({:?})", self.text)
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

/// From text: `"orders:read orders:write"`.
impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Scope {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Scope".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "scope" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_covers_its_parts_and_no_prefix_of_them() {
        let held = Scope::parse("orders:read  orders:write").unwrap();
        assert!(held.covers(&Scope::parse("orders:write").unwrap()));
        assert!(held.covers(&Scope::empty()));
        assert!(!held.covers(&Scope::parse("orders").unwrap()));
        assert_eq!(held.as_str(), "orders:read orders:write");
    }

    #[test]
    fn a_master_word_covers_everything_only_when_it_is_held() {
        let needed = Scope::parse("anything").unwrap();
        let root = Scope::parse("write_root")
            .unwrap()
            .or_everything(Some("write_root"));
        let extra = Scope::parse("write_root_x")
            .unwrap()
            .or_everything(Some("write_root"));
        assert!(root.covers(&needed));
        assert!(!extra.covers(&needed));
    }

    #[test]
    fn quotes_and_backslashes_are_not_scope_characters() {
        assert_eq!(Scope::parse("a\"b"), Err(InvalidScope));
        assert_eq!(Scope::parse("a\\b"), Err(InvalidScope));
        assert_eq!(Scope::parse("a\u{e9}"), Err(InvalidScope));
    }
}
