//! What a program asks of a person (RFC 6749 §4.1.1), checked before anybody sees it.
//!
//! An answer goes nowhere but to an address that the client has registered (RFC 9700 §4.1.3): whatever is wrong with
//! client or address is told to the person. All else is told to the client, there.

use super::client::KnownClient;
use super::grant::Grant;
use super::{IssueError, redirect_uri};
use crate::token::{Excess, Scope};

/// What a program asks of a person (RFC 6749 §4.1.1), checked.
#[derive(Clone, Debug)]
pub struct AuthorizationRequest {
    /// The program.
    pub client: String,
    /// What it is called by people.
    pub title: String,
    /// Whether people are not asked for their consent.
    pub is_trusted: bool,
    /// Whether another program could be asking in its name and get the answer, so that what was agreed to before says
    /// nothing of this one (RFC 8252 §8.6).
    pub may_be_imitated: bool,
    /// Where the answer goes.
    pub back: Back,
    /// What its tokens are to permit: what it asked for, or all it may have.
    pub scope: Scope,
    /// Whether it asked for something in particular.
    pub has_asked: bool,
    /// Which pages it wants shown.
    pub prompt: Prompt,
    pub(super) challenge: Option<String>,
}

/// Where the answer to a request goes: an address the client has registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Back {
    /// The address.
    pub redirect_uri: String,
    /// What the client wants to hear again (RFC 6749 §4.1.1).
    pub state: Option<String>,
}

/// Which pages a program wants shown (`prompt`, as OpenID Connect Core §3.1.2.1 has it).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Prompt {
    /// Those that are needed.
    #[default]
    AsNeeded,
    /// None.
    Nothing,
    /// Those named, needed or not.
    These {
        /// That to sign in.
        sign_in: bool,
        /// That to consent.
        consent: bool,
    },
}

/// Why a request is not put to anybody.
#[derive(Debug)]
pub enum AuthorizeError {
    /// Whom it is for or where the answer would go is not known: this is for the person (RFC 6749 §4.1.2.1).
    Here(&'static str),
    /// This is for the program.
    There {
        /// Where it is told.
        back: Back,
        /// What is wrong (RFC 6749 §4.1.2.1).
        fault: Fault,
    },
    /// It cannot be decided now.
    Failed(IssueError),
}

/// What is wrong with a request, in the words of RFC 6749 §4.1.2.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The word for it.
    pub error: &'static str,
    /// A sentence.
    pub description: &'static str,
}

impl Back {
    /// The address, with these fields, the state, and the issuer that says them (RFC 9207 §2).
    pub fn with(&self, fields: &[(&str, &str)], issuer: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(fields);
        if let Some(state) = &self.state {
            query.append_pair("state", state);
        }
        query.append_pair("iss", issuer);
        let uri = &self.redirect_uri;
        let joint = match uri.split_once('?') {
            None => "?",
            Some((_, "")) => "",
            Some(_) => "&",
        };
        format!("{uri}{joint}{}", query.finish())
    }

    /// The address that tells the client of a fault.
    pub fn with_fault(&self, fault: Fault, issuer: &str) -> String {
        let fields = [
            ("error", fault.error),
            ("error_description", fault.description),
        ];
        self.with(&fields, issuer)
    }
}

impl Fault {
    /// A fault of this name.
    pub const fn new(error: &'static str, description: &'static str) -> Self {
        Self { error, description }
    }

    const fn request(description: &'static str) -> Self {
        Self::new("invalid_request", description)
    }
}

/// The names and values of a request. An empty value is an absent one (RFC 6749 §3.1).
pub(super) struct Said<'a>(pub(super) &'a [(String, String)]);

/// What remains to be known once client and address are.
struct Wish {
    scope: Scope,
    has_asked: bool,
    challenge: Option<String>,
    prompt: Prompt,
}

impl Said<'_> {
    /// Which program is asking.
    pub(super) fn client(&self) -> Result<&str, AuthorizeError> {
        let id = self.once("client_id", "The address names no program, or two.")?;
        if id.chars().any(char::is_control) {
            return Err(AuthorizeError::Here(UNKNOWN));
        }
        Ok(id)
    }

    /// What it asks for, if it is known, and the answer goes to an address of its own.
    pub(super) fn request(
        &self,
        client: Option<KnownClient>,
        excess: Excess,
    ) -> Result<AuthorizationRequest, AuthorizeError> {
        let uri = self.once(
            "redirect_uri",
            "The address does not say where to go on from here, or says it twice.",
        )?;
        let client = client.ok_or(AuthorizeError::Here(UNKNOWN))?;
        if !is_registered(&client, uri) {
            return Err(AuthorizeError::Here(
                "The program wants you to go on to an address that is not its own.",
            ));
        }
        let state = self.value("state").map(str::to_owned);
        let back = Back {
            redirect_uri: uri.to_owned(),
            state: state.filter(|_| !self.repeats("state")),
        };
        match self.wish(&client, excess) {
            Ok(wish) => Ok(AuthorizationRequest {
                title: client.title,
                client: client.name,
                is_trusted: client.trusted,
                may_be_imitated: client.is_public && redirect_uri::is_anybodys(uri),
                back,
                scope: wish.scope,
                has_asked: wish.has_asked,
                prompt: wish.prompt,
                challenge: wish.challenge,
            }),
            Err(fault) => Err(AuthorizeError::There { back, fault }),
        }
    }

    fn value(&self, name: &str) -> Option<&str> {
        let mut pairs = self.0.iter();
        let found = pairs.find(|(said, value)| said == name && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    }

    fn repeats(&self, name: &str) -> bool {
        self.0.iter().filter(|(said, _)| said == name).count() > 1
    }

    fn once(&self, name: &str, otherwise: &'static str) -> Result<&str, AuthorizeError> {
        let value = self.value(name).filter(|_| !self.repeats(name));
        value.ok_or(AuthorizeError::Here(otherwise))
    }

    fn wish(&self, client: &KnownClient, excess: Excess) -> Result<Wish, Fault> {
        if self.0.iter().any(|(name, _)| self.repeats(name)) {
            return Err(Fault::request("a parameter occurs more than once"));
        }
        match self.value("response_type") {
            Some("code") => {}
            None => return Err(Fault::request("response_type is missing")),
            Some(_) => {
                return Err(Fault::new(
                    "unsupported_response_type",
                    "the response type is not `code`",
                ));
            }
        }
        if !client.grants.contains(&Grant::AuthorizationCode) {
            return Err(Fault::new(
                "unauthorized_client",
                "this client may not use authorization codes",
            ));
        }
        self.is_plain()?;
        let asked = self.value("scope").map(Scope::parse).transpose();
        let asked = asked.ok().filter(|asked| {
            let asked = asked.as_ref();
            excess == Excess::Dropped || asked.is_none_or(|asked| client.scope.covers(asked))
        });
        let asked = asked.ok_or(Fault::new(
            "invalid_scope",
            "the scope is malformed, unknown, or more than this client may have",
        ))?;
        let asked = asked.filter(|asked| !asked.is_empty());
        Ok(Wish {
            has_asked: asked.is_some(),
            scope: match asked {
                Some(asked) => within(&asked, &client.scope),
                None => client.scope.clone(),
            },
            challenge: self.challenge(client)?,
            prompt: self.prompt()?,
        })
    }

    /// Nothing but a plain request, answered in the query, is understood here.
    fn is_plain(&self) -> Result<(), Fault> {
        let only = |error| Fault::new(error, "this parameter is not supported here");
        if self.value("request").is_some() {
            return Err(only("request_not_supported"));
        }
        if self.value("request_uri").is_some() {
            return Err(only("request_uri_not_supported"));
        }
        match self.value("response_mode") {
            None | Some("query") => Ok(()),
            Some(_) => Err(Fault::request("the response mode is not `query`")),
        }
    }

    /// RFC 7636 §4.3. A client that cannot prove which one it is must send a challenge (RFC 9700 §2.1.1).
    fn challenge(&self, client: &KnownClient) -> Result<Option<String>, Fault> {
        let challenge = self.value("code_challenge");
        match (challenge, self.value("code_challenge_method")) {
            (None, None) if client.is_public => Err(Fault::request("code_challenge is missing")),
            (None, None) => Ok(None),
            (None, Some(_)) => Err(Fault::request("code_challenge is missing")),
            // Without a word it would be `plain` (RFC 7636 §4.3).
            (Some(_), None | Some("plain")) => Err(Fault::request(
                "code_challenge_method is not S256, the only one supported",
            )),
            (Some(challenge), Some("S256")) if is_sha256(challenge) => {
                Ok(Some(challenge.to_owned()))
            }
            (Some(_), Some("S256")) => Err(Fault::request(
                "code_challenge is not the base64url of a SHA-256",
            )),
            (Some(_), Some(_)) => Err(Fault::request("code_challenge_method is not supported")),
        }
    }

    fn prompt(&self) -> Result<Prompt, Fault> {
        let Some(words) = self.value("prompt") else {
            return Ok(Prompt::AsNeeded);
        };
        let words: Vec<&str> = words.split(' ').filter(|word| !word.is_empty()).collect();
        if words == ["none"] {
            return Ok(Prompt::Nothing);
        }
        if words.contains(&"none") {
            return Err(Fault::request("prompt asks for a page and for none"));
        }
        Ok(Prompt::These {
            sign_in: words.contains(&"login") || words.contains(&"select_account"),
            consent: words.contains(&"consent"),
        })
    }
}

/// What is asked for and may be had.
fn within(asked: &Scope, most: &Scope) -> Scope {
    let words = asked.words().filter(|word| most.contains(word));
    // Each word was part of a scope already.
    Scope::from_words(words).unwrap_or_else(|_| Scope::empty())
}

/// Byte for byte (RFC 9700 §4.1.3); where the program runs on the person's own machine, whatever the port: it cannot
/// know beforehand which one will be free (RFC 8252 §7.3).
fn is_registered(client: &KnownClient, uri: &str) -> bool {
    let fits = |registered: &String| {
        registered == uri
            || client.is_public
                && loopback(uri).is_some_and(|asked| loopback(registered) == Some(asked))
    };
    client.redirect_uris.iter().any(fits)
}

/// The host and what follows the port of an address on the person's own machine.
fn loopback(uri: &str) -> Option<(&str, &str)> {
    let rest = uri.strip_prefix("http://")?;
    let hosts = ["127.0.0.1", "[::1]", "localhost"];
    let host = hosts.into_iter().find(|host| rest.starts_with(host))?;
    let rest = rest.strip_prefix(host)?;
    let after = match rest.strip_prefix(':') {
        None => rest,
        Some(rest) => {
            let end = rest
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(rest.len());
            let (port, after) = rest.split_at(end);
            port.parse::<u16>().ok().filter(|port| *port > 0)?;
            after
        }
    };
    (after.is_empty() || after.starts_with(['/', '?'])).then_some((host, after))
}

fn is_sha256(challenge: &str) -> bool {
    challenge.len() == 43
        && challenge
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

const UNKNOWN: &str = "The program that sent you here is not known.";

#[cfg(test)]
mod tests {
    use super::*;

    // S01
    #[test]
    fn an_address_on_the_own_machine_is_known_by_all_but_its_port() {
        for (uri, parts) in [
            ("http://127.0.0.1/cb", Some(("127.0.0.1", "/cb"))),
            ("http://127.0.0.1:49152/cb", Some(("127.0.0.1", "/cb"))),
            ("http://[::1]:1?x", Some(("[::1]", "?x"))),
            ("http://localhost:65535", Some(("localhost", ""))),
            ("http://localhost:65536/cb", None),
            ("http://localhost:0/cb", None),
            ("http://localhost:/cb", None),
            ("http://localhost:80@evil.test/cb", None),
            ("http://localhost.evil.test/cb", None),
            ("http://127.0.0.1.evil.test/cb", None),
            ("http://localhost@evil.test/cb", None),
            ("https://127.0.0.1/cb", None),
        ] {
            assert_eq!(loopback(uri), parts, "{uri}");
        }
    }

    #[test]
    fn an_answer_is_added_to_what_an_address_says_already() {
        let back = |uri: &str| Back {
            redirect_uri: uri.to_owned(),
            state: Some("a&b=c#\u{e9} ".to_owned()),
        };
        let state = "state=a%26b%3Dc%23%C3%A9+&iss=https%3A%2F%2Fid.test";
        for (uri, joint) in [
            ("https://c.test/cb", "?"),
            ("https://c.test/cb?x=1", "&"),
            ("https://c.test/cb?", ""),
            ("app.test:/cb", "?"),
        ] {
            let url = back(uri).with(&[("code", "c")], "https://id.test");
            assert_eq!(url, format!("{uri}{joint}code=c&{state}"));
        }
    }
}
