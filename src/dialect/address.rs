//! Where a mount lies, what the issuer of its tokens is called, and a header they may travel in.

use std::fmt;

use http::HeaderName;
use http::header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, HOST, TRANSFER_ENCODING};
use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// The path a mount lies at: `"/oauth"`, or `"/"`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(into = "String")]
pub struct MountPath(#[serde(deserialize_with = "mount_path")] String);

impl MountPath {
    /// Reads a path; the error is what to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let help = || {
            "write a path such as \"/oauth\": letters, digits, - and _ between slashes".to_owned()
        };
        let prefix = text.strip_suffix('/').unwrap_or(text);
        if text.is_empty() {
            return Err(help());
        }
        if prefix.is_empty() {
            return Ok(Self(String::new()));
        }
        let segments = prefix.strip_prefix('/').ok_or_else(help)?;
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let is_good =
            |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(fits);
        if !segments.split('/').all(is_good) {
            return Err(help());
        }
        Ok(Self(prefix.to_owned()))
    }

    /// The path without a slash at the end; that of the root is empty.
    pub fn prefix(&self) -> &str {
        &self.0
    }
}

impl From<MountPath> for String {
    fn from(path: MountPath) -> Self {
        path.to_string()
    }
}

impl fmt::Display for MountPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "/" } else { &self.0 })
    }
}

/// An issuer identifier: an `https` URL without query or fragment (RFC 8414 §2). On the own machine `http` will do.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct Identifier(#[serde(deserialize_with = "identifier")] String);

impl Identifier {
    /// Reads an identifier; the error is what to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let help = || {
            "write an https URL without query and fragment, for example \"https://id.example.com\""
                .to_owned()
        };
        let url = url::Url::parse(text).map_err(|_| help())?;
        let is_near = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_near);
        let is_bare = url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        if is_safe && is_bare {
            Ok(Self(text.to_owned()))
        } else {
            Err(help())
        }
    }

    /// The identifier, byte for byte as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of a header that may carry a token, such as `"X-Api-Token"`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct HeaderWord(#[serde(deserialize_with = "header_word")] String);

impl HeaderWord {
    /// Reads a name; the error is what to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let name = HeaderName::try_from(text).ok();
        match name.filter(|name| !SPOKEN_FOR.contains(name)) {
            Some(_) => Ok(Self(text.to_owned())),
            None => Err(
                "write the name of a header that means nothing else, such as \"X-Api-Token\""
                    .to_owned(),
            ),
        }
    }

    /// The header.
    pub fn name(&self) -> Option<HeaderName> {
        HeaderName::try_from(&*self.0).ok()
    }
}

/// Headers that mean something else, or are read for a token anyway.
const SPOKEN_FOR: [HeaderName; 6] = [
    AUTHORIZATION,
    CONNECTION,
    CONTENT_LENGTH,
    COOKIE,
    HOST,
    TRANSFER_ENCODING,
];

// These read inside the newtype and not through `try_from`, so that a mistake is reported at the value.

fn mount_path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let path = MountPath::parse(&text).map_err(D::Error::custom)?;
    Ok(path.0)
}

fn identifier<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let identifier = Identifier::parse(&text).map_err(D::Error::custom)?;
    Ok(identifier.0)
}

fn header_word<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let word = HeaderWord::parse(&text).map_err(D::Error::custom)?;
    Ok(word.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_travels_in_no_header_that_means_something_else() {
        let name = HeaderWord::parse("X-Api-Token").unwrap().name().unwrap();
        assert_eq!(name.as_str(), "x-api-token");
        for text in ["", "a b", "Authorization", "host"] {
            HeaderWord::parse(text).unwrap_err();
        }
    }

    #[test]
    fn a_mount_path_has_one_spelling() {
        for (text, prefix, shown) in [
            ("/", "", "/"),
            ("/oauth/", "/oauth", "/oauth"),
            ("/a/b-2", "/a/b-2", "/a/b-2"),
        ] {
            let path = MountPath::parse(text).unwrap();
            assert_eq!((path.prefix(), path.to_string().as_str()), (prefix, shown));
        }
        for text in [
            "", "oauth", "//", "/a//b", "/a/../b", "/a b", "/{id}", "/**", "/a%2f",
        ] {
            MountPath::parse(text).unwrap_err();
        }
    }

    #[test]
    fn m01_an_issuer_identifier_is_https_without_query_and_fragment() {
        for text in [
            "https://id.example.com",
            "https://a.test/oauth",
            "http://localhost:8080/oauth",
        ] {
            assert_eq!(Identifier::parse(text).unwrap().as_str(), text);
        }
        for text in [
            "http://id.example.com",
            "https://a.test/?q",
            "https://a.test/#f",
            "https://u@a.test/",
            "id",
        ] {
            Identifier::parse(text).unwrap_err();
        }
    }
}
