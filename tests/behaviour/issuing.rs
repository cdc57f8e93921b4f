//! Tokens of our own, by OAuth 2.0 (RFC 6749): who gets them, what they say, where they are good.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tollgate::{
    issue::{Bearer, sign_by_hand},
    token::{Scope, Secret},
};

use crate::harness::{
    bench::Bench,
    exchange::{Answer, Client, Request},
    issuer::NOW,
    keys::decode_base64url,
    tollgate::SHOP_SECRET,
};

const MORE: &str = r#"
[dialect.oauth]
speak = "oauth2"
path = "/oauth"
hosts = ["gw.test"]

[client.shop]
secret = { file = "shop.secret" }
scopes = ["orders:read", "orders:write"]

[route.orders]
hosts = ["gw.test"]
path = "/orders/**"
upstream = "u1"
issuers = ["oauth"]
require = { scope = "orders:read" }
forward = { identity = { x-client = "client_id" } }
"#;

/// A second token service, and a route of its own.
const BILLS: &str = r#"
[dialect.bills]
speak = "oauth2"
path = "/bills"
hosts = ["gw.test"]

[route.invoices]
hosts = ["gw.test"]
path = "/invoices/**"
upstream = "u1"
issuers = ["bills"]
"#;

/// The bench with a token endpoint, T, and one client.
async fn shop() -> Bench {
    Bench::with(MORE).await
}

fn ask(bench: &Bench, form: &[(&str, &str)]) -> Request {
    bench.post("/oauth/token").form(form)
}

/// A request that should succeed.
fn good(bench: &Bench) -> Request {
    ask(bench, &[("grant_type", "client_credentials")]).basic("shop", SHOP_SECRET)
}

async fn token(bench: &Bench) -> String {
    let answer = good(bench).send().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

/// OE: an error in the words of RFC 6749 §5.2, which no cache keeps.
fn oauth_error(answer: &Answer, status: u16, error: &str) {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.json()["error"], error);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(
        answer
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("application/json"))
    );
}

fn part(token: &str, number: usize) -> Value {
    serde_json::from_slice(&decode_base64url(token.split('.').nth(number).unwrap())).unwrap()
}

#[tokio::test]
async fn a_client_gets_a_token_that_opens_its_routes_and_no_others() {
    let bench = shop().await;
    let answer = good(&bench).send().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let body = answer.json();
    assert_eq!(
        (&body["token_type"], &body["expires_in"]),
        (&json!("Bearer"), &json!(600))
    );
    let token = body["access_token"].as_str().unwrap();
    let passed = bench
        .get("/orders/7")
        .bearer(token)
        .header("x-client", "other")
        .send()
        .await;
    assert_eq!(passed.status, 200, "{}", passed.text());
    assert_eq!(bench.upstream.last().alike("x-client"), ["shop"]);
    bench.refuses_token(token).await;
}

/// W11
#[tokio::test]
async fn a_token_says_what_rfc_9068_asks_for() {
    let bench = shop().await;
    let token = token(&bench).await;
    let (header, claims) = (part(&token, 0), part(&token, 1));
    assert_eq!(
        (&header["typ"], &header["alg"]),
        (&json!("at+jwt"), &json!("ES256"))
    );
    assert!(header["kid"].is_string());
    assert_eq!(claims["iss"], "https://gw.test/oauth");
    assert_eq!(
        (&claims["client_id"], &claims["sub"]),
        (&json!("shop"), &json!("shop"))
    );
    assert_eq!(
        (&claims["iat"], &claims["exp"]),
        (&json!(NOW), &json!(NOW + 600))
    );
    assert_eq!(claims["scope"], "orders:read orders:write");
    assert!(
        claims["jti"].is_string() && claims["aud"].is_string(),
        "{claims}"
    );
}

#[tokio::test]
async fn a_token_verifies_with_the_published_keys() {
    let bench = shop().await;
    let token = token(&bench).await;
    let metadata = bench
        .get("/.well-known/oauth-authorization-server/oauth")
        .send()
        .await
        .json();
    assert_eq!(metadata["issuer"], "https://gw.test/oauth");
    assert_eq!(metadata["token_endpoint"], "https://gw.test/oauth/token");
    assert_eq!(metadata["jwks_uri"], "https://gw.test/oauth/jwks");
    let keys = bench.get("/oauth/jwks").send().await;
    assert!(
        !keys.text().contains("\"d\""),
        "a private key was published"
    );
    let keys: jsonwebtoken::jwk::JwkSet = serde_json::from_slice(&keys.body).unwrap();
    let kid = part(&token, 0)["kid"].as_str().unwrap().to_owned();
    let key = jsonwebtoken::DecodingKey::from_jwk(keys.find(&kid).unwrap()).unwrap();
    let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::ES256);
    rules.validate_aud = false;
    jsonwebtoken::decode::<Value>(&token, &key, &rules).unwrap();
}

#[tokio::test]
async fn our_own_clock_needs_no_leeway() {
    let bench = shop().await;
    let token = token(&bench).await;
    bench.gateway.advance(Duration::from_secs(599));
    assert_eq!(
        bench.get("/orders/7").bearer(&token).send().await.status,
        200
    );
    bench.gateway.advance(Duration::from_secs(1));
    let answer = bench.refuses(bench.get("/orders/7").bearer(&token)).await;
    assert_eq!(answer.code().as_deref(), Some("expired"));
}

/// S09
#[tokio::test]
async fn a_narrower_scope_is_given_and_a_wider_one_is_not() {
    let bench = shop().await;
    let wanting = |scope: &str| {
        ask(
            &bench,
            &[("grant_type", "client_credentials"), ("scope", scope)],
        )
        .basic("shop", SHOP_SECRET)
    };
    let narrow = wanting("orders:write").send().await.json();
    assert_eq!(narrow["scope"], "orders:write");
    let token = narrow["access_token"].as_str().unwrap();
    assert_eq!(
        bench.get("/orders/7").bearer(token).send().await.status,
        403
    );
    oauth_error(
        &wanting("orders:read admin").send().await,
        400,
        "invalid_scope",
    );
}

/// J05, S09: what two token services of one gateway give is for different resources, also to one client.
#[tokio::test]
async fn j05_a_token_of_one_service_is_worth_nothing_at_the_routes_of_another() {
    let bench = Bench::with(&format!("{MORE}{BILLS}")).await;
    let issued = async |path: &str| {
        let form = [("grant_type", "client_credentials")];
        let request = bench.post(path).form(&form).basic("shop", SHOP_SECRET);
        let answer = request.send().await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["access_token"].as_str().unwrap().to_owned()
    };
    let (orders, bills) = (issued("/oauth/token").await, issued("/bills/token").await);
    let audience = |token: &str| part(token, 1)["aud"].as_str().unwrap().to_owned();
    assert_ne!(audience(&orders), audience(&bills));
    let opens = async |path: &str, token: &str| {
        let answer = bench.get(path).bearer(token).send().await;
        (answer.status, answer.code())
    };
    assert_eq!(opens("/orders/7", &orders).await.0, 200);
    assert_eq!(opens("/invoices/7", &bills).await.0, 200);
    for (path, token) in [("/orders/7", &bills), ("/invoices/7", &orders)] {
        let refused = (401, Some("unknown_issuer".to_owned()));
        assert_eq!(opens(path, token).await, refused, "{path}");
    }
    // One that is signed as it must be, and only says another audience.
    let kept = &bench.gateway.kept().mounts["oauth"];
    let mut elsewhere = kept.issuer().clone();
    elsewhere.audience = audience(&bills);
    let bearer = Bearer {
        subject: "shop",
        client: Some("shop"),
        scope: Scope::parse("orders:read").unwrap(),
    };
    let forged = sign_by_hand(&bearer, &elsewhere, bench.gateway.now()).unwrap();
    let refused = (401, Some("wrong_audience".to_owned()));
    assert_eq!(opens("/orders/7", forged.reveal()).await, refused);
}

/// S10: nobody hands a program the password of a person, however right it is.
#[tokio::test]
async fn s10_there_is_no_password_grant_in_standard_oauth() {
    let bench = shop().await;
    let accounts = &bench.gateway.kept().accounts;
    let ada = accounts.register(
        "oauth",
        "ada",
        Secret::new("s3cret-one"),
        bench.gateway.now(),
    );
    ada.await.unwrap();
    let form = [
        ("grant_type", "password"),
        ("username", "ada"),
        ("password", "s3cret-one"),
    ];
    let answer = ask(&bench, &form).basic("shop", SHOP_SECRET).send().await;
    oauth_error(&answer, 400, "unsupported_grant_type");
    let metadata = "/.well-known/oauth-authorization-server/oauth";
    let metadata = bench.get(metadata).send().await.json();
    let grants = metadata["grant_types_supported"].as_array().unwrap();
    assert!(!grants.contains(&json!("password")), "{grants:?}");
}

#[tokio::test]
async fn wrong_and_unknown_clients_sound_the_same() {
    let bench = shop().await;
    let grant = [("grant_type", "client_credentials")];
    let mut bodies = Vec::new();
    for (name, secret) in [("shop", "wrong"), ("nobody", SHOP_SECRET), ("shop", "")] {
        let answer = ask(&bench, &grant).basic(name, secret).send().await;
        oauth_error(&answer, 401, "invalid_client");
        assert!(
            answer
                .header("www-authenticate")
                .is_some_and(|value| value.starts_with("Basic"))
        );
        bodies.push(answer.text());
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    for scheme in ["Basic !!!", "Basic c2hvcA==", "Bearer x", "Basic"] {
        let answer = ask(&bench, &grant)
            .header("authorization", scheme)
            .send()
            .await;
        oauth_error(&answer, 401, "invalid_client");
    }
}

#[tokio::test]
async fn a_request_that_says_two_things_is_refused() {
    // TK-08
    let bench = shop().await;
    let grant = ("grant_type", "client_credentials");
    let basic = |form: &[(&str, &str)]| ask(&bench, form).basic("shop", SHOP_SECRET);
    for form in [
        vec![grant, grant],
        vec![grant, ("scope", "orders:read"), ("scope", "orders:write")],
        vec![grant, ("client_id", "shop"), ("client_secret", SHOP_SECRET)],
    ] {
        oauth_error(&basic(&form).send().await, 400, "invalid_request");
    }
    let other = basic(&[grant, ("client_id", "other")]).send().await;
    assert!([400, 401].contains(&other.status), "{}", other.text());
}

#[tokio::test]
async fn malformed_requests_are_refused_in_the_words_of_the_protocol() {
    let bench = shop().await;
    let basic = |form: &[(&str, &str)]| ask(&bench, form).basic("shop", SHOP_SECRET);
    oauth_error(&basic(&[]).send().await, 400, "invalid_request");
    oauth_error(
        &basic(&[("grant_type", "")]).send().await,
        400,
        "invalid_request",
    );
    oauth_error(
        &basic(&[("grant_type", "magic")]).send().await,
        400,
        "unsupported_grant_type",
    );
    let post = || bench.post("/oauth/token").basic("shop", SHOP_SECRET);
    let body = "grant_type=client_credentials";
    let odd = [
        post().body(body),
        post()
            .header("content-type", "application/json")
            .body(r#"{"grant_type":"client_credentials"}"#),
        post().header("content-type", "text/plain").body(body),
        post()
            .header("content-type", "multipart/form-data; boundary=x")
            .body(body),
        post()
            .header("content-type", "application/x-www-form-urlencoded")
            .body(&b"\xff\xfe=\x00"[..]),
    ];
    for request in odd {
        oauth_error(&request.send().await, 400, "invalid_request");
    }
    let wrong_method = bench.get("/oauth/token").send().await;
    assert_eq!(
        (wrong_method.status, wrong_method.header("allow")),
        (405, Some("POST"))
    );
    assert_eq!(bench.get("/oauth/nothing").send().await.status, 404);
    bench.lives().await;
}

#[tokio::test]
async fn a_token_request_beyond_the_bounds_is_refused_before_it_is_read() {
    // RS-05
    let bench = shop().await;
    let head = "POST /oauth/token HTTP/1.1\r\nHost: gw.test\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    let mut wire = bench.wire().await;
    wire.send(format!("{head}Content-Length: 10485760\r\n\r\ngrant_type="))
        .await;
    assert_eq!(wire.reply().await.unwrap().status, 413);
    wire.closes_silently().await;
    let mut wire = bench.wire().await;
    wire.send(format!("{head}Transfer-Encoding: chunked\r\n\r\n"))
        .await;
    for _ in 0..9 {
        wire.send(format!("2000\r\n{}\r\n", "a".repeat(0x2000)))
            .await;
    }
    assert_eq!(wire.reply().await.unwrap().status, 413);
    wire.closes_silently().await;
    bench.lives().await;
}

#[tokio::test]
async fn a_client_that_sends_its_refused_body_to_the_end_is_not_cut_off() {
    let bench = shop().await;
    let mut wire = bench.wire().await;
    wire.send(
        "POST /oauth/token HTTP/1.1\r\nHost: gw.test\r\nContent-Length: 900000\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\r\n",
    )
    .await;
    assert_eq!(wire.reply().await.unwrap().status, 413);
    let ninth = "a".repeat(100_000);
    for _ in 0..9 {
        wire.try_send(&ninth).await.unwrap();
    }
    wire.finish().await;
    wire.closes_silently().await;
}

#[tokio::test]
async fn a_client_that_asks_too_often_is_told_to_wait() {
    let limited = MORE.replace(
        "path = \"/oauth\"\n",
        "path = \"/oauth\"\nlimit = { attempts = 2, within = \"60s\" }\n",
    );
    let bench = Bench::with(&limited).await;
    for _ in 0..2 {
        assert_eq!(good(&bench).send().await.status, 200);
    }
    let answer = good(&bench).send().await;
    oauth_error(&answer, 429, "temporarily_unavailable");
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    bench.gateway.advance(Duration::from_secs(wait));
    assert_eq!(good(&bench).send().await.status, 200);
}

#[tokio::test]
async fn a_store_that_is_away_stops_no_request_with_a_token() {
    // RL-03, its neighbour
    let bench = shop().await;
    let known = token(&bench).await;
    bench.gateway.kept().store.close().await;
    assert_eq!(
        bench.get("/orders/7").bearer(&known).send().await.status,
        200
    );
    bench.admits_token(&bench.token().sign()).await;
    let unknown = ask(&bench, &[("grant_type", "client_credentials")])
        .basic("elsewhere", "x")
        .send()
        .await;
    oauth_error(&unknown, 503, "temporarily_unavailable");
    assert!(unknown.header("retry-after").is_some());
    bench.lives().await;
}

#[tokio::test]
async fn the_token_endpoint_is_where_its_host_is_and_speaks_http2_too() {
    let bench = shop().await;
    let form = [("grant_type", "client_credentials")];
    let on = |client: Client| {
        client
            .post("/oauth/token")
            .form(&form)
            .basic("shop", SHOP_SECRET)
    };
    assert_eq!(on(bench.client().http2()).send().await.status, 200);
    assert_eq!(on(bench.client().named("b.test")).send().await.status, 401);
    let options = bench
        .client()
        .request(Method::OPTIONS, "/oauth/token")
        .send()
        .await;
    assert!(matches!(options.status, 204 | 405), "{}", options.status);
}
