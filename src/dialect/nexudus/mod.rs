//! The API of Nexudus: e-mail and password for two tokens, and one live refresh token for each program of a person.
//!
//! The original is an OAuth 2 server of Microsoft's OWIN; where nothing else is known, its manners are taken over: every
//! mistake at the token endpoint is a 400, whatever the method, and a challenge is the one word `Bearer`. Whoever comes
//! too often hears 409, not 429. Unlike there, name and password are not taken in place of a token: a password on every
//! call is what a gateway is there to prevent.
//!
//! Reading order: this file, `request`, `myself`.

mod myself;
mod request;

use std::sync::Arc;
use std::time::Duration;

use http::header::{
    CACHE_CONTROL, CONTENT_TYPE, EXPIRES, HeaderName, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE,
};
use http::{HeaderValue, Method, Response, StatusCode};
use hyper::ext::ReasonPhrase;
use serde_json::{Value, json};

use self::myself::profile_of;
use self::request::{INVALID_GRANT, INVALID_REQUEST, Manners, UNSUPPORTED};
use super::settings::lifetime;
use super::standard::{self, answer, whole_seconds};
use super::{Asked, Dialect, Endpoint, LimitSettings, Malformed, Me, MountSettings, Place, Spot};
use crate::issue::{Answer, Ask, IssueError, Issued};
use crate::net::{Allowance, Body};
use crate::observe::Refusal;
use crate::token::{
    Algorithm, Carriers, OnReplay, Profile, RefreshForm, Renewal, Rotation, Scope, Secret, Subject,
};

/// The dialect, for one mount.
#[derive(Debug)]
struct Nexudus {
    profile: Profile,
    endpoints: Vec<Endpoint>,
    manners: Manners,
}

/// Builds the dialect. Nothing it says names its own address.
pub(super) fn build(settings: &MountSettings, _url: &str) -> Arc<dyn Dialect> {
    let limit = |usual| settings.limit.map_or(usual, LimitSettings::smooth);
    let mut endpoints = vec![Endpoint {
        name: TOKEN,
        spot: Spot::Below("/token"),
        method: Method::POST,
        limit: Some(limit(WRITES)),
        demands_token: false,
    }];
    if settings.me == Some(Me::BuiltIn) {
        endpoints.push(Endpoint {
            name: ME,
            spot: Spot::Below("/auth/me"),
            method: Method::GET,
            limit: Some(limit(READS)),
            demands_token: true,
        });
    }
    Arc::new(Nexudus {
        profile: Profile {
            algorithm: Algorithm::RS256,
            header_type: "JWT",
            access_lifetime: lifetime(&settings.tokens, ACCESS_LIFETIME),
            subject: Subject::Id,
            renewal: settings.refresh.over(Renewal::Rotating(ROTATION)),
            carriers: Carriers {
                header: Some(BEARER),
                ..Carriers::default()
            },
            ..Profile::standard()
        },
        endpoints,
        manners: Manners {
            refresh_default_client: settings.refresh_default_client == Some(true),
        },
    })
}

impl Dialect for Nexudus {
    fn profile(&self) -> &Profile {
        &self.profile
    }

    fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    // The API itself lies below the same path.
    fn owns_all_below(&self) -> bool {
        false
    }

    fn read(&self, at: &Endpoint, asked: &Asked<'_>) -> Result<Ask, Malformed> {
        match (at.name, asked.identity) {
            (ME, Some(identity)) => Ok(Ask::Myself {
                identity: Arc::clone(identity),
            }),
            (ME, None) => {
                let needed = Scope::empty();
                let response = unauthorized(&Refusal::MissingToken { needed });
                Err(Malformed::new("missing_token", response))
            }
            _ => self
                .manners
                .read(asked.head, asked.body)
                .map_err(|error| Malformed::new(error, failed(StatusCode::BAD_REQUEST, error))),
        }
    }

    fn write(&self, at: &Endpoint, outcome: Result<&Answer, &IssueError>) -> Response<Body> {
        match outcome {
            Ok(Answer::Issued(issued)) => granted(issued),
            Ok(Answer::Myself(account)) => said(StatusCode::OK, &profile_of(account)),
            Ok(_) => failed(StatusCode::INTERNAL_SERVER_ERROR, SERVER_ERROR),
            Err(error) => failure(at, error),
        }
    }

    fn refuse(&self, refusal: &Refusal, place: &Place<'_>) -> Response<Body> {
        match refusal {
            Refusal::RateLimited { .. } => return throttled(Duration::from_secs(1)),
            Refusal::MissingToken { .. } | Refusal::TwoCredentials => return unauthorized(refusal),
            token if token.is_invalid_token() => return unauthorized(token),
            _ => {}
        }
        let mut response = described(standard::status(refusal), refusal.code(), refusal);
        standard::tell(refusal, place, response.headers_mut());
        response
    }

    fn decline(&self, at: &Endpoint, refusal: &Refusal, place: &Place<'_>) -> Response<Body> {
        match refusal {
            // Whatever the method, the original looks for a grant in the body; it never reads the query.
            Refusal::MethodNotAllowed { .. } if at.name == TOKEN => {
                failed(StatusCode::BAD_REQUEST, UNSUPPORTED)
            }
            _ => self.refuse(refusal, place),
        }
    }
}

/// The lifetime is reported a second short: the original cuts the fraction of what is left by the time it answers.
fn granted(issued: &Issued) -> Response<Body> {
    let expires_in = issued.expires_in.as_secs().saturating_sub(1);
    let refresh_token = issued.refresh_token.as_ref().map(Secret::reveal);
    said(
        StatusCode::OK,
        &json!({
            "access_token": issued.access_token.reveal(),
            "token_type": "bearer",
            "expires_in": expires_in,
            "refresh_token": refresh_token,
        }),
    )
}

fn failure(at: &Endpoint, error: &IssueError) -> Response<Body> {
    let bad = |error| failed(StatusCode::BAD_REQUEST, error);
    match error {
        // The token was good, and its account is gone since.
        IssueError::InvalidGrant | IssueError::InvalidCredentials if at.name == ME => {
            unauthorized(&Refusal::Revoked)
        }
        IssueError::InvalidCredentials => said(
            StatusCode::BAD_REQUEST,
            &json!({
                "error": INVALID_GRANT,
                "error_description": "The user name or password is incorrect.",
            }),
        ),
        IssueError::InvalidGrant => bad(INVALID_GRANT),
        IssueError::SecondFactor => bad("two_factor_auth_check"),
        IssueError::MustReset => bad("must_reset_password"),
        IssueError::UnauthorizedClient => bad("unauthorized_client"),
        IssueError::InvalidScope => bad("invalid_scope"),
        IssueError::InvalidRequest(_) => bad(INVALID_REQUEST),
        IssueError::NotOffered => bad(UNSUPPORTED),
        IssueError::Busy { .. } => throttled(Duration::from_secs(1)),
        IssueError::TooManyAttempts { retry_after } => throttled(*retry_after),
        IssueError::Store(_) => {
            let mut response = failed(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable");
            let soon = whole_seconds(Duration::from_secs(1));
            response.headers_mut().insert(RETRY_AFTER, soon);
            response
        }
        _ => failed(StatusCode::INTERNAL_SERVER_ERROR, SERVER_ERROR),
    }
}

fn unauthorized(refusal: &Refusal) -> Response<Body> {
    let mut response = described(StatusCode::UNAUTHORIZED, refusal.code(), refusal);
    let challenge = HeaderValue::from_static("Bearer");
    response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    response
}

/// No body; over HTTP/1 the reason stands beside the status.
fn throttled(wait: Duration) -> Response<Body> {
    let mut response = unkept(answer(StatusCode::CONFLICT, JSON, ""));
    response.headers_mut().remove(CONTENT_TYPE);
    response
        .headers_mut()
        .insert(RETRY_AFTER, whole_seconds(wait));
    response.extensions_mut().insert(WAIT);
    response
}

fn described(status: StatusCode, error: &str, refusal: &Refusal) -> Response<Body> {
    let description = standard::sentence(refusal);
    said(
        status,
        &json!({ "error": error, "error_description": description }),
    )
}

fn failed(status: StatusCode, error: &str) -> Response<Body> {
    said(status, &json!({ "error": error }))
}

fn said(status: StatusCode, body: &Value) -> Response<Body> {
    unkept(answer(status, JSON, body.to_string()))
}

/// The headers of every answer, good or bad.
fn unkept(mut response: Response<Body>) -> Response<Body> {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    headers.insert(EXPIRES, HeaderValue::from_static("-1"));
    response
}

const TOKEN: &str = "token";
const ME: &str = "me";
const JSON: &str = "application/json;charset=UTF-8";

const SERVER_ERROR: &str = "server_error";

const BEARER: HeaderName = HeaderName::from_static("bearer");
const WAIT: ReasonPhrase =
    ReasonPhrase::from_static(b"You must wait before accessing this url again.");

const ACCESS_LIFETIME: Duration = Duration::from_hours(7 * 24);

/// Each refresh token lives for fifteen days, and one that is spent is worth nothing, at once.
const ROTATION: Rotation = Rotation {
    idle: Duration::from_hours(15 * 24),
    absolute: None,
    race: Duration::ZERO,
    lost: Duration::ZERO,
    on_replay: OnReplay::Refuse,
    form: RefreshForm::Hex,
    exclusive: true,
};

const WRITES: Allowance = Allowance::Smooth {
    count: 60,
    per: Duration::from_mins(1),
    burst: 60,
};

const READS: Allowance = Allowance::Smooth {
    count: 120,
    per: Duration::from_mins(1),
    burst: 120,
};

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::dialect::Speak;
    use crate::dialect::testing::{asked, body_of, head, place, said as told};
    use crate::issue::{Myself, Program};
    use crate::token::Timestamp;

    const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

    fn spaces(settings: &MountSettings) -> Arc<dyn Dialect> {
        build(settings, "https://spaces.test/api")
    }

    fn usual() -> MountSettings {
        MountSettings {
            me: Some(Me::BuiltIn),
            ..MountSettings::speaking(Speak::Nexudus)
        }
    }

    fn at(spaces: &dyn Dialect, name: &str) -> Endpoint {
        let endpoint = spaces.endpoints().iter().find(|at| at.name == name);
        endpoint.unwrap().clone()
    }

    fn read_by(
        spaces: &dyn Dialect,
        fields: &[(&str, &str)],
        body: &str,
    ) -> Result<Ask, (u16, Value)> {
        let head = head("POST", "/api/token", fields);
        let body = Bytes::from(body.to_owned());
        let ask = spaces.read(&at(spaces, TOKEN), &asked(&head, &body));
        ask.map_err(|malformed| {
            assert_eq!(malformed.response.headers()[EXPIRES], "-1");
            told(*malformed.response)
        })
    }

    fn read(fields: &[(&str, &str)], body: &str) -> Result<Ask, (u16, Value)> {
        read_by(&*spaces(&usual()), fields, body)
    }

    fn refused(fields: &[(&str, &str)], body: &str) -> Value {
        let (status, body) = read(fields, body).unwrap_err();
        assert_eq!(status, 400);
        body["error"].clone()
    }

    fn program(fields: &[(&str, &str)], body: &str) -> String {
        match read(fields, body).unwrap() {
            Ask::Password { program, .. } => program,
            Ask::Refresh {
                by: Program::Named(name),
                ..
            } => name,
            other => panic!("{other:?}"),
        }
    }

    fn write(name: &str, outcome: Result<&Answer, &IssueError>) -> Response<Body> {
        let spaces = spaces(&usual());
        spaces.write(&at(&*spaces, name), outcome)
    }

    fn refusal(refusal: &Refusal) -> Response<Body> {
        spaces(&usual()).refuse(refusal, &place())
    }

    const LOGIN: &str = "grant_type=password&username=Ada%40Space.test&password=pw-1";

    // NX-1
    #[test]
    fn tokens_come_in_the_order_and_with_the_headers_of_the_original() {
        let answer = Answer::Issued(Issued {
            access_token: Secret::new("a.b.c"),
            expires_in: ACCESS_LIFETIME,
            refresh_token: Some(Secret::new("0f3c")),
            refresh_expires_in: None,
            session: None,
            scope: Scope::empty(),
            scope_as_asked: true,
        });
        let response = write(TOKEN, Ok(&answer));
        assert_eq!(response.status(), 200);
        let headers = response.headers();
        assert_eq!(headers[CONTENT_TYPE], "application/json;charset=UTF-8");
        assert_eq!(headers[CACHE_CONTROL], "no-cache");
        assert_eq!(headers[PRAGMA], "no-cache");
        assert_eq!(headers[EXPIRES], "-1");
        assert_eq!(
            body_of(response),
            r#"{"access_token":"a.b.c","token_type":"bearer","expires_in":604799,"refresh_token":"0f3c"}"#
        );
    }

    // NX-1, X-2, X-3, X-6, X-13
    #[test]
    fn a_login_is_read_with_the_program_that_the_header_names() {
        let Ask::Password {
            program,
            name,
            password,
            totp,
        } = read(&[FORM, ("client_id", "c1")], &format!("{LOGIN}&totp=")).unwrap()
        else {
            panic!("not a login");
        };
        let password = password.unwrap();
        assert_eq!(
            (program.as_str(), name.as_str(), password.reveal()),
            ("c1", "Ada@Space.test", "pw-1")
        );
        assert!(totp.is_none());
        let Ask::Password { totp, .. } = read(&[FORM], &format!("{LOGIN}&totp=123456")).unwrap()
        else {
            panic!("not a login");
        };
        assert_eq!(totp.unwrap().reveal(), "123456");
    }

    // X-2, X-3, X-6
    #[test]
    fn the_header_names_the_program_or_else_a_field_or_else_the_user_does() {
        let with = |fields: &[(&str, &str)], body: &str| {
            program(&[&[FORM], fields].concat(), &format!("{LOGIN}{body}"))
        };
        assert_eq!(with(&[], ""), "ada@space.test");
        assert_eq!(with(&[("client_id", " ")], "&client_id="), "ada@space.test");
        assert_eq!(with(&[("client_id", "")], "&client_id=c2"), "c2");
        assert_eq!(with(&[("client_id", "C1")], "&client_id=c2"), "C1");
        let refresh = "grant_type=refresh_token&refresh_token=R1";
        let named = program(&[FORM, ("client_id", " ADA@space.test ")], refresh);
        assert_eq!(named, "ada@space.test");
    }

    // NX-12, X-5
    #[test]
    fn a_refresh_without_a_program_is_refused_unless_the_operator_allows_it() {
        let refresh = "grant_type=refresh_token&refresh_token=R1";
        assert_eq!(
            read(&[FORM], refresh).unwrap_err(),
            (400, json!({ "error": "invalid_grant" }))
        );
        let lenient = MountSettings {
            refresh_default_client: Some(true),
            ..usual()
        };
        let ask = read_by(&*spaces(&lenient), &[FORM], refresh).unwrap();
        let Ask::Refresh {
            by: Program::Unnamed,
            refresh_token,
            ..
        } = ask
        else {
            panic!("{ask:?}");
        };
        assert_eq!(refresh_token.reveal(), "R1");
    }

    // NX-4, NX-5, X-14, X-16
    #[test]
    fn what_is_no_grant_of_this_api_is_not_supported() {
        let json = r#"{"grant_type":"password","username":"ada","password":"pw-1"}"#;
        let json_kind = ("content-type", "application/json");
        assert_eq!(refused(&[json_kind], json), "unsupported_grant_type");
        assert_eq!(refused(&[json_kind], LOGIN), "unsupported_grant_type");
        assert_eq!(refused(&[FORM, FORM], LOGIN), "unsupported_grant_type");
        for body in [
            "username=ada&password=pw-1",
            "grant_type=Password&username=ada&password=pw-1",
            "grant_type=authorization_code&code=x",
            "grant_type=",
            "",
        ] {
            assert_eq!(refused(&[FORM], body), "unsupported_grant_type", "{body}");
        }
        let own = "grant_type=client_credentials";
        assert_eq!(refused(&[FORM], own), "unauthorized_client");
        for kind in [&[][..], &[("content-type", "text/plain;charset=UTF-8")]] {
            assert!(read(kind, LOGIN).is_ok());
        }
    }

    // X-17
    #[test]
    fn a_repeated_or_broken_parameter_is_an_invalid_request() {
        for body in [
            format!("{LOGIN}&password=pw-2"),
            format!("{LOGIN}&x=1&x=1"),
            format!("{LOGIN}&x=%00"),
            format!("{LOGIN}&client_id=a%0ab"),
        ] {
            assert_eq!(refused(&[FORM], &body), "invalid_request", "{body}");
        }
        let long = "x".repeat(257);
        for fields in [
            &[FORM, ("client_id", "a"), ("client_id", "a")][..],
            &[FORM, ("client_id", &*long)],
            &[FORM, ("content-encoding", "gzip")],
        ] {
            assert_eq!(refused(fields, LOGIN), "invalid_request");
        }
    }

    // NX-2, NX-7, NX-18, X-11
    #[test]
    fn each_mistake_has_its_word_and_only_a_bad_login_is_described() {
        let expected = json!({
            "error": "invalid_grant",
            "error_description": "The user name or password is incorrect.",
        });
        let wrong = write(TOKEN, Err(&IssueError::InvalidCredentials));
        assert_eq!(told(wrong), (400, expected));
        for (error, word) in [
            (IssueError::InvalidGrant, "invalid_grant"),
            (IssueError::SecondFactor, "two_factor_auth_check"),
            (IssueError::MustReset, "must_reset_password"),
            (IssueError::UnauthorizedClient, "unauthorized_client"),
            (IssueError::InvalidScope, "invalid_scope"),
            (IssueError::NotOffered, "unsupported_grant_type"),
        ] {
            let expected = json!({ "error": word });
            assert_eq!(told(write(TOKEN, Err(&error))), (400, expected));
        }
    }

    // X-15
    #[test]
    fn another_method_has_no_grant_whatever_its_query_says() {
        let spaces = spaces(&usual());
        let allow = "POST".to_owned();
        let refusal = Refusal::MethodNotAllowed { allow };
        let response = spaces.decline(&at(&*spaces, TOKEN), &refusal, &place());
        let expected = json!({ "error": "unsupported_grant_type" });
        assert_eq!(told(response), (400, expected));
        let response = spaces.decline(&at(&*spaces, ME), &refusal, &place());
        assert_eq!(
            (response.status().as_u16(), &response.headers()["allow"]),
            (405, &HeaderValue::from_static("POST"))
        );
    }

    // NX-20, X-21
    #[test]
    fn whoever_comes_too_often_hears_a_conflict_without_a_body() {
        let retry_after = Duration::from_secs(40);
        let busy = IssueError::Busy { retry_after };
        for response in [
            refusal(&Refusal::RateLimited { retry_after }),
            write(TOKEN, Err(&busy)),
        ] {
            assert_eq!(response.status(), 409);
            assert_eq!(response.headers()[RETRY_AFTER], "1");
            assert!(!response.headers().contains_key(CONTENT_TYPE));
            let reason = response.extensions().get::<ReasonPhrase>().unwrap();
            assert_eq!(
                reason.as_bytes(),
                b"You must wait before accessing this url again."
            );
            assert!(body_of(response).is_empty());
        }
        let locked = IssueError::TooManyAttempts { retry_after };
        let response = write(TOKEN, Err(&locked));
        assert_eq!(response.headers()[RETRY_AFTER], "40");
    }

    // NX-15, NX-17
    #[test]
    fn without_a_good_token_the_challenge_is_one_word() {
        let needed = Scope::empty();
        for refused in [
            Refusal::MissingToken { needed },
            Refusal::TwoCredentials,
            Refusal::BadSignature,
            Refusal::Revoked,
        ] {
            let response = refusal(&refused);
            assert_eq!(response.headers()[WWW_AUTHENTICATE], "Bearer");
            let (status, body) = told(response);
            assert_eq!((status, &body["error"]), (401, &json!(refused.code())));
        }
        let gone = write(ME, Err(&IssueError::InvalidGrant));
        assert_eq!(gone.headers()[WWW_AUTHENTICATE], "Bearer");
        assert_eq!(gone.status(), 401);
    }

    #[test]
    fn an_outage_is_a_503_and_never_a_no() {
        let outage = IssueError::Store(crate::store::StoreError::Closed);
        let response = write(TOKEN, Err(&outage));
        assert_eq!(response.headers()[RETRY_AFTER], "1");
        let expected = json!({ "error": "temporarily_unavailable" });
        assert_eq!(told(response), (503, expected));
    }

    // NX-14, X-18
    #[test]
    fn an_account_has_every_field_of_the_original_and_no_token_in_it() {
        let answer = Answer::Myself(Myself {
            id: "7d0a000000000000aabbccddeeff0011".to_owned(),
            name: "ada@space.test".to_owned(),
            email: None,
            title: Some("Ada L".to_owned()),
            created_at: Timestamp::from_millis(1_795_262_671_218),
            must_reset: false,
        });
        let (status, me) = told(write(ME, Ok(&answer)));
        assert_eq!(status, 200);
        for (field, value) in [
            ("Email", json!("ada@space.test")),
            ("FullName", json!("Ada L")),
            ("ToStringText", json!("Ada L - ada@space.test")),
            ("UniqueId", json!("7d0a0000-0000-0000-aabb-ccddeeff0011")),
            ("Id", json!(0x7d0a_0000_0000_0000_u64 >> 11)),
            ("CreatedOn", json!("2026-11-21T12:04:31Z")),
            ("Active", json!(true)),
            ("MustResetPassword", json!(false)),
            ("AccessToken", Value::Null),
            ("NewPassword", Value::Null),
            ("Businesses", Value::Null),
        ] {
            assert_eq!(me[field], value, "{field}");
        }
        assert_eq!(me.as_object().unwrap().len(), 62);
    }

    // X-18
    #[test]
    fn the_account_is_the_upstreams_to_describe_unless_the_operator_says_otherwise() {
        let proxied = spaces(&MountSettings::speaking(Speak::Nexudus));
        assert_eq!(proxied.endpoints().len(), 1);
        assert!(!proxied.owns_all_below());
        assert!(at(&*spaces(&usual()), ME).demands_token);
    }
}
