//! `[issuer.X]`: somebody else whose tokens count.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::pace::Pace;
use crate::net::Address;
use crate::settings::{Dotted, FilePath, Lifetime, OneOrMany, Place, Problem, SecretSource};
use crate::token::Algorithm;

/// An issuer whose tokens are accepted on the routes that name it.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct IssuerSettings {
    /// How its tokens are judged: `jwt`, by their signature, or `introspection`, by asking.
    pub kind: Kind,
    /// What `iss` must be, byte for byte. For `jwt` also where its keys are found (`OpenID` Connect Discovery, RFC 8414),
    /// unless `jwks` says otherwise.
    pub issuer: Option<String>,
    /// Whom its tokens must be for: `aud` must name one of these. `"any"` accepts tokens for anybody. Required for `jwt`.
    pub audiences: Option<OneOrMany>,
    /// `jwt`: the algorithms its tokens may be signed with. Default: RS256, RS384, RS512, PS256, ES256, ES384 and
    /// `EdDSA`, all but those with a shared key.
    pub algorithms: Option<Vec<Algorithm>>,
    /// How far its clock may be off ours. Default: `"30s"`.
    pub clock_skew: Option<Lifetime>,
    /// `jwt`: where its keys are, instead of discovery.
    pub jwks: Option<JwksSettings>,
    /// `jwt`: how its keys are kept fresh.
    pub keys: Option<KeysSettings>,
    /// `jwt`: whether the gateway is ready only once it has keys of this issuer.
    pub required_at_start: Option<bool>,
    /// The certificate authorities to trust when asking it, in PEM. Default: those of the operating system.
    pub ca: Option<FilePath>,
    /// `introspection`: the endpoint (RFC 7662).
    pub url: Option<String>,
    /// `introspection`: how we introduce ourselves there.
    pub client: Option<ClientSettings>,
    /// `introspection`: for how long its answers are believed.
    pub cache: Option<CacheSettings>,
    /// `introspection`: what happens while it cannot answer: `"deny"` refuses with 503; `"use_stale:5m"` believes an
    /// earlier answer that much longer. Default: `"deny"`.
    pub on_outage: Option<OnOutage>,
}

/// How an issuer's tokens are judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// By their signature.
    #[default]
    Jwt,
    /// By asking about each.
    Introspection,
}

/// Where an issuer's keys are: exactly one of `url` and `file`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("x-one-of" = ["url", "file"]))]
pub struct JwksSettings {
    /// The address of its JWK set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// A file with a JWK set, one JWK, or a public key in PEM. It is read again when it changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<FilePath>,
}

/// How an issuer's keys are kept fresh.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KeysSettings {
    /// How long a set lives that does not say so itself by `Cache-Control`; it is fetched again at four fifths of that.
    pub refresh: Lifetime,
    /// How long the last good set serves while no newer one can be had; after that, requests are refused with 503.
    pub keep_stale: Lifetime,
    /// How often tokens of an unknown key may cause a fetch, once the first two are spent.
    pub unknown_kid_cooldown: Lifetime,
}

/// How we introduce ourselves at an introspection endpoint.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClientSettings {
    /// Our client identifier there.
    pub id: String,
    /// Our client secret there.
    pub secret: SecretSource,
}

/// For how long the answers of an introspection endpoint are believed.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CacheSettings {
    /// The longest an active token is believed to be so: the time within which a revoked token may still pass.
    pub active: Lifetime,
    /// How long an inactive token is believed to be so.
    pub inactive: Lifetime,
    /// How many answers are kept.
    pub capacity: u64,
}

/// What happens while an introspection endpoint cannot answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub enum OnOutage {
    /// Requests are refused with 503.
    #[default]
    Deny,
    /// An earlier answer is believed this much longer.
    UseStale(Lifetime),
}

impl Default for KeysSettings {
    fn default() -> Self {
        Self {
            refresh: Lifetime::minutes(10),
            keep_stale: Lifetime::hours(24),
            unknown_kid_cooldown: Lifetime::seconds(10),
        }
    }
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self {
            active: Lifetime::seconds(60),
            inactive: Lifetime::seconds(5),
            capacity: 200_000,
        }
    }
}

impl KeysSettings {
    pub(super) const fn pace(&self) -> Pace {
        Pace {
            refresh: self.refresh.duration(),
            keep_stale: self.keep_stale.duration(),
            cooldown: self.unknown_kid_cooldown.duration(),
        }
    }
}

impl OnOutage {
    pub(super) const fn stale(self) -> Duration {
        match self {
            Self::Deny => Duration::ZERO,
            Self::UseStale(span) => span.duration(),
        }
    }
}

impl TryFrom<String> for OnOutage {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "deny" => Ok(Self::Deny),
            Some(("use_stale", span)) => Lifetime::parse(span).map(Self::UseStale),
            _ => Err("write \"deny\" or \"use_stale:5m\"".to_owned()),
        }
    }
}

impl From<OnOutage> for String {
    fn from(choice: OnOutage) -> Self {
        match choice {
            OnOutage::Deny => "deny".to_owned(),
            OnOutage::UseStale(span) => format!("use_stale:{}", String::from(span)),
        }
    }
}

impl IssuerSettings {
    /// Everything that is wrong with this section, which stands at `place`.
    pub fn check(&self, place: &Dotted) -> Vec<Problem> {
        let mut problems = Vec::new();
        for key in self.foreign_keys() {
            let message = format!("`{key}` does not belong to an issuer of this kind");
            let help = match self.kind {
                Kind::Jwt => "remove it, or write `kind = \"introspection\"`",
                Kind::Introspection => "remove it, or write `kind = \"jwt\"`",
            };
            problems.push(Problem::error("TG0301", Place::Key(place.key(key)), message).help(help));
        }
        for (key, help) in self.missing_keys() {
            let message = format!("{place} has no `{key}`");
            problems.push(Problem::error("TG0302", Place::Key(place.clone()), message).help(help));
        }
        for (path, address) in self.addresses(place) {
            if let Err(error) = Address::parse(address) {
                let problem = Problem::error("TG0303", Place::Value(path), error.to_string());
                problems.push(problem.help("write an address that begins with https://"));
            }
        }
        if self.algorithms.as_ref().is_some_and(Vec::is_empty) {
            let path = Place::Value(place.key("algorithms"));
            let problem = Problem::error("TG0304", path, "no algorithm is allowed");
            problems.push(problem.help("leave it out, or name one, such as [\"RS256\"]"));
        }
        problems
    }

    /// Where its keys are found by discovery, if they are.
    pub(super) fn discovers(&self) -> bool {
        self.kind == Kind::Jwt && self.jwks.is_none()
    }

    fn foreign_keys(&self) -> Vec<&'static str> {
        let written = match self.kind {
            Kind::Jwt => vec![
                ("url", self.url.is_some()),
                ("client", self.client.is_some()),
                ("cache", self.cache.is_some()),
                ("on_outage", self.on_outage.is_some()),
            ],
            Kind::Introspection => vec![
                ("algorithms", self.algorithms.is_some()),
                ("jwks", self.jwks.is_some()),
                ("keys", self.keys.is_some()),
                ("required_at_start", self.required_at_start.is_some()),
            ],
        };
        let foreign = written.into_iter().filter(|(_, is_written)| *is_written);
        foreign.map(|(key, _)| key).collect()
    }

    fn missing_keys(&self) -> Vec<(&'static str, &'static str)> {
        let needed = match self.kind {
            Kind::Jwt => vec![
                (
                    "issuer",
                    self.issuer.is_some(),
                    "write `issuer = \"https://..\"`, what `iss` of its tokens says",
                ),
                (
                    "audiences",
                    self.audiences.as_ref().is_some_and(|all| !all.0.is_empty()),
                    "write `audiences = [\"https://api.example.com\"]`, or \"any\" to accept tokens for anybody",
                ),
            ],
            Kind::Introspection => vec![
                (
                    "url",
                    self.url.is_some(),
                    "write `url = \"https://../introspect\"`",
                ),
                (
                    "client",
                    self.client.is_some(),
                    "write `client = { id = \"..\", secret = { file = \"..\" } }`",
                ),
            ],
        };
        let missing = needed.into_iter().filter(|(_, is_there, _)| !is_there);
        missing.map(|(key, _, help)| (key, help)).collect()
    }

    fn addresses(&self, place: &Dotted) -> Vec<(Dotted, &str)> {
        let jwks = self.jwks.as_ref().and_then(|jwks| jwks.url.as_deref());
        let issuer = self.issuer.as_deref().filter(|_| self.discovers());
        [
            (place.key("issuer"), issuer),
            (place.key("jwks").key("url"), jwks),
            (place.key("url"), self.url.as_deref()),
        ]
        .into_iter()
        .filter_map(|(path, address)| Some((path, address?)))
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(toml: &str) -> IssuerSettings {
        toml::from_str(toml).unwrap()
    }

    fn codes(toml: &str) -> Vec<&'static str> {
        let problems = read(toml).check(&Dotted::from("issuer.x"));
        problems.iter().map(|problem| problem.code).collect()
    }

    #[test]
    fn an_issuer_url_and_audiences_are_all_it_takes() {
        let corp = "issuer = \"https://id.example.com/\"\naudiences = [\"api\"]";
        assert!(codes(corp).is_empty());
        let legacy =
            "kind = \"introspection\"\nurl = \"https://id.example.com/i\"\nclient = { id = \"a\" }";
        assert!(codes(legacy).is_empty());
    }

    #[test]
    fn what_is_missing_foreign_or_unsafe_is_said() {
        assert_eq!(codes(""), ["TG0302", "TG0302"]);
        let foreign = "issuer = \"https://id.example.com/\"\naudiences = \"any\"\nurl = \"https://x.example/\"";
        assert_eq!(codes(foreign), ["TG0301"]);
        let plain = "issuer = \"http://id.example.com/\"\naudiences = \"any\"\nalgorithms = []";
        assert_eq!(codes(plain), ["TG0303", "TG0304"]);
        let file = "issuer = \"any words\"\naudiences = \"any\"\njwks = { file = \"jwks.json\" }";
        assert!(codes(file).is_empty());
    }

    #[test]
    fn an_outage_is_denied_or_bridged() {
        let bridged = read("on_outage = \"use_stale:5m\"").on_outage.unwrap();
        assert_eq!(bridged, OnOutage::UseStale(Lifetime::minutes(5)));
        assert_eq!(String::from(bridged), "use_stale:5m");
        assert!(toml::from_str::<IssuerSettings>("on_outage = \"allow\"").is_err());
    }
}
