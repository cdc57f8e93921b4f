//! NexusHub, row by row.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::Method;
use serde_json::{Value, json};

use super::file;
use crate::harness::{
    exchange::{Answer, Client, Request},
    keys::hs256,
    tollgate::Tollgate,
    upstream::Upstream,
};

const FILE: &str = r#"
[dialect.hub]
speak = "nexushub"
hosts = ["auth.hub.test"]
path = "/"
register = "open"

[route.hub]
hosts = ["api.hub.test"]
path = "/**"
upstream = "up"
issuers = ["hub"]
forward = { identity = { x-user-id = "uid" } }

[route.socket]
hosts = ["api.hub.test"]
path = "/ws"
upstream = "up"
issuers = ["hub"]
socket = "bridge"

[route.orders]
hosts = ["api.hub.test"]
path = "/orders/**"
upstream = "up"
issuers = ["hub"]
require = { scope = "write_orders_warframe" }
"#;

/// A gateway that speaks as NexusHub does, and an upstream behind it.
pub(super) struct Hub {
    pub(super) gateway: Tollgate,
    pub(super) up: Upstream,
}

/// What Ada has after signing up and signing in.
pub(super) struct Ada {
    pub(super) key: String,
    pub(super) access: String,
    pub(super) refresh: String,
}

impl Hub {
    pub(super) async fn start() -> Self {
        Self::changed("", "").await
    }

    /// The same with this part of the file replaced.
    async fn changed(from: &str, to: &str) -> Self {
        let up = Upstream::start().await;
        assert!(FILE.contains(from), "the file has no {from:?}");
        let gateway = Tollgate::start(&file(&FILE.replacen(from, to, 1), &up)).await;
        Self { gateway, up }
    }

    fn auth(&self) -> Client {
        self.gateway.client().named("auth.hub.test")
    }

    fn api(&self, path: &str) -> Request {
        self.gateway.client().named("api.hub.test").get(path)
    }

    pub(super) async fn post(&self, path: &str, body: Value) -> Answer {
        self.auth().post(path).json(&body).send().await
    }

    async fn register(&self, user: &str) -> String {
        let answer = self
            .post(
                "/register",
                json!({ "user_id": user, "user_secret": "s3cret-one" }),
            )
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["user_key"].as_str().unwrap().to_owned()
    }

    async fn authenticate(&self, key: &str) -> Ada {
        let answer = self
            .post(
                "/authenticate",
                json!({ "user_key": key, "user_secret": "s3cret-one" }),
            )
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let body = answer.json();
        let text = |name: &str| body[name].as_str().unwrap().to_owned();
        Ada {
            key: key.to_owned(),
            access: text("access_token"),
            refresh: text("refresh_token"),
        }
    }

    pub(super) async fn ada(&self) -> Ada {
        let key = self.register("ada").await;
        self.authenticate(&key).await
    }
}

/// Checks status and the two members every refusal has.
fn says(answer: &Answer, status: u16, error: &str, reason: &str) {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.json(), json!({ "error": error, "reason": reason }));
}

fn reason_starts(answer: &Answer, status: u16, error: &str, start: &str) {
    assert_eq!(
        (answer.status, &answer.json()["error"]),
        (status, &json!(error)),
        "{}",
        answer.text()
    );
    let reason = answer.json()["reason"].as_str().unwrap().to_owned();
    assert!(reason.starts_with(start), "{reason}");
}

fn members(value: &Value) -> Vec<&str> {
    let mut members: Vec<&str> = value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    members.sort_unstable();
    members
}

fn part(token: &str, number: usize) -> Value {
    let part = token.split('.').nth(number).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn is_alphanumeric(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[tokio::test]
async fn a_user_registers() {
    // NH-1
    let hub = Hub::start().await;
    let answer = hub
        .post(
            "/register",
            json!({ "user_id": "ada", "user_secret": "s3cret-one" }),
        )
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(
        answer
            .header("content-type")
            .unwrap()
            .starts_with("application/json")
    );
    assert_eq!(members(&answer.json()), ["user_key"]);
    let key = answer.json()["user_key"].as_str().unwrap().to_owned();
    assert!(
        key.strip_prefix("ada-")
            .is_some_and(|rest| is_alphanumeric(rest, 32)),
        "{key}"
    );
}

#[tokio::test]
async fn a_taken_name_is_refused() {
    // NH-2
    let hub = Hub::start().await;
    hub.register("ada").await;
    let again = hub
        .post(
            "/register",
            json!({ "user_id": "ada", "user_secret": "other" }),
        )
        .await;
    says(
        &again,
        409,
        "Registration failed.",
        "User id is already taken.",
    );
    hub.register("Ada").await;
}

#[tokio::test]
async fn a_blank_name_or_secret_is_refused() {
    // NH-3
    let hub = Hub::start().await;
    for body in [
        json!({ "user_id": "  ", "user_secret": "x" }),
        json!({ "user_id": "x", "user_secret": " \t" }),
    ] {
        let answer = hub.post("/register", body).await;
        says(
            &answer,
            400,
            "Registration failed.",
            "User id or secret is empty.",
        );
    }
}

#[tokio::test]
async fn a_missing_credential_is_named_and_never_echoed() {
    // NH-4
    let hub = Hub::start().await;
    let cases = [
        json!({ "user_id": "bob" }),
        json!({ "user_id": "bob", "user_secret": "" }),
        json!({ "user_secret": "hidden-secret" }),
        json!({ "user_id": 7, "user_secret": "hidden-secret" }),
    ];
    for body in cases {
        let answer = hub.post("/register", body).await;
        reason_starts(
            &answer,
            401,
            "Unauthorized.",
            "Expected user credentials. Got:",
        );
        assert!(
            !answer.text().contains("hidden-secret"),
            "{}",
            answer.text()
        );
    }
}

#[tokio::test]
async fn a_user_signs_in() {
    // NH-5, and NH-6 but for its last demand, which is met in `tests/process/commands.rs`
    let hub = Hub::start().await;
    let key = hub.register("ada").await;
    let answer = hub
        .post(
            "/authenticate",
            json!({ "user_key": key, "user_secret": "s3cret-one" }),
        )
        .await;
    assert_eq!(members(&answer.json()), ["access_token", "refresh_token"]);
    let ada = hub.authenticate(&key).await;
    assert!(
        ada.refresh
            .strip_prefix(&ada.key)
            .is_some_and(|rest| is_alphanumeric(rest, 64)),
        "{}",
        ada.refresh
    );
    let (header, claims) = (part(&ada.access, 0), part(&ada.access, 1));
    assert_eq!(header, json!({ "alg": "RS256", "typ": "JWT" }));
    assert_eq!(members(&claims), ["exp", "iat", "scp", "uid"]);
    assert_eq!(
        (&claims["uid"], &claims["scp"]),
        (&json!("ada"), &json!(""))
    );
    assert_eq!(
        claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(),
        3600
    );
    assert_eq!(hub.api("/x").bearer(&ada.access).send().await.status, 200);
}

#[tokio::test]
async fn signing_in_twice_gives_the_same_refresh_token() {
    // NH-7
    let hub = Hub::start().await;
    let first = hub.ada().await;
    let second = hub.authenticate(&first.key).await;
    assert_eq!(first.refresh, second.refresh);
    for access in [first.access, second.access] {
        assert_eq!(hub.api("/x").bearer(&access).send().await.status, 200);
    }
}

#[tokio::test]
async fn wrong_credentials_all_sound_the_same() {
    // NH-8
    let hub = Hub::start().await;
    let key = hub.register("ada").await;
    let unknown = format!("ada-{}", "x".repeat(32));
    let cases = [
        json!({ "user_key": key, "user_secret": "wrong" }),
        json!({ "user_key": unknown, "user_secret": "s3cret-one" }),
        json!({ "user_key": "nobody", "user_secret": "s3cret-one" }),
        json!({ "user_key": key }),
    ];
    for body in cases {
        says(
            &hub.post("/authenticate", body).await,
            403,
            "Unauthorized.",
            "Credentials not recognized.",
        );
    }
}

#[tokio::test]
async fn signing_in_without_a_key_is_refused() {
    // NH-9
    let hub = Hub::start().await;
    let answer = hub.post("/authenticate", json!({})).await;
    reason_starts(
        &answer,
        401,
        "Unauthorized.",
        "Expected user credentials. Got:",
    );
    let no_body = hub.auth().post("/authenticate").send().await;
    reason_starts(
        &no_body,
        401,
        "Unauthorized.",
        "Expected user credentials. Got:",
    );
    let other_type = hub
        .auth()
        .post("/authenticate")
        .header("content-type", "text/plain")
        .body(r#"{"user_key":"a","user_secret":"b"}"#)
        .send()
        .await;
    reason_starts(
        &other_type,
        401,
        "Unauthorized.",
        "Expected user credentials. Got:",
    );
}

#[tokio::test]
async fn refreshing_never_rotates() {
    // NH-10
    let hub = Hub::start().await;
    let ada = hub.ada().await;
    for _ in 0..3 {
        let answer = hub
            .auth()
            .post("/refresh")
            .form(&[("refresh_token", &ada.refresh)])
            .send()
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(members(&answer.json()), ["access_token"]);
        let access = answer.json()["access_token"].as_str().unwrap().to_owned();
        assert_eq!(hub.api("/x").bearer(&access).send().await.status, 200);
    }
}

#[tokio::test]
async fn an_unknown_refresh_token_is_refused() {
    // NH-11
    let hub = Hub::start().await;
    let ada = hub.ada().await;
    let almost = format!("{}{}", ada.key, "0".repeat(64));
    for token in [
        "nope",
        &almost,
        &ada.key,
        &ada.refresh[..ada.refresh.len() - 1],
    ] {
        let answer = hub
            .post("/refresh", json!({ "refresh_token": token }))
            .await;
        assert_eq!(
            (answer.status, &answer.json()["reason"]),
            (403, &json!("Credentials not recognized.")),
            "{token}"
        );
    }
}

#[tokio::test]
async fn refreshing_without_a_token_is_refused() {
    // NH-12
    let hub = Hub::start().await;
    for body in [json!({}), json!({ "refresh_token": "" })] {
        reason_starts(
            &hub.post("/refresh", body).await,
            401,
            "Unauthorized.",
            "Expected refresh token. Got:",
        );
    }
}

#[tokio::test]
async fn a_field_that_is_not_text_is_a_missing_field() {
    // NH-13
    let hub = Hub::start().await;
    let refresh = hub
        .post("/refresh", json!({ "refresh_token": { "$ne": null } }))
        .await;
    reason_starts(
        &refresh,
        401,
        "Unauthorized.",
        "Expected refresh token. Got:",
    );
    let authenticate = hub
        .post(
            "/authenticate",
            json!({ "user_key": { "$gt": "" }, "user_secret": "x" }),
        )
        .await;
    reason_starts(
        &authenticate,
        401,
        "Unauthorized.",
        "Expected user credentials. Got:",
    );
}

#[tokio::test]
async fn a_field_that_comes_twice_is_a_missing_field_and_changes_nothing() {
    // NH-13
    let hub = Hub::start().await;
    let ada = hub.ada().await;
    let post = async |path: &str, body: String| {
        let request = hub.auth().post(path).body(body);
        let request = request.header("content-type", "application/json");
        request.send().await
    };
    let is_refused = |answer: &Answer| {
        let reason = "Expected user credentials. Got: user_id, user_secret.";
        says(answer, 401, "Unauthorized.", reason);
    };
    let twice = |one: &str, other: &str| {
        format!(r#"{{"user_id":"{one}","user_id":"{other}","user_secret":"x"}}"#)
    };
    is_refused(&post("/register", twice("bob", "eve")).await);
    is_refused(&post("/register", twice("bob", "bob")).await);
    let secrets = r#"{"user_id":"bob","user_secret":"x","user_secret":"y"}"#;
    is_refused(&post("/register", secrets.to_owned()).await);
    for name in ["bob", "eve"] {
        let body = json!({ "user_id": name, "user_secret": "s3cret-two" });
        let answer = hub.post("/register", body).await;
        assert_eq!(answer.status, 200, "{name} was not registered before");
    }
    let (good, bad) = (&ada.refresh, "ada-x");
    for (one, other) in [(&**good, bad), (bad, good), (good, good)] {
        let body = format!(r#"{{"refresh_token":"{one}","refresh_token":"{other}"}}"#);
        let reason = "Expected refresh token. Got: refresh_token.";
        says(&post("/refresh", body).await, 401, "Unauthorized.", reason);
    }
}

#[tokio::test]
async fn a_protected_route_learns_the_user_from_the_token_alone() {
    // NH-14
    let hub = Hub::start().await;
    let ada = hub.ada().await;
    let request = hub
        .api("/x")
        .header("authorization", &format!("bearer {}", ada.access))
        .header("x-user-id", "eve");
    assert_eq!(request.send().await.status, 200);
    assert_eq!(hub.up.only().alike("x-user-id"), ["ada"]);
}

#[tokio::test]
async fn an_expired_token_says_when_it_ended() {
    // NH-15
    let hub = Hub::start().await;
    let ada = hub.ada().await;
    hub.gateway.advance(Duration::from_secs(3601));
    let answer = hub.api("/x").bearer(&ada.access).send().await;
    assert_eq!(
        (answer.status, &answer.json()["error"]),
        (401, &json!("Invalid Token."))
    );
    let reason = answer.json()["reason"].clone();
    assert_eq!(
        (&reason["name"], &reason["message"]),
        (&json!("TokenExpiredError"), &json!("jwt expired"))
    );
    assert_eq!(reason["expiredAt"], "2027-01-15T09:00:00.000Z");
    assert!(hub.up.is_untouched());
    let refreshed = hub
        .auth()
        .post("/refresh")
        .bearer(&ada.access)
        .json(&json!({ "refresh_token": ada.refresh }))
        .send()
        .await;
    assert_eq!(
        refreshed.status, 200,
        "an expired access token does not block its own refresh (N-4)"
    );
}

#[tokio::test]
async fn a_forged_token_is_called_so() {
    // NH-16
    let hub = Hub::start().await;
    let ada = hub.ada().await;
    let parts: Vec<&str> = ada.access.split('.').collect();
    let [_, claims, signature] = parts[..] else {
        panic!("three parts")
    };
    let flipped = if signature.starts_with('A') { "B" } else { "A" }.to_owned() + &signature[1..];
    let with_header = |header: &str| format!("{}.{claims}", BASE64_URL_SAFE_NO_PAD.encode(header));
    let none = with_header(r#"{"alg":"none","typ":"JWT"}"#);
    let symmetric = with_header(r#"{"alg":"HS256","typ":"JWT"}"#);
    let pem = hub.gateway.public_key_pem("hub");
    let forged = BASE64_URL_SAFE_NO_PAD.encode(hs256(pem.as_bytes(), symmetric.as_bytes()));
    for token in [
        format!("{}.{claims}.{flipped}", parts[0]),
        format!("{none}."),
        none,
        format!("{symmetric}.{forged}"),
        "rubbish".to_owned(),
    ] {
        let answer = hub.api("/x").bearer(&token).send().await;
        assert_eq!(
            (answer.status, &answer.json()["error"]),
            (401, &json!("Invalid Token.")),
            "{token}"
        );
        assert_eq!(
            answer.json()["reason"]["name"],
            "JsonWebTokenError",
            "{token}"
        );
    }
    assert!(hub.up.is_untouched());
}

#[tokio::test]
async fn a_scope_that_is_missing_is_named() {
    // NH-17
    let hub = Hub::start().await;
    let ada = hub.ada().await;
    let answer = hub.api("/orders/1").bearer(&ada.access).send().await;
    says(
        &answer,
        403,
        "Unauthorized",
        "Expected write_orders_warframe, got .",
    );
    says(
        &hub.api("/orders/1").send().await,
        403,
        "Unauthorized",
        "Expected write_orders_warframe, got .",
    );
    says(
        &hub.api("/x").send().await,
        401,
        "Unauthorized.",
        "Expected user credentials.",
    );
    assert!(hub.up.is_untouched());
    for (scopes, status) in [
        ("write_root", 200),
        ("write_orders_warframe", 200),
        ("a,write_orders_warframe", 200),
        ("write_orders_warframe_extra", 403),
    ] {
        hub.gateway.set_scopes("hub", "ada", scopes).await;
        let token = hub.authenticate(&ada.key).await.access;
        assert_eq!(
            hub.api("/orders/1").bearer(&token).send().await.status,
            status,
            "{scopes}"
        );
    }
}

#[tokio::test]
async fn another_verb_or_path_is_not_found() {
    // NH-18
    let hub = Hub::start().await;
    for (method, path) in [
        (Method::GET, "/authenticate"),
        (Method::POST, "/authenticate/"),
        (Method::OPTIONS, "/authenticate"),
        (Method::POST, "/nothing"),
    ] {
        let answer = hub.auth().request(method.clone(), path).send().await;
        reason_starts(&answer, 404, "Not found.", "Couldn't find ");
    }
}

#[tokio::test]
async fn the_twenty_first_attempt_waits() {
    // NH-19
    let hub = Hub::start().await;
    let ada = hub.ada().await;
    hub.gateway.advance(Duration::from_secs(6));
    for _ in 0..20 {
        let answer = hub
            .post("/refresh", json!({ "refresh_token": ada.refresh }))
            .await;
        assert_eq!(answer.status, 200);
    }
    let answer = hub
        .post("/refresh", json!({ "refresh_token": ada.refresh }))
        .await;
    assert_eq!(
        (answer.status, &answer.json()["error"]),
        (429, &json!("Rate limit exceeded."))
    );
    let reason = answer.json()["reason"].as_str().unwrap().to_owned();
    let (before, after) = reason.split_once("wait ").expect("says how long");
    let millis = after.strip_suffix("ms to continue.").unwrap();
    assert!(
        millis.bytes().all(|byte| byte.is_ascii_digit())
            && !before.contains(|letter: char| letter.is_ascii_digit()),
        "{reason}"
    );
    assert!(answer.header("retry-after").is_some());
    hub.gateway.advance(Duration::from_secs(6));
    assert_eq!(
        hub.post("/refresh", json!({ "refresh_token": ada.refresh }))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn an_operator_takes_a_refresh_token_back() {
    // NH-20
    let hub = Hub::start().await;
    let ada = hub.ada().await;
    hub.gateway.revoke("hub", "ada").await;
    let old = hub
        .post("/refresh", json!({ "refresh_token": ada.refresh }))
        .await;
    assert_eq!(old.status, 403);
    let again = hub.authenticate(&ada.key).await;
    assert_ne!(again.refresh, ada.refresh);
    assert_eq!(
        hub.post("/refresh", json!({ "refresh_token": again.refresh }))
            .await
            .status,
        200
    );
    assert_eq!(
        hub.api("/x").bearer(&ada.access).send().await.status,
        200,
        "what is out lives to its end"
    );
}

#[tokio::test]
async fn a_lost_key_is_recovered_by_who_knows_the_secret() {
    // /userkey
    let hub = Hub::start().await;
    let key = hub.register("ada").await;
    let good = hub
        .post(
            "/userkey",
            json!({ "user_id": "ada", "user_secret": "s3cret-one" }),
        )
        .await;
    assert_eq!((good.status, &good.json()["user_key"]), (200, &json!(key)));
    let wrong = hub
        .post(
            "/userkey",
            json!({ "user_id": "ada", "user_secret": "wrong" }),
        )
        .await;
    assert_eq!(
        (wrong.status, &wrong.json()["reason"]),
        (403, &json!("Credentials not recognized."))
    );
}

#[tokio::test]
async fn malformed_and_oversized_bodies_are_refused_in_plain_text() {
    let hub = Hub::start().await;
    let malformed = hub
        .auth()
        .post("/authenticate")
        .header("content-type", "application/json")
        .body("{\"user_key\":\"canary")
        .send()
        .await;
    let huge = json!({ "user_key": "canary".repeat(40 * 1024), "user_secret": "y" });
    let huge = hub.post("/authenticate", huge).await;
    for (answer, status) in [(malformed, 400), (huge, 413)] {
        assert_eq!(answer.status, status, "{}", answer.text());
        let kind = answer.header("content-type").unwrap_or_default();
        assert!(kind.starts_with("text/plain"), "{status}: {kind}");
        let text = answer.text();
        assert!(!text.is_empty() && !text.contains(['{', '"']), "{text}");
        assert!(!text.contains("canary"), "{text}");
    }
}

#[tokio::test]
async fn any_web_page_may_read_what_a_token_endpoint_says() {
    // §1.1: "`Access-Control-Allow-Origin: *` on unscoped endpoints"
    let hub = Hub::start().await;
    let ada = hub.ada().await;
    let (key, refresh) = (&ada.key, &ada.refresh);
    let said = [
        (
            "/register",
            json!({ "user_id": "bob", "user_secret": "x" }),
            200,
        ),
        (
            "/register",
            json!({ "user_id": "ada", "user_secret": "x" }),
            409,
        ),
        ("/register", json!({}), 401),
        (
            "/authenticate",
            json!({ "user_key": key, "user_secret": "s3cret-one" }),
            200,
        ),
        (
            "/authenticate",
            json!({ "user_key": key, "user_secret": "x" }),
            403,
        ),
        ("/authenticate", json!("malformed"), 400),
        (
            "/authenticate",
            json!({ "user_key": "x".repeat(70_000) }),
            413,
        ),
        ("/refresh", json!({ "refresh_token": refresh }), 200),
        ("/refresh", json!({ "refresh_token": "nope" }), 403),
        (
            "/userkey",
            json!({ "user_id": "ada", "user_secret": "s3cret-one" }),
            200,
        ),
        (
            "/userkey",
            json!({ "user_id": "ada", "user_secret": "x" }),
            403,
        ),
    ];
    for (path, body, status) in said {
        let answer = hub.post(path, body).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        let origin = answer.header("access-control-allow-origin");
        assert_eq!(origin, Some("*"), "{path}: {status}");
    }
    // A route that demands a token is no such endpoint.
    let refused = hub.api("/x").send().await;
    assert_eq!(refused.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn any_web_page_may_read_that_it_must_wait() {
    // §1.1, as above
    let hub = Hub::start().await;
    let body = json!({ "refresh_token": "nope" });
    let mut last = hub.post("/refresh", body.clone()).await;
    for _ in 0..20 {
        last = hub.post("/refresh", body.clone()).await;
    }
    assert_eq!(last.status, 429, "{}", last.text());
    assert_eq!(last.header("access-control-allow-origin"), Some("*"));
}

#[tokio::test]
async fn a_closed_registration_says_so_and_makes_nobody() {
    // N-10
    for closed in ["", "register = \"closed\""] {
        let hub = Hub::changed("register = \"open\"", closed).await;
        let ada = json!({ "user_id": "ada", "user_secret": "s3cret-one" });
        let answer = hub.post("/register", ada.clone()).await;
        assert_eq!(
            (answer.status, &answer.json()["error"]),
            (403, &json!("Registration failed.")),
            "{}",
            answer.text()
        );
        let recovered = hub.post("/userkey", ada).await;
        assert_eq!(recovered.status, 403, "{}", recovered.text());
    }
}

#[tokio::test]
async fn the_misspelt_word_is_repeated_only_where_it_is_wished() {
    // N-3
    let (right, wrong) = ("Unauthorized.", "Unauhtorized.");
    for (setting, refused) in [("", right), ("strict_typos = true", wrong)] {
        let open = "register = \"open\"";
        let hub = Hub::changed(open, &format!("{open}\n{setting}")).await;
        let key = hub.register("ada").await;
        let (key, user) = (
            json!({ "user_key": key, "user_secret": "x" }),
            json!({ "user_id": "ada", "user_secret": "x" }),
        );
        let reason = "Credentials not recognized.";
        let unknown = json!({ "refresh_token": "nope" });
        says(&hub.post("/refresh", unknown).await, 403, refused, reason);
        says(&hub.post("/userkey", user).await, 403, refused, reason);
        // The original spells it right in all other places.
        says(&hub.post("/authenticate", key).await, 403, right, reason);
        let missing = hub.post("/refresh", json!({})).await;
        reason_starts(&missing, 401, right, "Expected refresh token. Got:");
    }
}

#[tokio::test]
async fn a_name_has_256_bytes_at_most_and_no_control_character() {
    // N-15
    let hub = Hub::start().await;
    let longest = "\u{e9}".repeat(128);
    let key = hub.register(&longest).await;
    assert!(key.starts_with(&longest), "{key}");
    let found = hub.authenticate(&key).await;
    assert_eq!(part(&found.access, 1)["uid"], longest);
    let refreshed = hub
        .post("/refresh", json!({ "refresh_token": found.refresh }))
        .await;
    assert_eq!(refreshed.status, 200, "{}", refreshed.text());
    for name in [
        format!("{longest}x"),
        "x".repeat(257),
        "a\nb".into(),
        "a\u{0}".into(),
    ] {
        let body = json!({ "user_id": name, "user_secret": "x" });
        says(
            &hub.post("/register", body).await,
            400,
            "Registration failed.",
            "User id or secret is empty.",
        );
    }
}

/// The store is away, which is nobody's fault and no verdict.
#[tokio::test]
async fn a_store_that_is_gone_is_an_outage_and_never_a_no() {
    let hub = Hub::start().await;
    let ada = hub.ada().await;
    hub.gateway.kept().store.close().await;
    let secret = "s3cret-one";
    for (path, body) in [
        (
            "/authenticate",
            json!({ "user_key": ada.key, "user_secret": secret }),
        ),
        ("/refresh", json!({ "refresh_token": ada.refresh })),
        (
            "/register",
            json!({ "user_id": "bob", "user_secret": secret }),
        ),
        (
            "/userkey",
            json!({ "user_id": "ada", "user_secret": secret }),
        ),
    ] {
        let answer = hub.post(path, body).await;
        assert_eq!(answer.status, 503, "{path}: {}", answer.text());
        assert_eq!(answer.header("retry-after"), Some("1"));
        let body = answer.json();
        assert_eq!(members(&body), ["error", "reason"], "{path}");
        assert_eq!(body["error"], "Service Unavailable.", "{path}");
        // A program that looks for the seconds to wait finds none that are not meant so.
        let reason = body["reason"].as_str().unwrap();
        assert!(!reason.contains(|c: char| c.is_ascii_digit()), "{reason}");
    }
    let answer = hub.api("/x").bearer(&ada.access).send().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}
