//! The API of NexusHub: accounts with a key and a secret, and one refresh token that never changes.
//!
//! Its official clients retry whatever they are refused, for ever; if a `reason` holds digits, they join them all and
//! wait so many milliseconds. So no reason here holds a digit except the wait itself.
//!
//! Those clients speak only over a WebSocket: `socket` is the language of its messages, `fields` what a body says.

mod fields;
mod socket;

use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, RETRY_AFTER};
use http::{HeaderValue, Method, Response, StatusCode};
use serde_json::{Value, json};

use self::fields::Fields;
use super::settings::lifetime;
use super::standard::{self, answer, whole_seconds};
use super::{Asked, Dialect, Endpoint, Malformed, MountSettings, Place, Socket, Spot};
use crate::issue::{Answer, Ask, IssueError};
use crate::net::{Allowance, Body};
use crate::observe::Refusal;
use crate::token::{Algorithm, Carriers, Ceiling, Excess, Profile, Renewal, Secret, Subject};

/// The dialect, for one mount.
#[derive(Debug)]
struct NexusHub {
    profile: Profile,
    endpoints: [Endpoint; 4],
    /// The first word of a refusal where the original misspells it.
    misspelt: &'static str,
}

/// Builds the dialect. Nothing it says names its own address.
pub(super) fn build(settings: &MountSettings, _url: &str) -> Arc<dyn Dialect> {
    let limit = settings.limit.map_or(LIMIT, super::LimitSettings::rolling);
    let endpoint = |name, path| Endpoint {
        name,
        spot: Spot::Below(path),
        method: Method::POST,
        limit: Some(limit),
        demands_token: false,
    };
    Arc::new(NexusHub {
        profile: Profile {
            algorithm: Algorithm::RS256,
            header_type: "JWT",
            key_id_in_header: false,
            subject_claim: "uid",
            scope_claim: "scp",
            identified: false,
            loose_scope: true,
            every_scope: Some("write_root"),
            access_lifetime: lifetime(&settings.tokens, ACCESS_LIFETIME),
            subject: Subject::Name,
            ceiling: Ceiling::Account,
            excess: Excess::Refused,
            renewal: Renewal::Standing,
            carriers: Carriers {
                bare_authorization: true,
                header: None,
                query: Some("bearer"),
            },
        },
        endpoints: [
            endpoint(REGISTER, "/register"),
            endpoint(AUTHENTICATE, "/authenticate"),
            endpoint(REFRESH, "/refresh"),
            endpoint(USERKEY, "/userkey"),
        ],
        misspelt: if settings.strict_typos == Some(true) {
            "Unauhtorized."
        } else {
            "Unauthorized."
        },
    })
}

impl Dialect for NexusHub {
    fn profile(&self) -> &Profile {
        &self.profile
    }

    fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    fn socket(&self) -> Option<&'static Socket> {
        Some(&socket::SOCKET)
    }

    // An `Authorization` field is not looked at: an expired token must not stand in the way of its own renewal.
    fn read(&self, at: &Endpoint, asked: &Asked<'_>) -> Result<Ask, Malformed> {
        let fields = Fields::read(asked.head, asked.body)?;
        match at.name {
            REGISTER => fields.register(),
            AUTHENTICATE => fields.authenticate(),
            REFRESH => fields.refresh(),
            _ => Ok(fields.recover_key()),
        }
    }

    fn write(&self, at: &Endpoint, outcome: Result<&Answer, &IssueError>) -> Response<Body> {
        open_to_all(match (at.name, outcome) {
            (AUTHENTICATE, Ok(Answer::Issued(issued))) => {
                let refresh_token = issued.refresh_token.as_ref().map(Secret::reveal);
                said(
                    StatusCode::OK,
                    &json!({ "access_token": issued.access_token.reveal(), "refresh_token": refresh_token }),
                )
            }
            (REFRESH, Ok(Answer::Issued(issued))) => said(
                StatusCode::OK,
                &json!({ "access_token": issued.access_token.reveal() }),
            ),
            (_, Ok(Answer::AccountKey(key))) => said(StatusCode::OK, &json!({ "user_key": key })),
            (_, Ok(_)) => broken(),
            (_, Err(error)) => self.failed(at, error),
        })
    }

    fn refuse(&self, refusal: &Refusal, place: &Place<'_>) -> Response<Body> {
        match refusal {
            Refusal::NoRoute | Refusal::MethodNotAllowed { .. } => return not_found(place),
            Refusal::RateLimited { retry_after } => return throttled(*retry_after),
            Refusal::Overloaded => return throttled(Duration::from_secs(1)),
            _ => {}
        }
        let mut response = match refusal {
            Refusal::MissingToken { needed } if needed.is_empty() => refused(
                StatusCode::UNAUTHORIZED,
                "Unauthorized.",
                "Expected user credentials.",
            ),
            Refusal::MissingToken { needed } => forbidden(needed.as_str(), ""),
            Refusal::InsufficientScope { needed, held } => {
                forbidden(needed.as_str(), held.as_str())
            }
            Refusal::ClaimMismatch => refused(
                StatusCode::FORBIDDEN,
                "Unauthorized",
                standard::sentence(refusal),
            ),
            Refusal::BodyTooLarge => {
                plain(StatusCode::PAYLOAD_TOO_LARGE, "request entity too large")
            }
            token if token.is_invalid_token() => invalid_token(token),
            _ => in_its_shape(refusal),
        };
        standard::tell(refusal, place, response.headers_mut());
        response
    }

    fn decline(&self, _at: &Endpoint, refusal: &Refusal, place: &Place<'_>) -> Response<Body> {
        open_to_all(self.refuse(refusal, place))
    }
}

impl NexusHub {
    fn failed(&self, at: &Endpoint, error: &IssueError) -> Response<Body> {
        let failed = |status, reason| refused(status, "Registration failed.", reason);
        match error {
            IssueError::UnusableName => {
                failed(StatusCode::BAD_REQUEST, "User id or secret is empty.")
            }
            IssueError::NameTaken => failed(StatusCode::CONFLICT, "User id is already taken."),
            IssueError::RegistrationClosed => {
                failed(StatusCode::FORBIDDEN, "Registration is closed.")
            }
            IssueError::Busy { retry_after } | IssueError::TooManyAttempts { retry_after } => {
                throttled(*retry_after)
            }
            IssueError::Store(_) => {
                let mut response = in_its_shape(&Refusal::StoreUnavailable);
                response
                    .headers_mut()
                    .insert(RETRY_AFTER, whole_seconds(Duration::from_secs(1)));
                response
            }
            IssueError::Sign(_) => broken(),
            _ => {
                let error = match at.name {
                    REFRESH | USERKEY => self.misspelt,
                    _ => "Unauthorized.",
                };
                refused(StatusCode::FORBIDDEN, error, "Credentials not recognized.")
            }
        }
    }
}

fn not_found(place: &Place<'_>) -> Response<Body> {
    let reason = format!("Couldn't find {}.", place.path);
    refused(StatusCode::NOT_FOUND, "Not found.", &reason)
}

fn forbidden(needed: &str, held: &str) -> Response<Body> {
    let reason = format!("Expected {needed}, got {held}.");
    // The original has no full stop in `error` here.
    refused(StatusCode::FORBIDDEN, "Unauthorized", &reason)
}

fn invalid_token(refusal: &Refusal) -> Response<Body> {
    let reason = match refusal {
        Refusal::Expired { at } => json!({
            "name": "TokenExpiredError",
            "message": "jwt expired",
            "expiredAt": at.to_string(),
        }),
        refusal => {
            let message = match refusal {
                Refusal::MalformedToken => "jwt malformed",
                Refusal::BadSignature | Refusal::UnknownKey => "invalid signature",
                _ => "invalid token",
            };
            json!({ "name": "JsonWebTokenError", "message": message })
        }
    };
    let body = json!({ "error": "Invalid Token.", "reason": reason });
    said(StatusCode::UNAUTHORIZED, &body)
}

/// Clients wait for the number in the reason, which is a second longer than they must.
fn throttled(wait: Duration) -> Response<Body> {
    let millis = wait.as_millis() + 1000;
    let reason =
        format!("Max requests per interval reached. You need to wait {millis}ms to continue.");
    let mut response = refused(
        StatusCode::TOO_MANY_REQUESTS,
        "Rate limit exceeded.",
        &reason,
    );
    response
        .headers_mut()
        .insert(RETRY_AFTER, whole_seconds(wait));
    response
}

fn broken() -> Response<Body> {
    refused(
        StatusCode::INTERNAL_SERVER_ERROR,
        "Internal Server Error",
        "Something went wrong on our side.",
    )
}

/// What the original has no words for, in the shape of what it has.
fn in_its_shape(refusal: &Refusal) -> Response<Body> {
    let status = standard::status(refusal);
    let error = format!("{}.", status.canonical_reason().unwrap_or_default());
    refused(status, &error, standard::sentence(refusal))
}

fn refused(status: StatusCode, error: &str, reason: &str) -> Response<Body> {
    said(status, &json!({ "error": error, "reason": reason }))
}

fn said(status: StatusCode, body: &Value) -> Response<Body> {
    answer(status, "application/json;charset=utf-8", body.to_string())
}

fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    answer(status, "text/plain;charset=utf-8", text)
}

/// Any web page may read what a token endpoint says: it acts on nothing but what the page itself has sent.
fn open_to_all(mut response: Response<Body>) -> Response<Body> {
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

const REGISTER: &str = "register";
const AUTHENTICATE: &str = "authenticate";
const REFRESH: &str = "refresh";
const USERKEY: &str = "userkey";

const ACCESS_LIFETIME: Duration = Duration::from_hours(1);

const LIMIT: Allowance = Allowance::Rolling {
    count: 20,
    window: Duration::from_secs(5),
};

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::dialect::Speak;
    use crate::dialect::testing::{asked, body_of, head, place, said};
    use crate::issue::Issued;
    use crate::token::{Scope, Timestamp};

    fn hub() -> Arc<dyn Dialect> {
        build(
            &MountSettings::speaking(Speak::Nexushub),
            "https://auth.test",
        )
    }

    fn at(hub: &dyn Dialect, name: &str) -> Endpoint {
        let endpoint = hub.endpoints().iter().find(|at| at.name == name);
        endpoint.unwrap().clone()
    }

    fn read_as(kind: &str, name: &str, body: &str) -> Result<Ask, (u16, String)> {
        let hub = hub();
        let head = head("POST", "/", &[("content-type", kind)]);
        let ask = hub.read(
            &at(&*hub, name),
            &asked(&head, &Bytes::from(body.to_owned())),
        );
        ask.map_err(|malformed| {
            let headers = malformed.response.headers();
            assert_eq!(headers[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
            let status = malformed.response.status().as_u16();
            let body = body_of(*malformed.response);
            (status, String::from_utf8(body.to_vec()).unwrap())
        })
    }

    fn read(name: &str, body: &str) -> Result<Ask, (u16, String)> {
        read_as("application/json", name, body)
    }

    fn reason(refused: Result<Ask, (u16, String)>) -> (u16, String, String) {
        let (status, body) = refused.unwrap_err();
        let body: Value = serde_json::from_str(&body).unwrap();
        let text = |key: &str| body[key].as_str().unwrap().to_owned();
        (status, text("error"), text("reason"))
    }

    fn write(name: &str, outcome: Result<&Answer, &IssueError>) -> Response<Body> {
        let hub = hub();
        hub.write(&at(&*hub, name), outcome)
    }

    fn issued() -> Answer {
        Answer::Issued(Issued {
            access_token: Secret::new("a.b.c"),
            expires_in: Duration::from_hours(1),
            refresh_token: Some(Secret::new("ada-xyz")),
            scope: Scope::empty(),
            refresh_expires_in: None,
            session: None,
            scope_as_asked: true,
        })
    }

    fn refusal(refusal: &Refusal) -> (u16, Value) {
        said(hub().refuse(refusal, &place()))
    }

    #[test]
    fn a_registration_is_read_from_json_and_from_a_form() {
        let json = r#"{"user_id":"ada","user_secret":"s3cret-one"}"#;
        let form = "user_id=ada&user_secret=s3cret-one";
        let asks = [
            read("register", json),
            read_as("application/json; charset=utf-8", "register", json),
            read_as("application/x-www-form-urlencoded", "register", form),
        ];
        for ask in asks {
            let Ask::Register { name, password } = ask.unwrap() else {
                panic!("not a registration");
            };
            assert_eq!((name.as_str(), password.reveal()), ("ada", "s3cret-one"));
        }
    }

    // NH-1
    #[test]
    fn a_new_account_is_answered_with_its_key_alone() {
        let response = write("register", Ok(&Answer::AccountKey("ada-1".into())));
        assert_eq!(
            response.headers()["content-type"],
            "application/json;charset=utf-8"
        );
        assert_eq!(response.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert_eq!(said(response), (200, json!({ "user_key": "ada-1" })));
    }

    // NH-2, NH-3
    #[test]
    fn a_registration_that_cannot_be_is_refused_in_the_words_of_the_original() {
        let cases = [
            (IssueError::NameTaken, 409, "User id is already taken."),
            (IssueError::UnusableName, 400, "User id or secret is empty."),
            (
                IssueError::RegistrationClosed,
                403,
                "Registration is closed.",
            ),
        ];
        for (error, status, reason) in cases {
            let expected = json!({ "error": "Registration failed.", "reason": reason });
            assert_eq!(said(write("register", Err(&error))), (status, expected));
        }
    }

    // NH-4
    #[test]
    fn a_missing_field_is_answered_with_the_names_that_came_and_no_value() {
        let unauthorized = |reason: &str| (401, "Unauthorized.".to_owned(), reason.to_owned());
        assert_eq!(
            reason(read("register", r#"{"user_secret":"hunter2","x1":1}"#)),
            unauthorized("Expected user credentials. Got: user_secret.")
        );
        assert_eq!(
            reason(read(
                "register",
                r#"{"user_id":"","user_secret":"hunter2"}"#
            )),
            unauthorized("Expected user credentials. Got: user_id, user_secret.")
        );
        let mislabelled = r#"{"user_id":"ada","user_secret":"hunter2"}"#;
        for kind in ["application/x-www-form-urlencoded", "text/plain"] {
            assert_eq!(
                reason(read_as(kind, "register", mislabelled)),
                unauthorized("Expected user credentials. Got: nothing.")
            );
        }
    }

    // NH-5, NH-10
    #[test]
    fn a_login_gives_both_tokens_and_a_refresh_one() {
        assert_eq!(
            said(write("authenticate", Ok(&issued()))),
            (
                200,
                json!({ "access_token": "a.b.c", "refresh_token": "ada-xyz" })
            )
        );
        assert_eq!(
            said(write("refresh", Ok(&issued()))),
            (200, json!({ "access_token": "a.b.c" }))
        );
    }

    // NH-8
    #[test]
    fn a_login_without_a_secret_is_as_wrong_as_one_with_a_wrong_secret() {
        for body in [
            r#"{"user_key":"k"}"#,
            r#"{"user_key":"k","user_secret":{}}"#,
        ] {
            let Ask::Login { key, password } = read("authenticate", body).unwrap() else {
                panic!("not a login");
            };
            assert_eq!(key, "k");
            assert!(password.is_none());
        }
        assert_eq!(
            said(write("authenticate", Err(&IssueError::InvalidCredentials))),
            (
                403,
                json!({ "error": "Unauthorized.", "reason": "Credentials not recognized." })
            )
        );
    }

    // NH-9, NH-12
    #[test]
    fn nothing_at_all_is_a_missing_field() {
        let (status, _, said) = reason(read("authenticate", "{}"));
        assert_eq!(
            (status, said.as_str()),
            (401, "Expected user credentials. Got: nothing.")
        );
        for body in ["{}", "", "[]", r#"{"refresh_token":""}"#] {
            let (status, _, said) = reason(read("refresh", body));
            assert_eq!(status, 401);
            assert!(said.starts_with("Expected refresh token. Got: "), "{said}");
        }
    }

    // NH-11
    #[test]
    fn an_unknown_refresh_token_is_refused_with_or_without_the_spelling_mistake() {
        let mut settings = MountSettings::speaking(Speak::Nexushub);
        for (strict, error) in [(false, "Unauthorized."), (true, "Unauhtorized.")] {
            settings.strict_typos = Some(strict);
            let hub = build(&settings, "https://auth.test");
            let response = hub.write(&at(&*hub, "refresh"), Err(&IssueError::InvalidGrant));
            let expected = json!({ "error": error, "reason": "Credentials not recognized." });
            assert_eq!(said(response), (403, expected));
        }
    }

    // NH-13
    #[test]
    fn what_is_not_a_string_or_comes_twice_is_missing() {
        assert_eq!(
            reason(read("refresh", r#"{"refresh_token":{"$ne":null}}"#)).0,
            401
        );
        assert_eq!(
            reason(read("authenticate", r#"{"user_key":{"$gt":""}}"#)).0,
            401
        );
        for body in [
            r#"{"refresh_token":"a","refresh_token":"b"}"#,
            r#"{"refresh_token":"a","refresh_token":"a"}"#,
            r#"{"refresh_token":"a","refresh_token":null,"refresh_token":"b"}"#,
            r#"{"refresh_token":"a","refresh\u005ftoken":"b"}"#,
        ] {
            assert_eq!(reason(read("refresh", body)).0, 401, "{body}");
        }
        let twice = "refresh_token=a&refresh_token=b";
        let operator = "refresh_token[$ne]=";
        for body in [twice, operator] {
            let refused = read_as("application/x-www-form-urlencoded", "refresh", body);
            assert_eq!(reason(refused).0, 401);
        }
    }

    #[test]
    fn malformed_json_is_answered_in_plain_text_that_repeats_nothing() {
        for body in [
            "{\"user_secret\":\"hunter2",
            "\"text\"",
            "17",
            "{}{}",
            &"[".repeat(60_000),
        ] {
            assert_eq!(
                read("register", body).unwrap_err(),
                (400, "malformed JSON".to_owned())
            );
        }
    }

    #[test]
    fn a_packed_body_is_not_unpacked() {
        let hub = hub();
        let head = head("POST", "/", &[("content-encoding", "gzip")]);
        let refused = hub.read(
            &at(&*hub, "refresh"),
            &asked(&head, &Bytes::from_static(b"x")),
        );
        assert_eq!(refused.unwrap_err().response.status(), 415);
    }

    // NH-15
    #[test]
    fn an_expired_token_is_told_when_it_expired() {
        let at = Timestamp::from_seconds(1_714_557_600);
        let expected = json!({
            "error": "Invalid Token.",
            "reason": {
                "name": "TokenExpiredError",
                "message": "jwt expired",
                "expiredAt": "2024-05-01T10:00:00.000Z",
            },
        });
        assert_eq!(refusal(&Refusal::Expired { at }), (401, expected));
    }

    // NH-16
    #[test]
    fn a_bad_token_is_named_as_the_original_names_it() {
        let cases = [
            (Refusal::MalformedToken, "jwt malformed"),
            (Refusal::BadSignature, "invalid signature"),
            (Refusal::AlgorithmRefused, "invalid token"),
            (Refusal::ClaimType, "invalid token"),
            (Refusal::Revoked, "invalid token"),
        ];
        for (refused, message) in cases {
            let reason = json!({ "name": "JsonWebTokenError", "message": message });
            let expected = json!({ "error": "Invalid Token.", "reason": reason });
            assert_eq!(refusal(&refused), (401, expected));
        }
    }

    // NH-17
    #[test]
    fn too_little_scope_is_told_with_what_was_expected_and_got() {
        let needed = Scope::parse("write_orders_warframe").unwrap();
        let expected = json!({
            "error": "Unauthorized",
            "reason": "Expected write_orders_warframe, got .",
        });
        let held = Scope::empty();
        let insufficient = Refusal::InsufficientScope {
            needed: needed.clone(),
            held,
        };
        assert_eq!(refusal(&insufficient), (403, expected.clone()));
        assert_eq!(refusal(&Refusal::MissingToken { needed }), (403, expected));
        let needed = Scope::empty();
        let expected = json!({ "error": "Unauthorized.", "reason": "Expected user credentials." });
        assert_eq!(refusal(&Refusal::MissingToken { needed }), (401, expected));
    }

    // NH-18
    #[test]
    fn a_wrong_verb_and_an_unknown_path_are_not_found() {
        let allow = "POST".to_owned();
        for refused in [Refusal::NoRoute, Refusal::MethodNotAllowed { allow }] {
            let expected = json!({ "error": "Not found.", "reason": "Couldn't find /orders/7." });
            assert_eq!(refusal(&refused), (404, expected));
        }
    }

    // NH-19
    #[test]
    fn throttled_clients_are_told_to_wait_a_second_longer_than_they_must() {
        let retry_after = Duration::from_millis(2500);
        let refused = Refusal::RateLimited { retry_after };
        let response = hub().refuse(&refused, &place());
        assert_eq!(response.headers()[RETRY_AFTER], "3");
        let expected = json!({
            "error": "Rate limit exceeded.",
            "reason": "Max requests per interval reached. You need to wait 3500ms to continue.",
        });
        assert_eq!(said(response), (429, expected.clone()));
        let busy = IssueError::Busy { retry_after };
        assert_eq!(said(write("authenticate", Err(&busy))), (429, expected));
        assert_eq!(refusal(&Refusal::Overloaded).0, 429);
    }

    #[test]
    fn a_body_over_the_limit_is_refused_in_plain_text() {
        let response = hub().refuse(&Refusal::BodyTooLarge, &place());
        assert_eq!(response.status(), 413);
        assert_eq!(body_of(response), "request entity too large");
    }

    #[test]
    fn an_outage_is_in_the_shape_of_everything_else_and_holds_no_digit() {
        let outage = IssueError::Store(crate::store::StoreError::Closed);
        let response = write("refresh", Err(&outage));
        assert_eq!(response.headers()[RETRY_AFTER], "1");
        let (status, body) = said(response);
        assert_eq!(
            (status, &body["error"]),
            (503, &json!("Service Unavailable."))
        );
        let silent = [
            Refusal::KeysUnavailable,
            Refusal::NoUpstream,
            Refusal::UpstreamTimeout,
            Refusal::TwoCredentials,
            Refusal::Misdirected,
            Refusal::ClaimMismatch,
        ];
        for refused in silent {
            let (status, body) = refusal(&refused);
            assert_eq!(status, standard::status(&refused).as_u16());
            let reason = body["reason"].as_str().unwrap();
            assert!(!reason.contains(|c: char| c.is_ascii_digit()), "{reason}");
        }
    }
}
