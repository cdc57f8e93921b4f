//! Which program is asking: by the header, by parameters, by a JWT, or by its name alone; never in two ways
//! (RFC 6749 §2.3).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde::Deserialize;

use super::answer::Mistake;
use crate::dialect::form;
use crate::issue::{ClientCredentials, ClientProof};
use crate::token::Secret;

/// What the form says of the client.
#[derive(Default)]
pub(super) struct Credentials {
    pub(super) id: Option<String>,
    pub(super) secret: Option<Secret>,
    pub(super) assertion_type: Option<String>,
    pub(super) assertion: Option<Secret>,
}

/// Who is asking, and how they prove it; whether the proof is good is not decided here.
pub(super) fn credentials(
    headers: &HeaderMap,
    form: Credentials,
) -> Result<ClientCredentials, Mistake> {
    let header = basic(headers)?;
    let ways = [
        header.is_some(),
        form.secret.is_some(),
        form.assertion.is_some() || form.assertion_type.is_some(),
    ];
    if ways.into_iter().filter(|used| *used).count() > 1 {
        return Err(Mistake::request(
            "the client authenticated in more than one way",
        ));
    }
    let named = form.id;
    let in_header = header.is_some();
    let (id, proof) = match (header, form.secret) {
        (Some((id, secret)), _) => (Some(id), ClientProof::Secret(secret)),
        (None, Some(secret)) => (None, ClientProof::Secret(secret)),
        (None, None) => asserted(form.assertion_type.as_deref(), form.assertion)?,
    };
    let id = match (id, named) {
        (Some(id), Some(named)) if id != named => {
            return Err(Mistake::request("two different clients are named"));
        }
        (Some(id), _) | (None, Some(id)) => id,
        (None, None) => return Err(Mistake::client("the client did not authenticate")),
    };
    Ok(ClientCredentials {
        id,
        proof,
        in_header,
    })
}

/// RFC 7523 §2.2. Whom the assertion is about is read from it before anything is verified: to find the key. It needs no
/// `client_id` beside it (§3).
fn asserted(
    kind: Option<&str>,
    assertion: Option<Secret>,
) -> Result<(Option<String>, ClientProof), Mistake> {
    match (kind, assertion) {
        (None, None) => Ok((None, ClientProof::Nothing)),
        (Some(JWT_BEARER), Some(assertion)) => {
            let subject = subject(&assertion);
            let subject = subject.ok_or(Mistake::client("the client assertion is not a JWT"))?;
            Ok((Some(subject), ClientProof::Assertion(assertion)))
        }
        (Some(JWT_BEARER), None) => Err(Mistake::request("client_assertion is missing")),
        (None, Some(_)) => Err(Mistake::request("client_assertion_type is missing")),
        (Some(_), _) => Err(Mistake::client(
            "this type of client assertion is not supported",
        )),
    }
}

fn subject(assertion: &Secret) -> Option<String> {
    /// The one claim that is looked at here.
    #[derive(Deserialize)]
    struct Claims {
        sub: String,
    }
    let mut parts = assertion.reveal().split('.');
    let claims = URL_SAFE_NO_PAD.decode(parts.nth(1)?).ok()?;
    let claims: Claims = serde_json::from_slice(&claims).ok()?;
    Some(claims.sub).filter(|subject| is_identifier(subject))
}

/// `Authorization: Basic` (RFC 7617), identifier and secret encoded as in a form (RFC 6749 §2.3.1).
fn basic(headers: &HeaderMap) -> Result<Option<(String, Secret)>, Mistake> {
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let Some(field) = fields.next() else {
        return Ok(None);
    };
    if fields.next().is_some() {
        return Err(Mistake::request("more than one Authorization field"));
    }
    let decoded = field.to_str().ok().and_then(|text| {
        let (scheme, rest) = text.split_once(' ')?;
        let is_basic = scheme.eq_ignore_ascii_case("Basic");
        is_basic.then(|| form::basic(rest)).flatten()
    });
    match decoded {
        Some((id, secret)) if is_identifier(&id) => Ok(Some((id, secret))),
        _ => Err(Mistake::client(
            "the Authorization field holds no Basic credentials",
        )),
    }
}

fn is_identifier(text: &str) -> bool {
    !text.is_empty() && !text.contains('\0')
}

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
