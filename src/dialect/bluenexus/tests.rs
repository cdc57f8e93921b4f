//! The bytes of this dialect, in and out.

use serde_json::{Value, json};

use super::*;
use crate::dialect::Speak;
use crate::dialect::testing::{asked, body_of, head, place, said};
use crate::issue::{
    ClientAuth, ClientProof, HandedOver, Issued, Program, Registered, Registering, Unproven,
};
use crate::token::{Secret, Timestamp};
use bytes::Bytes;

const JSON: (&str, &str) = ("content-type", "application/json");
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
/// `w:s`.
const BASIC: (&str, &str) = ("authorization", "Basic dzpz");

fn settings() -> MountSettings {
    MountSettings::speaking(Speak::Bluenexus)
}

fn blue() -> Arc<dyn Dialect> {
    build(&settings(), "https://api.test")
}

fn at(name: &str) -> Endpoint {
    let blue = blue();
    let endpoint = blue.endpoints().iter().find(|at| at.name == name);
    endpoint.unwrap().clone()
}

fn read(name: &str, fields: &[(&str, &str)], body: &str) -> Result<Ask, (u16, Value)> {
    let head = head("POST", "/", fields);
    let body = Bytes::from(body.to_owned());
    let ask = blue().read(&at(name), &asked(&head, &body));
    ask.map_err(|malformed| said(*malformed.response))
}

fn write(name: &str, outcome: Result<&Answer, &IssueError>) -> Response<Body> {
    blue().write(&at(name), outcome)
}

fn oauth(status: u16, error: &str, sentence: &str) -> (u16, Value) {
    let body = json!({
        "error": error, "error_description": sentence, "message": sentence, "statusCode": status,
    });
    (status, body)
}

fn api(status: u16, error: &str, message: &str) -> (u16, Value) {
    (
        status,
        json!({ "error": error, "message": message, "statusCode": status }),
    )
}

#[test]
fn every_endpoint_has_its_place_and_the_short_ones_are_off_by_default() {
    let paths = |settings: &MountSettings| {
        let blue = build(settings, "https://api.test");
        let below = blue.endpoints().iter().filter_map(|at| match at.spot {
            Spot::Below(path) => Some(path),
            Spot::WellKnown(_) => None,
        });
        below.collect::<Vec<_>>()
    };
    let usual = paths(&settings());
    assert!(usual.contains(&"/api/v1/auth/authenticate"));
    assert!(!usual.contains(&"/v1/auth/authenticate"));
    let mut settings = settings();
    settings.short_paths = Some(true);
    let both = paths(&settings);
    assert!(both.contains(&"/v1/auth/handoff/init"));
    assert_eq!(both.len(), usual.len() + 9);
}

#[test]
fn a_signed_message_is_read_from_every_field_it_may_be_in() {
    for name in ["message", "payload", "siwe", "siwe_message"] {
        let body = json!({ name: "a\nb", "signature": "0x1", "session_id": "session_ab" });
        let ask = read("authenticate", &[JSON, BASIC], &body.to_string()).unwrap();
        let Ask::Wallet {
            client,
            message,
            signature,
            session,
        } = ask
        else {
            panic!("not a login");
        };
        assert_eq!((message.as_str(), signature.as_str()), ("a\nb", "0x1"));
        assert_eq!((client.id.as_str(), session.as_deref()), ("w", Some("ab")));
        assert!(client.in_header);
    }
    let twice = r#"{"message":"a","siwe":"a","signature":"0x1","client_id":"w"}"#;
    let ask = read("authenticate", &[JSON], twice).unwrap();
    assert!(
        matches!(ask, Ask::Wallet { client, session: None, .. } if matches!(client.proof, ClientProof::Nothing))
    );
    let form = "message=a%0Ab&signature=0x1&client_id=w&client_secret=s";
    let ask = read("authenticate", &[FORM], form).unwrap();
    assert!(matches!(ask, Ask::Wallet { message, .. } if message == "a\nb"));
    let (status, body) = read(
        "authenticate",
        &[JSON],
        r#"{"message":"a","siwe":"b","signature":"0x1"}"#,
    )
    .unwrap_err();
    assert_eq!((status, &body["error"]), (400, &json!("invalid_request")));
}

#[test]
fn the_field_of_the_message_can_be_another() {
    let mut settings = settings();
    settings.message_field = Some("proof".to_owned());
    let blue = build(&settings, "https://api.test");
    let read = |body: &str| {
        let head = head("POST", "/", &[JSON, BASIC]);
        blue.read(
            &at("authenticate"),
            &asked(&head, &Bytes::from(body.to_owned())),
        )
    };
    read(r#"{"proof":"a","signature":"0x1"}"#).unwrap();
    let (_, body) = said(*read(r#"{"signature":"0x1"}"#).unwrap_err().response);
    assert_eq!(body["message"], "proof is missing");
}

#[test]
fn a_message_in_parts_is_the_text_the_usual_library_makes_of_them() {
    let mut parts = json!({
        "domain": "app.test", "address": "0xabc", "uri": "https://app.test/", "version": "1", "chainId": 1,
        "nonce": "12345678", "issuedAt": "2026-11-21T12:00:00Z", "statement": null,
    });
    let text = |parts: &Value| {
        let body = json!({ "message": parts, "signature": "0x1" }).to_string();
        read("authenticate", &[JSON, BASIC], &body).map(|ask| match ask {
            Ask::Wallet { message, .. } => message,
            other => panic!("{other:?}"),
        })
    };
    let expected = "app.test wants you to sign in with your Ethereum account:\n0xabc\n\n\nURI: https://app.test/\n\
                    Version: 1\nChain ID: 1\nNonce: 12345678\nIssued At: 2026-11-21T12:00:00Z";
    assert_eq!(text(&parts).unwrap(), expected);
    parts["statement"] = "Hi.".into();
    parts["resources"] = json!(["https://app.test/a"]);
    parts["expirationTime"] = "2026-11-22T12:00:00Z".into();
    let whole = expected.replace("\n\n\n", "\n\nHi.\n\n")
        + "\nExpiration Time: 2026-11-22T12:00:00Z\nResources:\n- https://app.test/a";
    assert_eq!(text(&parts).unwrap(), whole);
    for (name, value, sentence) in [
        ("domain", Value::Null, "message.domain is missing"),
        ("nonce", json!(12_345_678), "message.nonce must be a string"),
        (
            "resources",
            json!("x"),
            "message.resources must be a list of strings",
        ),
        (
            "resources",
            json!([1]),
            "message.resources must be a list of strings",
        ),
        ("statement", json!({}), "message.statement must be a string"),
    ] {
        let mut wrong = parts.clone();
        wrong[name] = value;
        assert_eq!(
            text(&wrong).unwrap_err(),
            oauth(400, "invalid_request", sentence)
        );
    }
}

// BN-4
#[test]
fn bn_04_a_missing_field_is_named() {
    for (body, sentence) in [
        (r#"{"message":"m","client_id":"w"}"#, "signature is missing"),
        (
            r#"{"message":"m","signature":"","client_id":"w"}"#,
            "signature is missing",
        ),
        (
            r#"{"signature":"0x1","client_id":"w"}"#,
            "message is missing",
        ),
    ] {
        let refused = read("authenticate", &[JSON], body).unwrap_err();
        assert_eq!(refused, oauth(400, "invalid_request", sentence));
    }
    let refused = read(
        "authenticate",
        &[JSON],
        r#"{"message":"m","signature":"0x1"}"#,
    );
    assert_eq!(
        refused.unwrap_err(),
        api(401, "UnauthorizedError", "client_id is missing")
    );
}

#[test]
fn a_body_that_could_be_read_in_two_ways_is_read_in_none() {
    for (kind, body) in [
        (
            JSON,
            r#"{"signature":"a","signature":"b","message":"m","client_id":"w"}"#,
        ),
        (
            JSON,
            r#"{"signature":{"$ne":1},"message":"m","client_id":"w"}"#,
        ),
        (JSON, r#"{"signature":["a"],"message":"m","client_id":"w"}"#),
        (JSON, r#"{"signature":"a","message":["m"],"client_id":"w"}"#),
        (
            JSON,
            r#"{"signature":"a\u0000","message":"m","client_id":"w"}"#,
        ),
        (JSON, r#"{"signature":"a","message":"m","client_id":"w\n"}"#),
        (JSON, "[]"),
        (JSON, ""),
        (JSON, "signature=a"),
        (FORM, "signature=a&signature=a&message=m&client_id=w"),
        (FORM, "signature=a%00&message=m&client_id=w"),
        (("content-type", "text/plain"), "{}"),
    ] {
        let (status, body) = read("authenticate", &[kind], body).unwrap_err();
        assert_eq!(
            (status, &body["error"]),
            (400, &json!("invalid_request")),
            "{body}"
        );
        assert_eq!(body["statusCode"], 400);
    }
    let packed = [JSON, ("content-encoding", "gzip")];
    assert_eq!(read("token", &packed, "{}").unwrap_err().0, 400);
}

#[test]
fn the_header_wins_over_the_body_and_must_not_contradict_it() {
    let token = |fields: &[(&str, &str)], more: &str| {
        let body = format!("grant_type=refresh_token&refresh_token=r&{more}");
        let mut all = vec![FORM];
        all.extend(fields);
        read("token", &all, &body)
    };
    let client = |ask: Ask| match ask {
        Ask::Refresh {
            by: Program::Known(client),
            scope: None,
            ..
        } => client,
        other => panic!("{other:?}"),
    };
    let both = client(token(&[BASIC], "client_id=w&client_secret=other&scope=x").unwrap());
    assert!(matches!(&both.proof, ClientProof::Secret(secret) if secret.reveal() == "s"));
    assert!(both.in_header);
    let bearer = ("authorization", "Bearer abc");
    let body = client(token(&[bearer], "client_id=w&client_secret=other").unwrap());
    assert!(matches!(&body.proof, ClientProof::Secret(secret) if secret.reveal() == "other"));
    assert!(!body.in_header);
    assert_eq!(
        token(&[BASIC], "client_id=v").unwrap_err(),
        oauth(400, "invalid_request", "two different clients are named")
    );
    for (fields, more) in [
        (&[][..], ""),
        (&[], "client_secret=s"),
        (&[("authorization", "Basic")], "client_id=w"),
        (&[("authorization", "Basic ???")], "client_id=w"),
        (&[("authorization", "Basic OnM=")], ""),
    ] {
        let (status, body) = token(fields, more).unwrap_err();
        assert_eq!((status, &body["error"]), (400, &json!("invalid_client")));
    }
    assert_eq!(
        token(&[BASIC, BASIC], "").unwrap_err().1["error"],
        "invalid_request"
    );
}

// BN-11, BN-13
#[test]
fn bn_13_a_grant_is_code_or_refresh_token_and_wants_all_its_fields() {
    let refused = |body: &str| read("token", &[FORM, BASIC], body).unwrap_err();
    assert_eq!(
        refused("grant_type=password").1["error"],
        "unsupported_grant_type"
    );
    for (body, sentence) in [
        ("", "grant_type is missing"),
        ("grant_type=refresh_token", "refresh_token is missing"),
        (
            "grant_type=authorization_code&redirect_uri=u&code_verifier=v",
            "code is missing",
        ),
        (
            "grant_type=authorization_code&code=c&code_verifier=v",
            "redirect_uri is missing",
        ),
        (
            "grant_type=authorization_code&code=c&redirect_uri=u",
            "code_verifier is missing",
        ),
    ] {
        assert_eq!(refused(body), oauth(400, "invalid_request", sentence));
    }
    let code = json!({ "grant_type": "authorization_code", "code": "c", "redirect_uri": "u", "code_verifier": "v" });
    let ask = read("token", &[JSON, BASIC], &code.to_string()).unwrap();
    assert!(matches!(ask, Ask::Code { redirect_uri: Some(uri), .. } if uri == "u"));
}

#[test]
fn a_hint_must_be_one_of_two_and_is_not_needed() {
    for hint in [
        "",
        "&token_type_hint=access_token",
        "&token_type_hint=refresh_token",
    ] {
        let ask = read("revoke", &[FORM, BASIC], &format!("token=t{hint}")).unwrap();
        assert!(matches!(ask, Ask::Revoke { .. }));
    }
    let refused = read("revoke", &[FORM, BASIC], "token=t&token_type_hint=id_token").unwrap_err();
    assert_eq!(refused.1["error"], "invalid_request");
    let refused = read("revoke", &[FORM, BASIC], "").unwrap_err();
    assert_eq!(refused, oauth(400, "invalid_request", "token is missing"));
}

// BN-18
#[test]
fn bn_18_a_handoff_wants_both_fields_and_a_known_intent() {
    for (body, message) in [
        (r#"{"intent":"connections"}"#, "redirectUri is missing"),
        (
            r#"{"redirectUri":"https://app.test/cb"}"#,
            "intent is missing",
        ),
        (
            r#"{"redirectUri":"https://app.test/cb","intent":"other"}"#,
            "intent must be connections",
        ),
        (
            r#"{"redirectUri":7,"intent":"connections"}"#,
            "redirectUri must be a string",
        ),
        (
            "{",
            "the body is not a JSON object in which no member occurs twice",
        ),
    ] {
        let refused = read("handoff_init", &[JSON], body).unwrap_err();
        assert_eq!(refused, api(422, "ValidationError", message));
    }
    let refused = read("handoff_redeem", &[FORM], "code=c").unwrap_err();
    assert_eq!(
        refused,
        api(422, "ValidationError", "the body must be JSON")
    );
    let refused = read("handoff_redeem", &[JSON], r#"{"code":"c"}"#).unwrap_err();
    assert_eq!(refused, api(422, "ValidationError", "clientId is missing"));
    assert!(at("handoff_init").demands_token && !at("handoff_redeem").demands_token);
}

#[test]
fn a_registration_is_read_and_what_strangers_cannot_have_is_left_out() {
    let register = |body: Value| read("register", &[JSON], &body.to_string());
    let Ask::RegisterClient(said) = register(json!({
        "client_name": "Desk", "redirect_uris": ["https://desk.test/cb"], "scope": "account agents-all made-up connections",
        "token_endpoint_auth_method": "none", "logo_uri": "https://desk.test/logo.png",
    })).unwrap() else {
        panic!("not a registration");
    };
    assert_eq!(said.title.as_deref(), Some("Desk"));
    assert_eq!(said.redirect_uris, ["https://desk.test/cb"]);
    assert_eq!(said.scope.unwrap().as_str(), "account connections");
    assert_eq!(said.grants, ["authorization_code", "refresh_token"]);
    assert_eq!(said.auth, ClientAuth::None);
    let Ask::RegisterClient(said) = register(json!({})).unwrap() else {
        panic!("not a registration");
    };
    assert_eq!(
        (said.auth, said.scope.unwrap().words().count()),
        (ClientAuth::Basic, 12)
    );
    for body in [
        json!({ "redirect_uris": "https://desk.test/cb" }),
        json!({ "redirect_uris": [7] }),
        json!({ "client_name": "a\u{0}" }),
        json!({ "token_endpoint_auth_method": "private_key_jwt" }),
    ] {
        let (status, body) = register(body).unwrap_err();
        assert_eq!(
            (status, &body["error"]),
            (400, &json!("invalid_client_metadata"))
        );
    }
}

fn issued() -> Answer {
    Answer::Issued(Issued {
        access_token: Secret::new("a.b.c"),
        expires_in: Duration::from_mins(15),
        refresh_token: Some(Secret::new("rt")),
        refresh_expires_in: Some(REFRESH_LIFETIME),
        session: Some("ab12".to_owned()),
        scope: Scope::parse("account connections").unwrap(),
        scope_as_asked: true,
    })
}

// BN-1, BN-8
#[test]
fn bn_01_a_login_names_its_session_and_a_renewal_does_not() {
    let mut expected = json!({
        "token_type": "Bearer", "access_token": "a.b.c", "expires_in": 900,
        "refresh_token": "rt", "refresh_expires_in": 604_800, "scope": "account connections",
    });
    let renewed = write("token", Ok(&issued()));
    assert_eq!(renewed.headers()["cache-control"], "no-store");
    assert_eq!(renewed.headers()["pragma"], "no-cache");
    assert_eq!(said(renewed), (200, expected.clone()));
    expected["session_id"] = "session_ab12".into();
    assert_eq!(said(write("authenticate", Ok(&issued()))), (200, expected));
}

#[test]
fn a_revocation_is_answered_with_nothing_at_all() {
    let response = write("revoke", Ok(&Answer::Revoked));
    assert_eq!(response.status(), 200);
    assert!(!response.headers().contains_key("content-type"));
    assert!(body_of(response).is_empty());
}

#[test]
fn a_handoff_is_a_code_and_later_a_session() {
    let handoff = Answer::Handoff {
        code: Secret::new("ho_1"),
        expires_in: Duration::from_secs(30),
    };
    assert_eq!(
        said(write("handoff_init", Ok(&handoff))),
        (200, json!({ "code": "ho_1", "expiresIn": 30 }))
    );
    let session = Answer::HandedOver(HandedOver {
        client: "w".into(),
        subject: "u1".into(),
        session: "ab12".into(),
        redirect_uri: "https://app.test/cb".into(),
    });
    let expected = json!({
        "clientId": "w", "accountId": "u1", "sessionId": "session_ab12", "redirectUri": "https://app.test/cb",
    });
    assert_eq!(said(write("handoff_redeem", Ok(&session))), (200, expected));
}

#[test]
fn a_registered_client_is_told_what_became_of_what_it_said() {
    let mut client = Registered {
        id: "client_0123".into(),
        secret: Some(Secret::new("secret_x")),
        token: Secret::new("registration_x"),
        at: Timestamp::from_seconds(1_000),
        said: Registering {
            title: Some("Desk".into()),
            redirect_uris: vec!["https://desk.test/cb".into()],
            grants: vec!["authorization_code".into()],
            scope: Some(Scope::parse("account").unwrap()),
            auth: ClientAuth::Post,
        },
    };
    let (status, body) = said(write("register", Ok(&Answer::Registered(client.clone()))));
    let expected = json!({
        "client_id": "client_0123", "client_id_issued_at": 1_000, "client_name": "Desk", "client_secret": "secret_x",
        "client_secret_expires_at": 0, "redirect_uris": ["https://desk.test/cb"], "grant_types": ["authorization_code"],
        "response_types": ["code"], "token_endpoint_auth_method": "client_secret_post", "scope": "account",
        "registration_access_token": "registration_x",
        "registration_client_uri": "https://api.test/api/v1/auth/register?client_id=client_0123",
    });
    assert_eq!((status, body), (201, expected));
    client.secret = None;
    client.said.auth = ClientAuth::None;
    let (_, body) = said(write("register", Ok(&Answer::Registered(client))));
    assert!(body.get("client_secret").is_none() && body.get("client_secret_expires_at").is_none());
}

// BN-16
#[test]
fn bn_16_the_scopes_are_told_in_their_order() {
    let metadata = Answer::Metadata {
        issuer: "https://api.test".into(),
    };
    let (status, body) = said(write("scopes", Ok(&metadata)));
    assert_eq!((status, &body["scopes"]), (200, &json!(SCOPES)));
    let mut settings = settings();
    settings.scopes_as_list = Some(true);
    settings.scopes = vec![
        Scope::parse("account").unwrap(),
        Scope::parse("more").unwrap(),
    ];
    let blue = build(&settings, "https://api.test");
    assert_eq!(
        said(blue.write(&at("scopes"), Ok(&metadata))),
        (200, json!(["account", "more"]))
    );
}

#[test]
fn m04_the_metadata_names_what_is_served() {
    let metadata = Answer::Metadata {
        issuer: "https://api.test".into(),
    };
    let (_, body) = said(write("metadata", Ok(&metadata)));
    assert_eq!(body["issuer"], "https://api.test");
    assert_eq!(
        body["authorization_endpoint"],
        "https://api.test/oauth/authorize"
    );
    assert_eq!(body["token_endpoint"], "https://api.test/api/v1/auth/token");
    assert_eq!(body["jwks_uri"], "https://api.test/.well-known/jwks.json");
    assert_eq!(body["code_challenge_methods_supported"], json!(["S256"]));
    assert!(body.get("registration_endpoint").is_none());
    let mut settings = settings();
    settings.register = Some(Registration::Open);
    let open = build(&settings, "https://api.test");
    let (_, body) = said(open.write(&at("metadata"), Ok(&metadata)));
    assert_eq!(
        body["registration_endpoint"],
        "https://api.test/api/v1/auth/register"
    );
    let (_, body) = said(write("resource_metadata", Ok(&metadata)));
    assert_eq!(body["authorization_servers"], json!(["https://api.test"]));
}

#[test]
fn whatever_is_wrong_with_a_login_is_told_in_the_same_words() {
    let message = "the signed message was not accepted";
    let reasons = [
        Unproven::Replayed,
        Unproven::Session,
        Unproven::Malformed("x"),
        Unproven::Disabled,
    ];
    for reason in reasons {
        let error = IssueError::Unproven(reason);
        assert_eq!(
            said(write("authenticate", Err(&error))),
            api(401, "UnauthorizedError", message)
        );
    }
    let error = IssueError::InvalidCredentials;
    assert_eq!(
        said(write("authenticate", Err(&error))),
        api(401, "UnauthorizedError", message)
    );
    // BN-7
    let forbidden = said(write("authenticate", Err(&IssueError::ForbiddenClient)));
    assert_eq!(
        (forbidden.0, &forbidden.1["error"]),
        (401, &json!("UnauthorizedError"))
    );
    for (in_header, challenged) in [(true, true), (false, false)] {
        let response = write(
            "authenticate",
            Err(&IssueError::InvalidClient { in_header }),
        );
        assert_eq!(
            response.headers().contains_key("www-authenticate"),
            challenged
        );
        assert_eq!(response.status(), 401);
    }
}

// BN-10
#[test]
fn bn_10_a_failed_grant_has_both_descriptions() {
    for (error, word) in [
        (
            IssueError::InvalidClient { in_header: true },
            "invalid_client",
        ),
        (IssueError::InvalidGrant, "invalid_grant"),
        (IssueError::UnauthorizedClient, "unauthorized_client"),
        (IssueError::InvalidRequest("x"), "invalid_request"),
    ] {
        let response = write("token", Err(&error));
        assert!(!response.headers().contains_key("www-authenticate"));
        let (status, body) = said(response);
        assert_eq!(
            (status, &body["error"], &body["statusCode"]),
            (400, &json!(word), &json!(400))
        );
        assert_eq!(body["message"], body["error_description"]);
    }
    let (status, body) = said(write(
        "token",
        Err(&IssueError::Store(crate::store::StoreError::Closed)),
    ));
    assert_eq!(
        (status, &body["error"]),
        (503, &json!("temporarily_unavailable"))
    );
}

#[test]
fn a_failed_handoff_speaks_without_oauth() {
    for (error, status, name) in [
        (IssueError::ForbiddenClient, 403, "ForbiddenError"),
        (IssueError::UnfitClient, 400, "BadRequestError"),
        (IssueError::InvalidRedirectUri("x"), 400, "BadRequestError"),
        (IssueError::InvalidGrant, 401, "SessionRevokedError"),
        (
            IssueError::Store(crate::store::StoreError::Closed),
            503,
            "ServiceUnavailableError",
        ),
    ] {
        let (said_status, body) = said(write("handoff_init", Err(&error)));
        assert_eq!((said_status, &body["error"]), (status, &json!(name)));
        assert_eq!(body.as_object().unwrap().len(), 3);
    }
    let (_, body) = said(write("handoff_init", Err(&IssueError::UnfitClient)));
    assert_eq!(
        body["message"],
        "Unable to determine client criterias for secure handoff"
    );
}

// BN-19
#[test]
fn bn_19_refusals_on_a_route_are_called_as_the_original_calls_them() {
    let empty = Scope::empty;
    let cases = [
        (
            Refusal::MissingToken { needed: empty() },
            401,
            "UnauthorizedError",
        ),
        (
            Refusal::Expired {
                at: Timestamp::from_seconds(0),
            },
            401,
            "TokenExpiredError",
        ),
        (Refusal::Revoked, 401, "SessionRevokedError"),
        (Refusal::BadSignature, 401, "InvalidTokenError"),
        (
            Refusal::InsufficientScope {
                needed: empty(),
                held: empty(),
            },
            403,
            "InsufficientScopeError",
        ),
        (Refusal::ClaimMismatch, 403, "ForbiddenError"),
        (Refusal::NoRoute, 404, "NotFoundError"),
        (Refusal::BodyTooLarge, 413, "PayloadTooLargeError"),
        (
            Refusal::RateLimited {
                retry_after: Duration::from_secs(6),
            },
            429,
            "TooManyRequestsError",
        ),
        (Refusal::NoUpstream, 502, "BadGatewayError"),
    ];
    for (refusal, status, name) in cases {
        let response = blue().refuse(&refusal, &place());
        let challenge = response.headers().get("www-authenticate");
        let points = challenge.is_some_and(|challenge| {
            challenge.to_str().unwrap().ends_with(
                "resource_metadata=\"https://api.test/.well-known/oauth-protected-resource\"",
            )
        });
        assert_eq!(points, status == 401);
        let (said_status, body) = said(response);
        assert_eq!(
            (said_status, &body["error"], &body["statusCode"]),
            (status, &json!(name), &json!(status))
        );
    }
}

// BN-20
#[test]
fn bn_20_the_throttled_are_told_how_long_to_wait() {
    let throttled = Refusal::RateLimited {
        retry_after: Duration::from_secs(6),
    };
    let response = blue().refuse(&throttled, &place());
    assert_eq!(response.headers()["retry-after"], "6");
    assert_eq!(
        said(response),
        api(429, "TooManyRequestsError", "Rate limit exceeded")
    );
}
