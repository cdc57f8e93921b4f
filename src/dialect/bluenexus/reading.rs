//! What a request wants.

use std::sync::Arc;

use http::Method;
use http::header::AUTHORIZATION;
use http::request::Parts;
use serde_json::{Map, Value};

use super::endpoints::{
    AUTHENTICATE, HANDOFF_INIT, HANDOFF_REDEEM, KEYS, METADATA, REGISTER, REGISTRATION, RESOURCE,
    REVOKE, SCOPES,
};
use super::fields::{Fields, Mistake};
use super::{SESSION_PREFIX, WHITE_LABEL_SCOPE, endpoints};
use crate::dialect::{Asked, Endpoint};
use crate::issue::{Ask, ClientAuth, Grant, Managing, Program, Registering, SignInText};
use crate::token::{Scope, Secret};

/// Reads requests, for one mount.
#[derive(Debug)]
pub(super) struct Reader {
    /// The field of the signed message, where it is not the usual one.
    pub(super) message_field: Option<String>,
    /// What tokens can permit.
    pub(super) scopes: Scope,
}

impl Reader {
    pub(super) fn read(&self, at: &Endpoint, asked: &Asked<'_>) -> Result<Ask, Mistake> {
        match at.name {
            KEYS => return Ok(Ask::Keys),
            // The list of scopes and both documents need nothing but the identifier of the issuer.
            METADATA | RESOURCE | SCOPES => return Ok(Ask::Metadata),
            REGISTRATION => return Ok(registration(asked.head)),
            _ => {}
        }
        let forms = endpoints::speaks_oauth(at) && at.name != REGISTER;
        let fields = Fields::read(asked.head, asked.body, forms)?;
        match at.name {
            AUTHENTICATE => self.authenticate(&fields, asked),
            REVOKE => revoke(&fields, asked),
            HANDOFF_INIT => begin_handoff(&fields, asked),
            HANDOFF_REDEEM => Ok(Ask::RedeemHandoff {
                code: fields.secret("code")?,
                client: fields.needed("clientId")?.to_owned(),
            }),
            REGISTER => self.register(&fields),
            _ => token(&fields, asked),
        }
    }

    fn authenticate(&self, fields: &Fields, asked: &Asked<'_>) -> Result<Ask, Mistake> {
        let message = self.message(fields)?;
        let signature = fields.needed("signature")?.to_owned();
        let session = fields.text("session_id")?;
        // One without the prefix is none of ours, and no session is called nothing.
        let session = session.map(|id| id.strip_prefix(SESSION_PREFIX).unwrap_or_default());
        Ok(Ask::Wallet {
            client: fields.client(&asked.head.headers)?,
            message,
            signature,
            session: session.map(str::to_owned),
        })
    }

    /// The signed message. The original does not say which field carries it, so every likely one may: as the text that
    /// was signed, or as an object with its parts.
    fn message(&self, fields: &Fields) -> Result<String, Mistake> {
        let usual = self.message_field.as_deref().unwrap_or("message");
        let mut found: Option<String> = None;
        for name in [usual, "payload", "siwe", "siwe_message"] {
            let text = match fields.get(name) {
                None => continue,
                Some(Value::String(text)) => text.clone(),
                Some(Value::Object(parts)) => MessageParts { name, parts }.text()?.to_string(),
                Some(_) => {
                    let sentence = format!("{name} must be a string or an object");
                    return Err(Mistake::request(sentence));
                }
            };
            if found.as_ref().is_some_and(|other| *other != text) {
                return Err(Mistake::request("two different messages were sent"));
            }
            found = Some(text);
        }
        found.ok_or_else(|| Mistake::request(format!("{usual} is missing")))
    }

    /// RFC 7591 §2. What is asked for and cannot be had is left out (§3.2.1).
    fn register(&self, fields: &Fields) -> Result<Ask, Mistake> {
        let wrong = |mistake: Mistake| Mistake {
            error: "invalid_client_metadata",
            ..mistake
        };
        let uris = fields.texts("redirect_uris").map_err(wrong)?;
        let auth = fields.text("token_endpoint_auth_method").map_err(wrong)?;
        let auth = match auth {
            None | Some("client_secret_basic") => ClientAuth::Basic,
            Some("client_secret_post") => ClientAuth::Post,
            Some("none") => ClientAuth::None,
            Some(_) => {
                return Err(Mistake::of(
                    "invalid_client_metadata",
                    "token_endpoint_auth_method must be none, client_secret_basic or client_secret_post",
                ));
            }
        };
        let title = fields.text("client_name").map_err(wrong)?;
        let asked = fields.text("scope").map_err(wrong)?;
        let grants = fields.texts("grant_types").map_err(wrong)?;
        Ok(Ask::RegisterClient(Registering {
            title: title.map(str::to_owned),
            redirect_uris: uris.unwrap_or_default(),
            grants: grants.unwrap_or_else(|| {
                let usual = [Grant::AuthorizationCode, Grant::RefreshToken];
                usual.map(|grant| grant.word().to_owned()).into()
            }),
            scope: Some(self.for_strangers(asked)),
            auth,
        }))
    }

    /// What a client that registered itself can permit, of what it asked for.
    fn for_strangers(&self, asked: Option<&str>) -> Scope {
        let is_asked = |word: &&str| {
            asked.is_none_or(|text| text.split_ascii_whitespace().any(|other| other == *word))
        };
        let words = self.scopes.words();
        let words = words
            .filter(|word| *word != WHITE_LABEL_SCOPE)
            .filter(is_asked);
        Scope::from_words(words).unwrap_or_else(|_| Scope::empty())
    }
}

fn token(fields: &Fields, asked: &Asked<'_>) -> Result<Ask, Mistake> {
    let headers = &asked.head.headers;
    match fields.needed("grant_type")? {
        "authorization_code" => Ok(Ask::Code {
            code: fields.secret("code")?,
            redirect_uri: Some(fields.needed("redirect_uri")?.to_owned()),
            verifier: Some(fields.secret("code_verifier")?),
            client: fields.client(headers)?,
        }),
        "refresh_token" => Ok(Ask::Refresh {
            refresh_token: fields.secret("refresh_token")?,
            by: Program::Known(fields.client(headers)?),
            // Not a field of the original's.
            scope: None,
        }),
        _ => Err(Mistake::of(
            "unsupported_grant_type",
            "grant_type must be authorization_code or refresh_token",
        )),
    }
}

/// RFC 7009 §2.1. The hint is not needed to find a token.
fn revoke(fields: &Fields, asked: &Asked<'_>) -> Result<Ask, Mistake> {
    let token = fields.secret("token")?;
    match fields.text("token_type_hint")? {
        None | Some("access_token" | "refresh_token") => {}
        Some(_) => {
            return Err(Mistake::request(
                "token_type_hint must be access_token or refresh_token",
            ));
        }
    }
    let client = fields.client(&asked.head.headers)?;
    Ok(Ask::Revoke { client, token })
}

/// RFC 7592 §2. Without a token, or with more than one, it is nobody's.
fn registration(head: &Parts) -> Ask {
    let query = head.uri.query().unwrap_or_default();
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    let id = pairs.find(|(name, _)| name == "client_id");
    let mut fields = head.headers.get_all(AUTHORIZATION).iter();
    let token = match (fields.next(), fields.next()) {
        (Some(field), None) => field.to_str().ok(),
        _ => None,
    };
    let token = token.and_then(|text| text.split_once(' '));
    let token = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("Bearer"));
    Ask::ManageClient {
        id: id.map_or_else(String::new, |(_, id)| id.into_owned()),
        token: Secret::new(token.map_or("", |(_, token)| token.trim_matches(' '))),
        wish: match head.method {
            Method::DELETE => Managing::Remove,
            _ => Managing::Read,
        },
    }
}

fn begin_handoff(fields: &Fields, asked: &Asked<'_>) -> Result<Ask, Mistake> {
    let redirect_uri = fields.needed("redirectUri")?.to_owned();
    if fields.needed("intent")? != "connections" {
        return Err(Mistake::request("intent must be connections"));
    }
    let identity = asked.identity.map(Arc::clone);
    Ok(Ask::BeginHandoff {
        // The endpoint demands one, so there is one.
        identity: identity.ok_or(Mistake::request("an access token is required"))?,
        redirect_uri,
    })
}

/// A message in its parts, named as the usual library names them.
struct MessageParts<'a> {
    name: &'a str,
    parts: &'a Map<String, Value>,
}

impl MessageParts<'_> {
    fn text(&self) -> Result<SignInText, Mistake> {
        Ok(SignInText {
            scheme: self.part("scheme")?,
            domain: self.needed("domain")?,
            address: self.needed("address")?,
            statement: self.part("statement")?,
            uri: self.needed("uri")?,
            version: self.needed("version")?,
            chain_id: self.needed("chainId")?,
            nonce: self.needed("nonce")?,
            issued_at: self.needed("issuedAt")?,
            expiration_time: self.part("expirationTime")?,
            not_before: self.part("notBefore")?,
            request_id: self.part("requestId")?,
            resources: self.resources()?,
        })
    }

    /// A text; version and chain are often numbers.
    fn part(&self, part: &str) -> Result<Option<String>, Mistake> {
        match self.parts.get(part) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Number(number)) if matches!(part, "version" | "chainId") => {
                Ok(Some(number.to_string()))
            }
            Some(_) => Err(self.wrong(part, "must be a string")),
        }
    }

    fn needed(&self, part: &str) -> Result<String, Mistake> {
        self.part(part)?
            .ok_or_else(|| self.wrong(part, "is missing"))
    }

    fn resources(&self) -> Result<Option<Vec<String>>, Mistake> {
        let wrong = || self.wrong("resources", "must be a list of strings");
        match self.parts.get("resources") {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Array(uris)) => {
                let uris = uris.iter().map(|uri| Some(uri.as_str()?.to_owned()));
                uris.collect::<Option<_>>().map(Some).ok_or_else(wrong)
            }
            Some(_) => Err(wrong()),
        }
    }

    fn wrong(&self, part: &str, what: &str) -> Mistake {
        Mistake::request(format!("{}.{part} {what}", self.name))
    }
}
