//! Which methods a route is for.

use std::fmt;

use http::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The methods a route is for: those listed, or all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
#[schemars(with = "Vec<String>")]
pub struct Methods(Vec<Method>);

impl Methods {
    /// Exactly these methods.
    pub fn of(methods: impl IntoIterator<Item = Method>) -> Self {
        Self(methods.into_iter().collect())
    }

    /// Whether this method is meant. `TRACE` and `CONNECT` never are: one would echo credentials, the other is a
    /// tunnel to anywhere (RFC 9110 §9.3.6, §9.3.8).
    pub fn accept(&self, method: &Method) -> bool {
        if *method == Method::TRACE || *method == Method::CONNECT {
            return false;
        }
        self.0.is_empty() || self.0.contains(method)
    }

    /// Whether the file lists methods at all.
    pub fn are_listed(&self) -> bool {
        !self.0.is_empty()
    }

    /// The methods listed.
    pub fn listed(&self) -> &[Method] {
        &self.0
    }

    /// Whether some method fits both equally well.
    pub fn tie_with(&self, other: &Self) -> bool {
        match (self.0.is_empty(), other.0.is_empty()) {
            (true, true) => true,
            (false, false) => self.0.iter().any(|method| other.0.contains(method)),
            _ => false,
        }
    }
}

impl fmt::Display for Methods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("any");
        }
        let words: Vec<&str> = self.0.iter().map(Method::as_str).collect();
        f.write_str(&words.join(", "))
    }
}

impl TryFrom<Vec<String>> for Methods {
    type Error = String;

    fn try_from(words: Vec<String>) -> Result<Self, String> {
        words
            .iter()
            .map(|word| parse(word))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl From<Methods> for Vec<String> {
    fn from(methods: Methods) -> Self {
        methods.0.iter().map(ToString::to_string).collect()
    }
}

fn parse(word: &str) -> Result<Method, String> {
    if word.chars().any(|letter| letter.is_ascii_lowercase()) {
        return Err(format!(
            "methods are case-sensitive: write `{}`",
            word.to_ascii_uppercase()
        ));
    }
    match Method::from_bytes(word.as_bytes()) {
        Ok(Method::TRACE | Method::CONNECT) => Err(format!("`{word}` is never forwarded")),
        Ok(method) => Ok(method),
        Err(_) => Err(format!("`{word}` is not a method")),
    }
}
