//! A client, as the operator writes it: `[client.NAME]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Grant, redirect_uri};
use crate::settings::{Dotted, FilePath, Place, Problem, SecretSource};
use crate::token::Scope;

/// `[client.NAME]`: a program that may ask for tokens.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClientSettings {
    /// Where its secret is. A client that cannot keep one has none, and says `auth = "none"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretSource>,
    /// How it proves which client it is. Default: by its secret, in the header or in the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<ClientAuth>,
    /// The file with its public keys, a JWK set (RFC 7517), for `auth = "private_key_jwt"`. It is read again when it has
    /// changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks: Option<FilePath>,
    /// The grants it may use.
    pub grants: Vec<Grant>,
    /// The most its tokens may do; what it gets if it asks for nothing in particular.
    pub scopes: Vec<Scope>,
    /// Where people may be sent back to; compared byte for byte.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub redirect_uris: Vec<String>,
    /// What it is called on the pages that people see. Default: its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Whether people are not asked for their consent. Default: false.
    pub trusted: bool,
    /// Whether it may open sessions by messages that wallets sign (EIP-4361), and for which domains.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wallets: Option<WalletSettings>,
    /// Where sessions may be handed over to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handoff: Option<HandoffSettings>,
}

/// How a client proves which one it is (RFC 6749 §2.3, RFC 7523 §2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// Not at all: it cannot keep a secret.
    None,
    /// By its secret, in the `Authorization` header.
    Basic,
    /// By its secret, in the body.
    Post,
    /// By a JWT that it signs.
    PrivateKeyJwt,
}

/// Messages that wallets sign (EIP-4361). The sessions they open are renewed if `grants` holds `refresh_token`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WalletSettings {
    /// The domains a message may name, as in `app.example.com`.
    pub domains: Vec<String>,
    /// The chains it may name. Default: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chains: Vec<u64>,
}

/// Where sessions may be handed over to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HandoffSettings {
    /// Where the browser may come back to: a URL, compared byte for byte, or the beginning of one before `*`.
    pub redirect_uris: Vec<String>,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            secret: None,
            auth: None,
            jwks: None,
            grants: vec![Grant::ClientCredentials],
            scopes: Vec::new(),
            redirect_uris: Vec::new(),
            title: None,
            trusted: false,
            wallets: None,
            handoff: None,
        }
    }
}

impl ClientSettings {
    /// Everything that contradicts itself in this section, which stands at `place`.
    pub fn check(&self, place: &Dotted) -> Vec<Problem> {
        let mut problems = Vec::new();
        self.check_proof(place, &mut problems);
        let is_public = self.auth == Some(ClientAuth::None);
        if is_public && self.grants.contains(&Grant::ClientCredentials) {
            let message = "a client that proves nothing cannot have tokens of its own";
            let problem = Problem::error("TG0244", Place::value(place.key("grants")), message);
            problems.push(
                problem
                    .help("write `grants = [\"authorization_code\", \"refresh_token\"]`")
                    .note("RFC 6749 §4.4 keeps `client_credentials`, the default, for the others"),
            );
        }
        if self.grants.contains(&Grant::AuthorizationCode) && self.redirect_uris.is_empty() {
            let message = format!("[{place}] has no `redirect_uris`");
            let problem = Problem::error("TG0245", Place::value(place), message);
            problems.push(problem.help("say where people may be sent back to, byte for byte"));
        }
        for (index, uri) in self.redirect_uris.iter().enumerate() {
            let Err(wrong) = redirect_uri::check(uri) else {
                continue;
            };
            let at = Place::value(place.key("redirect_uris").item(index));
            let problem = Problem::error("TG0246", at, wrong);
            problems.push(problem.help(
                "write a whole URL of a site over TLS, such as \"https://shop.example.com/back\", of the own machine, \
                 \"http://127.0.0.1/back\", or of an app, \"com.example.shop:/back\"",
            ));
        }
        problems
    }

    fn check_proof(&self, place: &Dotted, problems: &mut Vec<Problem>) {
        let by_secret = match self.auth {
            None | Some(ClientAuth::Basic | ClientAuth::Post) => true,
            Some(ClientAuth::None | ClientAuth::PrivateKeyJwt) => false,
        };
        if by_secret && self.secret.is_none() {
            let message = format!("[{place}] has no `secret`");
            let problem = Problem::error("TG0241", Place::value(place), message);
            problems.push(problem.help(
                "write `secret = { file = \"NAME.secret\", create = true }`, or `auth = \"none\"` if it cannot keep one",
            ));
        }
        if !by_secret && self.secret.is_some() {
            let message = "`secret` means nothing to a client that proves itself otherwise";
            let problem = Problem::error("TG0242", Place::key(place.key("secret")), message);
            let chosen = Place::value(place.key("auth"));
            problems.push(problem.help("remove it").see(chosen, "chosen here"));
        }
        let by_key = self.auth == Some(ClientAuth::PrivateKeyJwt);
        if by_key && self.jwks.is_none() {
            let message = format!("[{place}] has no `jwks`");
            let problem = Problem::error("TG0243", Place::value(place), message);
            problems.push(problem.help("name the file with its public keys, a JWK set"));
        }
        if !by_key && self.jwks.is_some() {
            let message = "`jwks` belongs to `auth = \"private_key_jwt\"`";
            let problem = Problem::error("TG0243", Place::key(place.key("jwks")), message);
            problems.push(problem.help("remove it, or write that"));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use super::*;
    use crate::settings::Document;

    type Named = BTreeMap<String, ClientSettings>;

    fn read(text: &str) -> (Option<Named>, Vec<String>) {
        let mut problems = Vec::new();
        let mut document = Document::default();
        document.add("tollgate.toml", Path::new("/etc"), text, &mut problems);
        let read = document.read::<Named>(&mut problems);
        let report = document.report(problems);
        (read, report.plain().lines().map(str::to_owned).collect())
    }

    #[test]
    fn a_client_needs_a_secret_and_the_rest_is_said_for_it() {
        let (read, problems) = read("[shop]\nsecret = { file = \"shop.secret\", create = true }\n");
        assert_eq!(problems, Vec::<String>::new());
        let shop = read.unwrap().remove("shop").unwrap();
        assert_eq!(shop.grants, [Grant::ClientCredentials]);
        assert!(shop.scopes.is_empty());
    }

    fn wrong(text: &str) -> String {
        let client = read(&format!("[shop]\n{text}\n")).0.unwrap();
        let place = Dotted::from("client").key("shop");
        let problems = client["shop"].check(&place);
        let report = Document::default().report(problems).plain();
        report.lines().collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_client_that_contradicts_itself_is_told_so() {
        for (text, expected) in [
            ("", "has no `secret`"),
            ("auth = \"basic\"", "has no `secret`"),
            (
                "auth = \"post\"\njwks = \"a\"\nsecret = { env = \"A\" }",
                "`jwks` belongs to",
            ),
            ("auth = \"private_key_jwt\"", "has no `jwks`"),
            (
                "auth = \"private_key_jwt\"\njwks = \"a\"\nsecret = { env = \"A\" }",
                "`secret` means nothing",
            ),
            (
                "auth = \"none\"\nsecret = { env = \"A\" }\ngrants = []",
                "`secret` means nothing",
            ),
            ("auth = \"none\"", "RFC 6749 §4.4"),
            (
                "auth = \"none\"\ngrants = [\"authorization_code\"]",
                "`redirect_uris`",
            ),
            (
                "secret = { env = \"A\" }\nredirect_uris = [\"/back\"]",
                "not absolute",
            ),
            (
                "secret = { env = \"A\" }\nredirect_uris = [\"https://a.test/#b\"]",
                "fragment",
            ),
            (
                "secret = { env = \"A\" }\nredirect_uris = [\"https://a.test/b\", \"http://a.test/b\"]",
                "without TLS",
            ),
            (
                "secret = { env = \"A\" }\nredirect_uris = [\"javascript:alert(1)\"]",
                "scheme that is not taken",
            ),
        ] {
            let said = wrong(text);
            assert!(said.contains(expected), "{expected} in:\n{said}");
        }
        for text in [
            "secret = { env = \"A\" }",
            "auth = \"private_key_jwt\"\njwks = \"a.json\"",
            "auth = \"none\"\ngrants = [\"authorization_code\", \"refresh_token\"]\nredirect_uris = [\"com.example.app:/back\"]",
        ] {
            assert_eq!(wrong(text), "", "{text}");
        }
    }

    #[test]
    fn a_client_that_is_written_wrong_is_told_how_to_write_it() {
        let (_, problems) = read("[shop]\ngrants = [\"client_credential\"]\nscope = \"a\"\n");
        let problems = problems.join("\n");
        for remedy in ["write \"client_credentials\"", "write `scopes`"] {
            assert!(problems.contains(remedy), "{remedy} in:\n{problems}");
        }
    }
}
