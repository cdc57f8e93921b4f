//! The API of Hubler: one endpoint that gives an account a token for its secret, or one of its members.
//!
//! Whatever is wrong is told as `error`, of which there are two: `Validation` for the caller's mistakes and `Error` for
//! ours, both with status 400 unless something else is said. Nothing can be renewed: whoever needs a token asks again.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use serde_json::{Map, Value, json};

use super::address::HeaderWord;
use super::form::{self, Kind};
use super::settings::lifetime;
use super::standard::{self, answer, whole_seconds};
use super::{Asked, Dialect, Endpoint, LimitSettings, Malformed, MountSettings, Place, Spot};
use crate::issue::{Answer, Ask, IssueError, Issued};
use crate::net::Body;
use crate::observe::Refusal;
use crate::token::{Algorithm, Carriers, Claims, Profile, Renewal, Secret, Subject};

/// The dialect, for one mount.
#[derive(Debug)]
struct Hubler {
    profile: Profile,
    endpoints: Vec<Endpoint>,
    /// How an account that does not exist is refused.
    unknown_account: (StatusCode, &'static str),
    /// Whether a field that is not known is refused.
    strict: bool,
    /// What `status` says beside a token.
    status: String,
    /// Whether the lifetime is told beside a token.
    expires_in: bool,
    /// The status of our own failures.
    failure: StatusCode,
    /// Whether the fields may come as a form.
    forms: bool,
}

/// Builds the dialect. Nothing it says names its own address.
pub(super) fn build(settings: &MountSettings, _url: &str) -> Arc<dyn Dialect> {
    let endpoint = |path| Endpoint {
        name: AUTH,
        spot: Spot::Below(path),
        method: Method::POST,
        limit: settings.limit.map(LimitSettings::smooth),
        demands_token: false,
    };
    // With and without the slash, and never by redirecting: that would make many clients ask by GET.
    let places: &[&str] = match settings.prefix() {
        "" => &["/"],
        _ => &["/", ""],
    };
    Arc::new(Hubler {
        profile: Profile {
            algorithm: Algorithm::RS256,
            header_type: "JWT",
            access_lifetime: lifetime(&settings.tokens, ACCESS_LIFETIME),
            subject: Subject::Name,
            renewal: Renewal::Never,
            carriers: Carriers {
                bare_authorization: true,
                header: settings.token_header.as_ref().and_then(HeaderWord::name),
                ..Carriers::default()
            },
            ..Profile::standard()
        },
        endpoints: places.iter().copied().map(endpoint).collect(),
        unknown_account: match settings.hide_accounts {
            Some(true) => FAILED,
            _ => (StatusCode::BAD_REQUEST, "The account not found!"),
        },
        strict: settings.strict != Some(false),
        status: settings
            .status
            .clone()
            .unwrap_or_else(|| "success".to_owned()),
        expires_in: settings.expires_in == Some(true),
        failure: match settings.server_errors {
            Some(true) => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        },
        forms: settings.forms == Some(true),
    })
}

impl Dialect for Hubler {
    fn profile(&self) -> &Profile {
        &self.profile
    }

    fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    fn read(&self, _at: &Endpoint, asked: &Asked<'_>) -> Result<Ask, Malformed> {
        let ask = self
            .fields(asked.head, asked.body)
            .and_then(|fields| self.ask(&fields));
        ask.map_err(|sentence| {
            Malformed::new("validation", invalid(StatusCode::BAD_REQUEST, sentence))
        })
    }

    fn write(&self, _at: &Endpoint, outcome: Result<&Answer, &IssueError>) -> Response<Body> {
        match outcome {
            Ok(Answer::Issued(issued)) => self.granted(issued),
            Ok(_) => self.broken("Error in generating auth token!"),
            Err(error) => self.failed(error),
        }
    }

    fn refuse(&self, refusal: &Refusal, place: &Place<'_>) -> Response<Body> {
        let (status, sentence) = (standard::status(refusal), standard::sentence(refusal));
        let mut response = if status.is_server_error() {
            said(status, "Error", sentence)
        } else {
            invalid(status, sentence)
        };
        standard::tell(refusal, place, response.headers_mut());
        response
    }
}

impl Hubler {
    /// The fields of the body, or the sentence that says what is wrong with it.
    fn fields(&self, head: &Parts, body: &Bytes) -> Result<Fields, &'static str> {
        let kind = Kind::of(head);
        let is_json = kind == Kind::Json || !head.headers.contains_key(CONTENT_TYPE);
        if form::is_encoded(head) {
            return Err(NO_ACCOUNT);
        }
        match kind {
            _ if is_json => Fields::of_json(body),
            Kind::Form if self.forms => Ok(Fields::of_form(body)),
            _ => Err(NO_ACCOUNT),
        }
    }

    // The order of the checks decides which sentence a client gets to see, so that each of them can be seen.
    fn ask(&self, fields: &Fields) -> Result<Ask, &'static str> {
        let account = fields.account().ok_or(NO_ACCOUNT)?;
        let secret = fields.get("secret").ok_or(NO_SECRET)?;
        if fields.repeats {
            return Err("The request repeats a parameter.");
        }
        if self.strict && fields.has_others() {
            return Err("The request includes an unsupported parameter.");
        }
        let account = object_id(account).ok_or("The account must be object id.")?;
        let secret = secret.as_str().ok_or("The secret must be str")?;
        let member = fields.get("user_id").map(object_id);
        if member == Some(None) {
            return Err("The user_id must be object id.");
        }
        Ok(Ask::Account {
            account,
            secret: Secret::new(secret),
            member: member.flatten(),
        })
    }

    fn granted(&self, issued: &Issued) -> Response<Body> {
        let mut body = json!({ "status": self.status, "token": issued.access_token.reveal() });
        if let (true, Some(body)) = (self.expires_in, body.as_object_mut()) {
            body.insert("expires_in".to_owned(), issued.expires_in.as_secs().into());
        }
        answer(StatusCode::OK, JSON, body.to_string())
    }

    fn failed(&self, error: &IssueError) -> Response<Body> {
        match error {
            IssueError::UnknownAccount => invalid(self.unknown_account.0, self.unknown_account.1),
            IssueError::InvalidCredentials => invalid(FAILED.0, FAILED.1),
            IssueError::Busy { retry_after } | IssueError::TooManyAttempts { retry_after } => {
                let sentence = "There are too many requests at the moment.";
                let mut response = invalid(StatusCode::TOO_MANY_REQUESTS, sentence);
                let wait = whole_seconds(*retry_after);
                response.headers_mut().insert(RETRY_AFTER, wait);
                response
            }
            IssueError::Store(_) => self.broken("Error in storing secret!"),
            IssueError::Sign(_) => self.broken("Error in encoding token!"),
            _ => self.broken("Error in generating auth token!"),
        }
    }

    /// A failure of our own. The mount tells the operator of it, whatever the status.
    fn broken(&self, sentence: &str) -> Response<Body> {
        said(self.failure, "Error", sentence)
    }
}

/// The fields of a body, by name. One that is null is as good as not there.
struct Fields {
    members: Map<String, Value>,
    /// Whether a field came twice, under one name or under two that mean the same.
    repeats: bool,
}

impl Fields {
    fn of_json(body: &Bytes) -> Result<Self, &'static str> {
        let Ok(Value::Object(members)) = serde_json::from_slice(body) else {
            return Err(NO_ACCOUNT);
        };
        // An ordinary reader lets the last of two members win; this one takes neither.
        let repeats = Claims::read(body).is_err();
        Ok(Self::of(members, repeats))
    }

    fn of_form(body: &Bytes) -> Self {
        let (mut members, mut repeats) = (Map::new(), false);
        for (name, value) in form::pairs(body) {
            let value = Value::String(value.into_owned());
            repeats |= members.insert(name.into_owned(), value).is_some();
        }
        Self::of(members, repeats)
    }

    fn of(members: Map<String, Value>, repeats: bool) -> Self {
        let mut fields = Self { members, repeats };
        let both = fields.get("account").zip(fields.get("accountid"));
        let differ = both.is_some_and(|(one, other)| one != other);
        fields.repeats |= differ;
        fields
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.members.get(name).filter(|value| !value.is_null())
    }

    /// The table of the original has one name for it and the prose another.
    fn account(&self) -> Option<&Value> {
        self.get("account").or_else(|| self.get("accountid"))
    }

    fn has_others(&self) -> bool {
        self.members
            .keys()
            .any(|name| !KNOWN_FIELDS.contains(&&**name))
    }
}

/// An object identifier: 24 hexadecimal digits, in lower case.
fn object_id(value: &Value) -> Option<String> {
    let text = value.as_str()?.trim();
    let fits = text.len() == 24 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    fits.then(|| text.to_ascii_lowercase())
}

/// A mistake of the caller. RFC 9110 §15.5.2 wants a challenge with every 401.
fn invalid(status: StatusCode, sentence: &str) -> Response<Body> {
    let mut response = said(status, "Validation", sentence);
    if status == StatusCode::UNAUTHORIZED {
        let challenge = HeaderValue::from_static("Bearer");
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    response
}

fn said(status: StatusCode, error: &str, sentence: &str) -> Response<Body> {
    let body = json!({ "error": error, "error_description": sentence });
    answer(status, JSON, body.to_string())
}

const AUTH: &str = "auth";
const JSON: &str = "application/json";

const KNOWN_FIELDS: [&str; 4] = ["account", "accountid", "secret", "user_id"];

const FAILED: (StatusCode, &str) = (StatusCode::UNAUTHORIZED, "User authentication failed.");
const NO_ACCOUNT: &str = "The request is missing an \"accountid\".";
const NO_SECRET: &str = "The request is missing a \"secret\".";

const ACCESS_LIFETIME: Duration = Duration::from_hours(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Speak;
    use crate::dialect::testing::{asked, head, place, said as told};
    use crate::token::Scope;

    const ACCOUNT: &str = "5723073937d63a18396a1bae";
    const JSON_KIND: (&str, &str) = ("content-type", "application/json");

    fn usual() -> MountSettings {
        MountSettings::speaking(Speak::Hubler)
    }

    fn ask(
        settings: &MountSettings,
        fields: &[(&str, &str)],
        body: &str,
    ) -> Result<Ask, (u16, String)> {
        let hubler = build(settings, "https://hub.test/public-api/auth");
        let head = head("POST", "/public-api/auth/", fields);
        let body = Bytes::from(body.to_owned());
        let ask = hubler.read(&hubler.endpoints()[0], &asked(&head, &body));
        ask.map_err(|malformed| sentence(told(*malformed.response)))
    }

    fn sentence((status, body): (u16, Value)) -> (u16, String) {
        assert_eq!(body["error"], "Validation");
        (
            status,
            body["error_description"].as_str().unwrap().to_owned(),
        )
    }

    fn read(body: &str) -> Result<Ask, (u16, String)> {
        ask(&usual(), &[JSON_KIND], body)
    }

    fn refused(body: &str) -> String {
        let (status, sentence) = read(body).unwrap_err();
        assert_eq!(status, 400, "{body}");
        sentence
    }

    fn account(body: &str) -> (String, String, Option<String>) {
        match read(body).unwrap() {
            Ask::Account {
                account,
                secret,
                member,
            } => (account, secret.reveal().to_owned(), member),
            other => panic!("{other:?}"),
        }
    }

    fn write(settings: &MountSettings, outcome: Result<&Answer, &IssueError>) -> (u16, Value) {
        let hubler = build(settings, "https://hub.test/public-api/auth");
        told(hubler.write(&hubler.endpoints()[0], outcome))
    }

    fn issued() -> Answer {
        Answer::Issued(Issued {
            access_token: Secret::new("a.b.c"),
            expires_in: Duration::from_hours(1),
            refresh_token: None,
            refresh_expires_in: None,
            session: None,
            scope: Scope::empty(),
            scope_as_asked: true,
        })
    }

    // HB-1, HB-2, HB-3, H-1, H-2, H-14, H-23
    #[test]
    fn an_account_may_be_written_in_several_ways() {
        let plain = (ACCOUNT.to_owned(), "hubble".to_owned(), None);
        for body in [
            r#"{"account":"5723073937d63a18396a1bae","secret":"hubble"}"#,
            r#"{"accountid":" 5723073937D63A18396A1BAE ","secret":"hubble"}"#,
            r#"{"account":"5723073937d63a18396a1bae","accountid":"5723073937d63a18396a1bae","secret":"hubble"}"#,
            r#"{"account":"5723073937d63a18396a1bae","secret":"hubble","user_id":null}"#,
        ] {
            assert_eq!(account(body), plain, "{body}");
        }
        let body = r#"{"account":"5723073937d63a18396a1bae","secret":"","user_id":"5723073937d63a18396a1baF"}"#;
        let member = Some("5723073937d63a18396a1baf".to_owned());
        assert_eq!(account(body), (ACCOUNT.to_owned(), String::new(), member));
    }

    // HB-4, HB-5, HB-6, HB-7, HB-12, HB-13, H-19
    #[test]
    fn each_mistake_has_its_sentence_in_the_order_of_the_checks() {
        let missing = "The request is missing an \"accountid\".";
        for body in [
            "[]",
            "{",
            "",
            "\"text\"",
            "{}",
            r#"{"secret":"s"}"#,
            r#"{"account":null}"#,
        ] {
            assert_eq!(refused(body), missing, "{body}");
        }
        let missing = "The request is missing a \"secret\".";
        for body in [
            r#"{"account":"xyz"}"#,
            r#"{"account":1,"secret":null,"scope":1}"#,
        ] {
            assert_eq!(refused(body), missing, "{body}");
        }
        for id in [
            "\"xyz\"",
            "\"5723073937d63a18396a 1bae\"",
            "17",
            "[]",
            "{\"$ne\":1}",
            "\"\"",
        ] {
            let body = format!(r#"{{"account":{id},"secret":1}}"#);
            assert_eq!(refused(&body), "The account must be object id.", "{body}");
        }
        for secret in ["123", "[\"s\"]", "{}", "true"] {
            let body = format!(r#"{{"account":"{ACCOUNT}","secret":{secret},"user_id":"zz"}}"#);
            assert_eq!(refused(&body), "The secret must be str", "{body}");
        }
        for user in ["\"zz\"", "\"\"", "[]"] {
            let body = format!(r#"{{"account":"{ACCOUNT}","secret":"s","user_id":{user}}}"#);
            assert_eq!(refused(&body), "The user_id must be object id.", "{body}");
        }
    }

    // HB-10, H-1, H-7
    #[test]
    fn a_field_that_comes_twice_is_refused_however_it_is_spelt() {
        for body in [
            r#"{"account":"xyz","account":"xyz","secret":"s"}"#,
            r#"{"account":"xyz","\u0061ccount":"abc","secret":"s"}"#,
            r#"{"account":"xyz","accountid":"abc","secret":"s"}"#,
            r#"{"account":"xyz","secret":"s","secret":"t"}"#,
        ] {
            assert_eq!(refused(body), "The request repeats a parameter.", "{body}");
        }
    }

    // HB-11, H-6
    #[test]
    fn an_unknown_field_is_refused_unless_the_operator_allows_it() {
        let body = format!(r#"{{"account":"{ACCOUNT}","secret":"s","scope":"all"}}"#);
        assert_eq!(
            refused(&body),
            "The request includes an unsupported parameter."
        );
        let settings = MountSettings {
            strict: Some(false),
            ..usual()
        };
        assert!(ask(&settings, &[JSON_KIND], &body).is_ok());
    }

    // H-16
    #[test]
    fn a_form_is_no_json_unless_the_operator_allows_it() {
        let form = ("content-type", "application/x-www-form-urlencoded");
        let body = format!("account={ACCOUNT}&secret=s");
        let settings = MountSettings {
            forms: Some(true),
            ..usual()
        };
        assert!(ask(&usual(), &[form], &body).is_err());
        assert!(ask(&settings, &[form], &body).is_ok());
        assert!(ask(&settings, &[form], &format!("{body}&secret=s")).is_err());
        let json = format!(r#"{{"account":"{ACCOUNT}","secret":"s"}}"#);
        assert!(ask(&usual(), &[], &json).is_ok());
        for fields in [
            &[("content-type", "text/plain")][..],
            &[JSON_KIND, ("content-encoding", "gzip")],
        ] {
            assert!(ask(&usual(), fields, &json).is_err());
        }
    }

    // HB-1, H-8, H-11
    #[test]
    fn a_token_comes_with_a_status_and_its_lifetime_if_wanted() {
        let answer = issued();
        let plain = json!({ "status": "success", "token": "a.b.c" });
        assert_eq!(write(&usual(), Ok(&answer)), (200, plain));
        let settings = MountSettings {
            status: Some("ok".to_owned()),
            expires_in: Some(true),
            ..usual()
        };
        let told = json!({ "status": "ok", "token": "a.b.c", "expires_in": 3600 });
        assert_eq!(write(&settings, Ok(&answer)), (200, told));
    }

    // HB-8, HB-9, H-4
    #[test]
    fn an_unknown_account_is_told_from_a_wrong_secret_unless_it_is_to_be_hidden() {
        let unknown = Err(&IssueError::UnknownAccount);
        let expected = (400, "The account not found!".to_owned());
        assert_eq!(sentence(write(&usual(), unknown)), expected);
        let failed = (401, "User authentication failed.".to_owned());
        let wrong = Err(&IssueError::InvalidCredentials);
        assert_eq!(sentence(write(&usual(), wrong)), failed);
        let settings = MountSettings {
            hide_accounts: Some(true),
            ..usual()
        };
        assert_eq!(sentence(write(&settings, unknown)), failed);
    }

    // HB-18, H-10
    #[test]
    fn our_own_failures_are_errors_with_the_status_the_operator_chose() {
        let outage = IssueError::Store(crate::store::StoreError::Closed);
        let expected = json!({ "error": "Error", "error_description": "Error in storing secret!" });
        assert_eq!(write(&usual(), Err(&outage)), (400, expected.clone()));
        let settings = MountSettings {
            server_errors: Some(true),
            ..usual()
        };
        assert_eq!(write(&settings, Err(&outage)), (500, expected));
        let (status, body) = write(&usual(), Err(&IssueError::NotOffered));
        assert_eq!(
            (status, &body["error_description"]),
            (400, &json!("Error in generating auth token!"))
        );
    }

    // HB-15, HB-17, H-17, H-24
    #[test]
    fn refusals_elsewhere_have_the_same_two_fields() {
        let hubler = build(&usual(), "https://hub.test/public-api/auth");
        let needed = Scope::empty();
        let response = hubler.refuse(&Refusal::MissingToken { needed }, &place());
        let challenge = response.headers()[WWW_AUTHENTICATE].to_str().unwrap();
        assert!(challenge.starts_with("Bearer"), "{challenge}");
        let expected = (401, "an access token is required".to_owned());
        assert_eq!(sentence(told(response)), expected);
        let allow = "POST".to_owned();
        let refusal = Refusal::MethodNotAllowed { allow };
        let response = hubler.decline(&hubler.endpoints()[0], &refusal, &place());
        assert_eq!(response.headers()["allow"], "POST");
        assert_eq!(sentence(told(response)).0, 405);
        let (status, body) = told(hubler.refuse(&Refusal::NoUpstream, &place()));
        assert_eq!((status, &body["error"]), (502, &json!("Error")));
    }

    // HB-14, HB-16
    #[test]
    fn the_endpoint_is_there_with_and_without_its_slash() {
        let spots = |settings: &MountSettings| {
            let hubler = build(settings, "https://hub.test");
            let spots = hubler.endpoints().iter().map(|at| at.spot);
            spots.collect::<Vec<_>>()
        };
        assert_eq!(spots(&usual()), [Spot::Below("/"), Spot::Below("")]);
        let root = MountSettings {
            path: crate::dialect::MountPath::parse("/").ok(),
            token_header: HeaderWord::parse("X-Api-Token").ok(),
            ..usual()
        };
        assert_eq!(spots(&root), [Spot::Below("/")]);
        let carriers = build(&root, "https://hub.test").profile().carriers.clone();
        assert!(carriers.bare_authorization);
        assert_eq!(carriers.header.unwrap().as_str(), "x-api-token");
    }
}
