//! A mount as the operator writes it: `[dialect.NAME]`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::{Dialect, RefreshSettings, nexushub, oauth2};
use crate::issue::Registration;
use crate::permit::Allowance;
use crate::settings::Lifetime;
use crate::token::Algorithm;

/// Token endpoints that speak one API's words, at one place. Also the issuer of the tokens given there.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MountSettings {
    /// Whose words it speaks.
    pub speak: Speak,
    /// The hosts it answers for. Default: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// The path its endpoints lie below. Default: "/oauth" for oauth2, "/" for the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<MountPath>,
    /// The issuer identifier of its tokens. Default: `server.public_url` and the path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<Identifier>,
    /// Its tokens.
    #[serde(default)]
    pub tokens: TokenSettings,
    /// Its refresh tokens.
    #[serde(default)]
    pub refresh: RefreshSettings,
    /// Its signing keys.
    #[serde(default)]
    pub keys: KeySettings,
    /// Whether strangers may make themselves an account; for APIs with accounts. Default: "closed".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub register: Option<Registration>,
    /// How often one address may call each endpoint. Default: as the API has it; for oauth2, no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<LimitSettings>,
    /// Whether to repeat the spelling mistakes of the API's original, for clients that compare bodies. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict_typos: Option<bool>,
}

/// Whose words a mount speaks.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Speak {
    /// OAuth 2.0 (RFC 6749), with metadata (RFC 8414) and keys (RFC 7517).
    #[default]
    Oauth2,
    /// The API of NexusHub.
    Nexushub,
}

/// The tokens of a mount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TokenSettings {
    /// How long an access token lives. Default: "10m" for oauth2, else as the API has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access: Option<Lifetime>,
}

/// The signing keys of a mount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KeySettings {
    /// What they sign with. Default: "ES256" for oauth2, else as the API has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<Algorithm>,
}

/// How often one address may call each endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitSettings {
    /// How many attempts ..
    #[schemars(range(min = 1, max = 10_000))]
    pub attempts: u32,
    /// .. within how long.
    pub within: Lifetime,
}

impl MountSettings {
    /// A mount that speaks `speak` and says nothing else.
    pub fn speaking(speak: Speak) -> Self {
        Self {
            speak,
            hosts: Vec::new(),
            path: None,
            issuer: None,
            tokens: TokenSettings::default(),
            refresh: RefreshSettings::default(),
            keys: KeySettings::default(),
            register: None,
            limit: None,
            strict_typos: None,
        }
    }

    /// The path its endpoints lie below: no slash at the end, so that of the root is empty.
    pub fn prefix(&self) -> &str {
        match &self.path {
            Some(path) => path.prefix(),
            None => self.speak.usual_prefix(),
        }
    }

    /// Whether strangers may make themselves an account.
    pub fn registration(&self) -> Registration {
        self.register.unwrap_or_default()
    }

    /// The dialect, for a mount that clients reach at `url`: scheme, host and path, without a slash at the end.
    pub fn dialect(&self, url: &str) -> Arc<dyn Dialect> {
        let build = match self.speak {
            Speak::Oauth2 => oauth2::build,
            Speak::Nexushub => nexushub::build,
        };
        build(self, url)
    }

    /// The keys that are set and mean nothing to the chosen dialect, each with a sentence that says so.
    pub fn misplaced(&self) -> Vec<(&'static str, &'static str)> {
        let set = [
            ("register", self.register.is_some()),
            ("strict_typos", self.strict_typos.is_some()),
            ("keys.algorithm", self.keys.algorithm.is_some()),
            ("refresh", self.refresh != RefreshSettings::default()),
        ];
        let is_misplaced = |key: &str| set.iter().any(|(name, is_set)| *name == key && *is_set);
        let foreign = self.speak.foreign_keys().iter();
        foreign
            .copied()
            .filter(|(key, _)| is_misplaced(key))
            .collect()
    }
}

impl Default for MountSettings {
    fn default() -> Self {
        Self::speaking(Speak::default())
    }
}

impl Speak {
    /// The word in the operator's file.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Oauth2 => "oauth2",
            Self::Nexushub => "nexushub",
        }
    }

    const fn usual_prefix(self) -> &'static str {
        match self {
            Self::Oauth2 => "/oauth",
            Self::Nexushub => "",
        }
    }

    const fn foreign_keys(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Oauth2 => &[
                (
                    "register",
                    "oauth2 has no accounts: clients are made in the file or by `tollgate client add`",
                ),
                ("strict_typos", "oauth2 has no spelling mistakes to repeat"),
            ],
            Self::Nexushub => &[
                (
                    "keys.algorithm",
                    "tokens of this API are always signed with RS256",
                ),
                (
                    "refresh",
                    "refresh tokens of this API stay the same and do not expire",
                ),
            ],
        }
    }
}

impl LimitSettings {
    /// As a rolling window.
    pub const fn rolling(self) -> Allowance {
        Allowance::Rolling {
            count: self.attempts,
            window: self.within.duration(),
        }
    }

    /// As a smooth rate that allows all attempts at once after a rest.
    pub const fn smooth(self) -> Allowance {
        Allowance::Smooth {
            count: self.attempts,
            per: self.within.duration(),
            burst: self.attempts,
        }
    }
}

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

/// The lifetime that was set, or the dialect's own.
pub(super) fn lifetime(tokens: &TokenSettings, usual: Duration) -> Duration {
    tokens.access.map_or(usual, Lifetime::duration)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::dialect::DIALECTS;
    use crate::settings::{Document, Place};

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

    #[test]
    fn a_key_of_another_dialect_is_named_with_its_reason() {
        let mut settings = MountSettings::speaking(Speak::Oauth2);
        assert!(settings.misplaced().is_empty());
        settings.register = Some(Registration::Open);
        settings.keys.algorithm = Some(Algorithm::RS256);
        let keys: Vec<_> = settings
            .misplaced()
            .into_iter()
            .map(|(key, _)| key)
            .collect();
        assert_eq!(keys, ["register"]);
        settings.speak = Speak::Nexushub;
        let keys: Vec<_> = settings
            .misplaced()
            .into_iter()
            .map(|(key, _)| key)
            .collect();
        assert_eq!(keys, ["keys.algorithm"]);
    }

    #[test]
    fn every_word_has_its_dialect() {
        for speak in DIALECTS {
            let settings = MountSettings::speaking(speak);
            assert_eq!(serde_json::to_value(speak).unwrap(), speak.word());
            assert!(!settings.dialect("https://a.test").endpoints().is_empty());
        }
    }

    #[test]
    fn a_mount_is_read_from_the_operators_file_and_its_mistakes_are_found() {
        let read = |text: &str| {
            let (mut document, mut problems) = (Document::default(), Vec::new());
            document.add("tollgate.toml", Path::new("/"), text, &mut problems);
            (document.read::<MountSettings>(&mut problems), problems)
        };
        let (settings, problems) = read(
            r#"
            speak    = "nexushub"
            hosts    = ["auth.hub.example"]
            path     = "/"
            issuer   = "https://auth.hub.example"
            register = "open"
            tokens   = { access = "1h" }
            limit    = { attempts = 20, within = "5s" }
            strict_typos = true
            "#,
        );
        let settings = settings.unwrap();
        assert_eq!((settings.prefix(), problems.len()), ("", 0));
        assert_eq!(settings.registration(), Registration::Open);
        let (_, problems) = read(
            r#"
            speak  = "oauth2"
            path   = "oauth"
            issuer = "http://a.test"
            limit  = { attempts = 0, within = "5s" }
            tokens = { format = "jwt" }
            "#,
        );
        assert_eq!(problems.len(), 4, "{problems:?}");
        let whole_file = Place::Span(0..0);
        assert!(problems.iter().all(|problem| problem.place != whole_file));
        assert!(read("path = \"/oauth\"").0.is_none());
    }
}
