//! The dialect, bytes in and bytes out.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE};
use serde_json::{Value, json};

use super::*;
use crate::dialect::testing::{asked, head, place, said};
use crate::issue::{ClientCredentials, ClientProof, Introspected, Issued, Program};
use crate::token::{Algorithm, Scope, Secret, Timestamp};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

fn oauth() -> Arc<dyn Dialect> {
    build(&MountSettings::default(), "https://api.test/oauth")
}

fn at(name: &str) -> Endpoint {
    let oauth = oauth();
    let endpoint = oauth.endpoints().iter().find(|at| at.name == name);
    endpoint.unwrap().clone()
}

fn read(fields: &[(&str, &str)], body: &str) -> Result<Ask, Malformed> {
    let head = head("POST", "/oauth/token", fields);
    oauth().read(&at(TOKEN), &asked(&head, &Bytes::from(body.to_owned())))
}

fn client_of(fields: &[(&str, &str)], body: &str) -> ClientCredentials {
    match read(fields, body).unwrap() {
        Ask::ClientCredentials { client, .. } => client,
        other => panic!("{other:?}"),
    }
}

fn secret_of(client: &ClientCredentials) -> &str {
    match &client.proof {
        ClientProof::Secret(secret) => secret.reveal(),
        other => panic!("{other:?}"),
    }
}

/// Status, error, and whether there is a challenge.
fn refused(fields: &[(&str, &str)], body: &str) -> (u16, String, bool) {
    let malformed = read(fields, body).unwrap_err();
    let headers = malformed.response.headers();
    assert_eq!(headers[CACHE_CONTROL], "no-store");
    assert_eq!(headers[PRAGMA], "no-cache");
    let challenged = headers.contains_key(WWW_AUTHENTICATE);
    let (status, body) = said(*malformed.response);
    assert_eq!(body["error"], malformed.code);
    (status, malformed.code.to_owned(), challenged)
}

fn basic_of(text: &str) -> String {
    format!("Basic {}", STANDARD.encode(text))
}

fn invalid_request() -> (u16, String, bool) {
    (400, "invalid_request".to_owned(), false)
}

#[test]
fn t04_basic_credentials_are_decoded_as_in_a_form() {
    let field = basic_of("my%3Ashop:a+b%2Bc%25");
    let fields = [FORM, ("authorization", field.as_str())];
    let client = client_of(&fields, "grant_type=client_credentials");
    assert_eq!(
        (client.id.as_str(), secret_of(&client)),
        ("my:shop", "a b+c%")
    );
    assert!(client.in_header);
}

#[test]
fn a_client_may_authenticate_in_the_body() {
    let body = "grant_type=client_credentials&client_id=shop&client_secret=s%20s&scope=";
    let client = client_of(&[FORM], body);
    assert_eq!((client.id.as_str(), secret_of(&client)), ("shop", "s s"));
    assert!(!client.in_header);
}

#[test]
fn t02_empty_parameters_are_absent_and_unknown_ones_ignored() {
    let body = "grant_type=client_credentials&scope=&x=1&client_id=a&client_secret=b";
    let ask = read(&[FORM], body).unwrap();
    assert!(matches!(ask, Ask::ClientCredentials { scope: None, .. }));
    assert_eq!(
        refused(&[FORM], "grant_type=&client_id=a&client_secret=b"),
        invalid_request()
    );
}

// TK-08
#[test]
fn t02_t03_repeated_parameters_and_two_ways_to_authenticate_are_refused() {
    let field = basic_of("shop:s");
    let both = [FORM, ("authorization", field.as_str())];
    let body = "grant_type=client_credentials";
    assert_eq!(
        refused(&[FORM], &format!("{body}&{body}")),
        invalid_request()
    );
    assert_eq!(
        refused(&both, &format!("{body}&scope=a&scope=b")),
        invalid_request()
    );
    assert_eq!(
        refused(&both, &format!("{body}&client_secret=s")),
        invalid_request()
    );
    assert_eq!(
        refused(&both, &format!("{body}&client_id=other")),
        invalid_request()
    );
    assert!(read(&both, &format!("{body}&client_id=shop")).is_ok());
    let twice = [FORM, both[1], both[1]];
    assert_eq!(refused(&twice, body), invalid_request());
}

#[test]
fn t05_a_client_that_cannot_be_authenticated_is_challenged() {
    let invalid_client = (401, "invalid_client".to_owned(), true);
    let body = "grant_type=client_credentials";
    assert_eq!(refused(&[FORM], body), invalid_client);
    assert_eq!(
        refused(&[FORM], &format!("{body}&client_id=shop")),
        invalid_client
    );
    for field in [
        "Bearer x",
        "Basic",
        "Basic !!",
        &basic_of("nocolon"),
        &basic_of(":s"),
    ] {
        assert_eq!(
            refused(&[FORM, ("authorization", field)], body),
            invalid_client
        );
    }
    let error = IssueError::InvalidClient { in_header: true };
    let response = oauth().write(&at(TOKEN), Err(&error));
    assert!(
        response.headers()[WWW_AUTHENTICATE]
            .to_str()
            .unwrap()
            .starts_with("Basic realm=")
    );
    assert_eq!(said(response).0, 401);
}

#[test]
fn t15_an_unknown_grant_is_unsupported_and_a_forbidden_one_unauthorized() {
    let (status, error, _) = refused(&[FORM], "grant_type=password&username=a&password=b");
    assert_eq!((status, error.as_str()), (400, "unsupported_grant_type"));
    let (status, body) = said(oauth().write(&at(TOKEN), Err(&IssueError::UnauthorizedClient)));
    assert_eq!(
        (status, &body["error"]),
        (400, &json!("unauthorized_client"))
    );
}

#[test]
fn only_a_form_is_read() {
    let json = [("content-type", "application/json")];
    assert_eq!(refused(&json, "{}"), invalid_request());
    assert_eq!(
        refused(&[], "grant_type=client_credentials"),
        invalid_request()
    );
    assert_eq!(
        refused(&[FORM, ("content-encoding", "gzip")], "x"),
        invalid_request()
    );
    assert_eq!(
        refused(&[FORM], "grant_type=client_credentials%00"),
        invalid_request()
    );
}

#[test]
fn a_malformed_scope_is_an_invalid_scope() {
    let body = "grant_type=client_credentials&scope=%22&client_id=a&client_secret=b";
    assert_eq!(
        refused(&[FORM], body),
        (400, "invalid_scope".to_owned(), false)
    );
}

// T01, T16, XD-3
#[test]
fn a_token_is_answered_with_its_type_lifetime_and_scope_and_kept_by_no_cache() {
    let answer = Answer::Issued(Issued {
        access_token: Secret::new("a.b.c"),
        expires_in: Duration::from_mins(10),
        refresh_token: None,
        scope: Scope::parse("orders:read").unwrap(),
        refresh_expires_in: None,
        session: None,
        scope_as_asked: true,
    });
    let response = oauth().write(&at(TOKEN), Ok(&answer));
    assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
    assert_eq!(response.headers()[PRAGMA], "no-cache");
    let expected = json!({
        "access_token": "a.b.c",
        "token_type": "Bearer",
        "expires_in": 600,
        "scope": "orders:read",
    });
    assert_eq!(said(response), (200, expected));
}

// M03, M04
#[test]
fn metadata_names_what_is_served_and_nothing_else() {
    let issuer = "https://api.test/oauth".to_owned();
    let response = oauth().write(&at(METADATA), Ok(&Answer::Metadata { issuer }));
    assert_eq!(response.headers()[CACHE_CONTROL], "public, max-age=3600");
    let (status, body) = said(response);
    let found: Vec<&str> = body
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let issuer = "https://api.test/oauth";
    assert_eq!((status, &body["issuer"]), (200, &json!(issuer)));
    for (name, path) in [
        ("token_endpoint", "/token"),
        ("introspection_endpoint", "/introspect"),
        ("revocation_endpoint", "/revoke"),
        ("jwks_uri", "/jwks"),
    ] {
        assert_eq!(body[name], format!("{issuer}{path}"));
        let served = oauth();
        let mut spots = served.endpoints().iter().map(|endpoint| endpoint.spot);
        assert!(spots.any(|spot| spot == Spot::Below(path)), "{path}");
    }
    assert_eq!(
        body["grant_types_supported"],
        json!(["client_credentials", "authorization_code", "refresh_token"])
    );
    assert_eq!(
        body["token_endpoint_auth_methods_supported"],
        json!([
            "client_secret_basic",
            "client_secret_post",
            "private_key_jwt",
            "none"
        ])
    );
    let proven = json!([
        "client_secret_basic",
        "client_secret_post",
        "private_key_jwt"
    ]);
    assert_eq!(
        body["introspection_endpoint_auth_methods_supported"],
        proven
    );
    for name in found {
        assert_ne!(body[name], json!([]), "{name}");
    }
}

// T06
#[test]
fn refusals_at_the_token_endpoint_are_oauth_errors() {
    let allow = "POST".to_owned();
    let retry_after = Duration::from_millis(200);
    let cases = [
        (
            Refusal::MethodNotAllowed { allow },
            405,
            "invalid_request",
            ("allow", "POST"),
        ),
        (
            Refusal::BodyTooLarge,
            413,
            "invalid_request",
            ("pragma", "no-cache"),
        ),
        (
            Refusal::RateLimited { retry_after },
            429,
            "temporarily_unavailable",
            ("retry-after", "1"),
        ),
    ];
    for (refusal, status, error, (name, value)) in cases {
        let response = oauth().decline(&at(TOKEN), &refusal, &place());
        assert_eq!(response.headers()[name], value);
        let (found, body) = said(response);
        assert_eq!((found, &body["error"]), (status, &json!(error)));
    }
}

#[test]
fn an_outage_is_answered_with_503_and_a_queue_too_long_with_429() {
    let outage = IssueError::Store(crate::store::StoreError::Closed);
    let retry_after = Duration::from_secs(2);
    for (error, status) in [(outage, 503), (IssueError::Busy { retry_after }, 429)] {
        let response = oauth().write(&at(TOKEN), Err(&error));
        assert!(response.headers().contains_key(RETRY_AFTER));
        assert_eq!(said(response).0, status);
    }
}

#[test]
fn the_file_chooses_lifetime_and_algorithm() {
    let text = r#"{"speak":"oauth2","tokens":{"access":"5m"},"keys":{"algorithm":"EdDSA"}}"#;
    let settings: MountSettings = serde_json::from_str(text).unwrap();
    let oauth = build(&settings, "https://api.test/oauth/");
    assert_eq!(oauth.profile().access_lifetime, Duration::from_mins(5));
    assert_eq!(oauth.profile().algorithm, Algorithm::EdDSA);
}

fn at_endpoint(name: &str, fields: &[(&str, &str)], body: &str) -> Result<Ask, Malformed> {
    let head = head("POST", "/oauth/x", fields);
    oauth().read(&at(name), &asked(&head, &Bytes::from(body.to_owned())))
}

#[test]
fn a_public_client_sends_a_code_with_its_name_and_its_verifier() {
    let body = "grant_type=authorization_code&code=c&redirect_uri=https%3A%2F%2Fc.test%2Fcb\
                &code_verifier=v&client_id=app";
    let Ask::Code {
        client,
        code,
        redirect_uri,
        verifier,
    } = read(&[FORM], body).unwrap()
    else {
        panic!("a code");
    };
    assert_eq!((client.id.as_str(), code.reveal()), ("app", "c"));
    assert!(matches!(client.proof, ClientProof::Nothing));
    assert_eq!(redirect_uri.as_deref(), Some("https://c.test/cb"));
    assert_eq!(verifier.unwrap().reveal(), "v");
    assert_eq!(
        refused(&[FORM], "grant_type=authorization_code&client_id=app"),
        invalid_request()
    );
}

#[test]
fn a_refresh_token_may_be_narrowed_and_must_be_there() {
    let body = "grant_type=refresh_token&refresh_token=r&scope=a&client_id=app";
    let Ask::Refresh {
        by: Program::Known(client),
        refresh_token,
        scope,
    } = read(&[FORM], body).unwrap()
    else {
        panic!("a renewal");
    };
    assert_eq!((client.id.as_str(), refresh_token.reveal()), ("app", "r"));
    assert_eq!(scope.unwrap().as_str(), "a");
    assert_eq!(
        refused(
            &[FORM],
            "grant_type=refresh_token&client_id=app&refresh_token="
        ),
        invalid_request()
    );
}

fn assertion_of(claims: &Value) -> String {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.{}", part("{}"), part(&claims.to_string()), part("s"))
}

// Z01
#[test]
fn a_client_may_authenticate_by_a_jwt_that_names_it() {
    let kind =
        "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
    let jwt = assertion_of(&json!({ "sub": "bank", "iss": "bank" }));
    let body = format!("grant_type=client_credentials&{kind}&client_assertion={jwt}");
    let client = client_of(&[FORM], &body);
    assert_eq!((client.id.as_str(), client.in_header), ("bank", false));
    assert!(matches!(client.proof, ClientProof::Assertion(ref text) if text.reveal() == jwt));
    assert!(read(&[FORM], &format!("{body}&client_id=bank")).is_ok());
    // T03: two ways at once, or two names.
    for more in ["&client_secret=s", "&client_id=other"] {
        assert_eq!(
            refused(&[FORM], &format!("{body}{more}")),
            invalid_request()
        );
    }
    let field = basic_of("bank:s");
    let both = [FORM, ("authorization", field.as_str())];
    assert_eq!(refused(&both, &body), invalid_request());
    let grant = "grant_type=client_credentials";
    assert_eq!(
        refused(&[FORM], &format!("{grant}&{kind}")),
        invalid_request()
    );
    assert_eq!(
        refused(&[FORM], &format!("{grant}&client_assertion={jwt}")),
        invalid_request()
    );
    for odd in [
        format!("{grant}&{kind}&client_assertion=no.jwt"),
        format!("{grant}&client_assertion_type=saml&client_assertion={jwt}"),
    ] {
        assert_eq!(refused(&[FORM], &odd).1, "invalid_client");
    }
}

// I01, V02
#[test]
fn only_who_proves_a_name_may_introspect_and_who_has_one_may_revoke() {
    let refused = at_endpoint(INTROSPECT, &[FORM], "token=t&client_id=app").unwrap_err();
    assert_eq!(
        (refused.code, refused.response.status().as_u16()),
        ("invalid_client", 401)
    );
    let ask = at_endpoint(REVOKE, &[FORM], "token=t&client_id=app").unwrap();
    assert!(matches!(ask, Ask::Revoke { .. }));
    for name in [INTROSPECT, REVOKE] {
        let known = "client_id=app&client_secret=s";
        assert!(at_endpoint(name, &[FORM], &format!("{known}&token=t&token_type_hint=x")).is_ok());
        let without = at_endpoint(name, &[FORM], known).unwrap_err();
        assert_eq!(without.code, "invalid_request");
        assert_eq!(
            at_endpoint(name, &[FORM], "token=t").unwrap_err().code,
            "invalid_client"
        );
    }
}

// I02, I04
#[test]
fn a_token_is_introspected_with_what_is_known_of_it_and_a_dead_one_with_nothing() {
    let response = oauth().write(&at(INTROSPECT), Ok(&Answer::Introspected(None)));
    assert_eq!(said(response), (200, json!({ "active": false })));
    let token = Introspected {
        subject: "s".to_owned(),
        username: None,
        client: Some("app".to_owned()),
        scope: Scope::parse("a b").unwrap(),
        issued_at: Some(Timestamp::from_seconds(5)),
        expires_at: Some(Timestamp::from_seconds(605)),
        issuer: "https://api.test/oauth".to_owned(),
        audience: "https://api.test/oauth".to_owned(),
        token_id: None,
        is_refresh_token: false,
    };
    let response = oauth().write(&at(INTROSPECT), Ok(&Answer::Introspected(Some(token))));
    assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
    let expected = json!({
        "active": true,
        "iss": "https://api.test/oauth",
        "aud": "https://api.test/oauth",
        "sub": "s",
        "token_type": "Bearer",
        "client_id": "app",
        "scope": "a b",
        "iat": 5,
        "exp": 605,
    });
    assert_eq!(said(response), (200, expected));
}

// V05
#[test]
fn a_revocation_is_answered_by_its_status() {
    let response = oauth().write(&at(REVOKE), Ok(&Answer::Revoked));
    assert_eq!(response.status(), StatusCode::OK);
}
