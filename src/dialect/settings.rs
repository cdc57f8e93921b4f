//! A mount as the operator writes it: `[dialect.NAME]`.

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Dialect, HeaderWord, Identifier, MountPath, RefreshSettings, Speak, bluenexus, hubler, nexudus,
    nexushub, oauth2,
};
use crate::issue::Registration;
use crate::net::Allowance;
use crate::settings::Lifetime;
use crate::token::{Algorithm, Profile, Scope};

/// Token endpoints that speak one API's words, at one place. Also the issuer of the tokens given there.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MountSettings {
    /// Whose words it speaks.
    pub speak: Speak,
    /// The hosts it answers for. Default: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// The path its endpoints lie below. Default: "/oauth" for oauth2, "/" for nexushub and bluenexus, "/api"
    /// for nexudus, "/public-api/auth" for hubler.
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
    /// Whether strangers may make themselves an account, or where programs register themselves (RFC 7591), a client; for
    /// APIs that have one of the two. Default: "closed".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub register: Option<Registration>,
    /// How often one address may call each endpoint. Default: as the API has it; for oauth2, no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<LimitSettings>,
    /// Whether to repeat the spelling mistakes of the API's original, for clients that compare bodies. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict_typos: Option<bool>,
    /// Whether a program that got its refresh token without giving a name may leave it out again. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_default_client: Option<bool>,
    /// Who answers `GET /auth/me`. Default: "proxied".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub me: Option<Me>,
    /// Whether an unknown account is refused like a wrong secret. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hide_accounts: Option<bool>,
    /// Whether a field that is not part of the API is refused. Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
    /// The word in `status` that comes with a token. Default: "success".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Whether to say beside a token how many seconds it lives. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<bool>,
    /// Whether failures of our own are answered with 500 where the API has 400. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_errors: Option<bool>,
    /// Whether the fields may come as a form too. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forms: Option<bool>,
    /// One more header in which its tokens may travel, alone. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_header: Option<HeaderWord>,
    /// What tokens can permit: what programs are told, and the most that one may have that registers itself; for APIs
    /// with a list of scopes. Default: as the API has it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<Scope>,
    /// Whether the list of scopes is told as it is, not as a member `scopes` of an object. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes_as_list: Option<bool>,
    /// The field that carries the message a wallet signed, for APIs that wallets log in at. Default: "message".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_field: Option<String>,
    /// Whether endpoints below `/api` answer without it too, as some pages of the API have it. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub short_paths: Option<bool>,
}

/// The tokens of a mount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TokenSettings {
    /// How long an access token lives. Default: "10m" for oauth2, else as the API has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access: Option<Lifetime>,
}

/// Who answers a question for the account of a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Me {
    /// The upstream, by a route like any other.
    #[default]
    Proxied,
    /// The mount, from what it knows of the account.
    BuiltIn,
}

/// The signing keys of a mount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KeySettings {
    /// What they sign with. Default: "ES256" for oauth2, else as the API has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<Algorithm>,
    /// How long one signs before its successor takes over, which is published a day before. Default: "90d"; never, for
    /// APIs whose tokens do not say which key signed them: whoever checks them was handed one public key as a file, and
    /// would refuse all tokens of the next. There the operator rotates, by `tollgate key rotate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotate: Option<Lifetime>,
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

/// How long a key signs where others can fetch its successor.
const ROTATION: Duration = Duration::from_hours(90 * 24);

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
            refresh_default_client: None,
            me: None,
            hide_accounts: None,
            strict: None,
            status: None,
            expires_in: None,
            server_errors: None,
            forms: None,
            token_header: None,
            scopes: Vec::new(),
            scopes_as_list: None,
            message_field: None,
            short_paths: None,
        }
    }

    /// The path its endpoints lie below: no slash at the end, so that of the root is empty.
    pub fn prefix(&self) -> &str {
        match &self.path {
            Some(path) => path.prefix(),
            None => self.speak.usual_prefix(),
        }
    }

    /// How long a signing key signs before the next takes over; nothing if that is up to the operator: those who were
    /// handed a public key as a file would not notice.
    pub fn rotation(&self, profile: &Profile) -> Option<Duration> {
        let said = self.keys.rotate.map(Lifetime::duration);
        said.or_else(|| profile.key_id_in_header.then_some(ROTATION))
    }

    /// Whether strangers may make themselves an account.
    pub fn registration(&self) -> Registration {
        self.register.unwrap_or_default()
    }

    /// Whether the API has a language for a WebSocket.
    pub fn has_socket(&self) -> bool {
        self.dialect("https://localhost").socket().is_some()
    }

    /// The dialect, for a mount that clients reach at `url`: scheme, host and path, without a slash at the end.
    pub fn dialect(&self, url: &str) -> Arc<dyn Dialect> {
        let build = match self.speak {
            Speak::Oauth2 => oauth2::build,
            Speak::Nexushub => nexushub::build,
            Speak::Nexudus => nexudus::build,
            Speak::Hubler => hubler::build,
            Speak::Bluenexus => bluenexus::build,
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
            (
                "refresh_default_client",
                self.refresh_default_client.is_some(),
            ),
            ("me", self.me.is_some()),
            ("hide_accounts", self.hide_accounts.is_some()),
            ("strict", self.strict.is_some()),
            ("status", self.status.is_some()),
            ("expires_in", self.expires_in.is_some()),
            ("server_errors", self.server_errors.is_some()),
            ("forms", self.forms.is_some()),
            ("token_header", self.token_header.is_some()),
            ("scopes", !self.scopes.is_empty()),
            ("scopes_as_list", self.scopes_as_list.is_some()),
            ("message_field", self.message_field.is_some()),
            ("short_paths", self.short_paths.is_some()),
        ];
        let set = set.into_iter().filter(|(_, is_set)| *is_set);
        set.filter_map(|(key, _)| Some((key, self.speak.foreign(key)?)))
            .collect()
    }
}

impl Default for MountSettings {
    fn default() -> Self {
        Self::speaking(Speak::default())
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
