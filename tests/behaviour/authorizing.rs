//! Authorization codes (RFC 6749 §4.1) and all that follows from one: what a program may ask for, what a person sees, how a
//! code is redeemed, renewed, looked at and revoked.
//!
//! `T01`, `P01`, `M01`, `S01`, `V01`, `I01` and so on name the requirement lines, `TK-01` the cases of the acceptance list.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tollgate::{
    store::{OneTimeKind, Status},
    token::{Algorithm, Digest, Secret, Timestamp},
    verify::KeySet,
};

use crate::harness::{
    bench::Bench,
    exchange::{Answer, Request},
    issuer::NOW,
    keys,
    person::{Person, digits, form, location, told},
    tollgate::SHOP_SECRET,
};

const MORE: &str = r#"
[dialect.oauth]
speak = "oauth2"
path = "/oauth"
hosts = ["gw.test"]

[client.app]
auth = "none"
grants = ["authorization_code", "refresh_token"]
scopes = ["orders:read", "orders:write"]
redirect_uris = ["https://c.test/cb", "http://127.0.0.1/cb", "app.test:/cb"]
title = "Reader & Sons"

[client.other]
auth = "none"
grants = ["authorization_code", "refresh_token"]
scopes = ["orders:read"]
redirect_uris = ["https://other.test/cb"]

[client.bank]
secret = { file = "shop.secret" }
grants = ["authorization_code"]
scopes = ["orders:read"]
redirect_uris = ["https://bank.test/cb?tenant=1", "http://127.0.0.1/cb"]
trusted = true

[client.shop]
secret = { file = "shop.secret" }
grants = ["client_credentials"]
scopes = ["orders:read"]
redirect_uris = ["https://shop.test/cb"]

# called as its tokens' audience is
[client."https://gw.test/oauth"]
secret = { file = "shop.secret" }
grants = ["client_credentials"]
scopes = ["orders:read"]

[pages]
title = "The House"
scopes = { "orders:read" = "See your <orders>" }

[route.orders]
hosts = ["gw.test"]
path = "/orders/**"
upstream = "u1"
issuers = ["oauth"]
require = { scope = "orders:read" }
forward = { identity = { x-user-id = "sub", x-client = "client_id" } }
"#;

const PASSWORD: &str = "correct horse battery";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const APP: &str = "client_id=app&redirect_uri=https%3A%2F%2Fc.test%2Fcb";
const PKCE: &str =
    "code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";
const BANK: &str =
    "response_type=code&client_id=bank&redirect_uri=https%3A%2F%2Fbank.test%2Fcb%3Ftenant%3D1";
const INTROSPECTION_JWT: &str = "application/token-introspection+jwt";
const ISSUER: &str = "https://gw.test/oauth";

/// The bench with an authorization endpoint, a few clients, and Ada.
async fn house() -> Bench {
    let bench = Bench::with(MORE).await;
    let accounts = &bench.gateway.kept().accounts;
    let now = Timestamp::from_seconds(NOW);
    let ada = accounts.register("oauth", "ada", Secret::new(PASSWORD), now);
    ada.await.unwrap();
    bench
        .gateway
        .set_scopes("oauth", "ada", "orders:read orders:write")
        .await;
    bench
}

/// Where the public client sends people.
fn asking(more: &str) -> String {
    format!("/oauth/authorize?response_type=code&{APP}&{PKCE}&state=s%261&{more}")
}

fn somebody(bench: &Bench) -> Person {
    Person::new(bench.client())
}

/// A code of Ada's for the public client.
async fn code(bench: &Bench) -> String {
    code_for(bench, &asking("scope=orders%3Aread")).await
}

async fn code_for(bench: &Bench, path: &str) -> String {
    let mut ada = somebody(bench);
    let page = ada.arrives_as(path, "ada", PASSWORD).await;
    let answer = match page.status {
        303 => page,
        _ => ada.answers(&page, "allow").await,
    };
    told(&answer, "code").unwrap_or_else(|| panic!("no code in {}", location(&answer)))
}

fn redeeming(bench: &Bench, fields: &[(&str, &str)]) -> Request {
    let mut all = vec![("grant_type", "authorization_code")];
    all.extend(fields);
    bench.post("/oauth/token").form(&all)
}

/// The request that redeems a code of the public client.
fn redeem(bench: &Bench, code: &str) -> Request {
    let fields = [
        ("client_id", "app"),
        ("code", code),
        ("redirect_uri", "https://c.test/cb"),
        ("code_verifier", VERIFIER),
    ];
    redeeming(bench, &fields)
}

fn refresh(bench: &Bench, token: &str, more: &[(&str, &str)]) -> Request {
    let mut all = vec![
        ("grant_type", "refresh_token"),
        ("refresh_token", token),
        ("client_id", "app"),
    ];
    all.extend(more);
    bench.post("/oauth/token").form(&all)
}

fn introspect(bench: &Bench, token: &str) -> Request {
    let form = [("token", token)];
    bench
        .post("/oauth/introspect")
        .form(&form)
        .basic("shop", SHOP_SECRET)
}

async fn is_active(bench: &Bench, token: &str) -> bool {
    let answer = introspect(bench, token).send().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["active"].as_bool().unwrap()
}

/// Access and refresh token.
fn tokens(answer: &Answer) -> (String, String) {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body = answer.json();
    let text = |name: &str| {
        body[name]
            .as_str()
            .unwrap_or_else(|| panic!("{name} in {body}"))
    };
    (
        text("access_token").to_owned(),
        text("refresh_token").to_owned(),
    )
}

/// OE: an error in the words of RFC 6749 §5.2, which no cache keeps.
fn oauth_error(answer: &Answer, error: &str) {
    let status = if error == "invalid_client" { 401 } else { 400 };
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.json()["error"], error, "{}", answer.text());
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("pragma"), Some("no-cache"));
}

/// The program is told of this fault, at its own address.
fn is_told(answer: &Answer, error: &str) {
    assert_eq!(answer.status, 303, "{}", answer.text());
    assert!(
        location(answer).starts_with("https://c.test/cb?"),
        "{}",
        location(answer)
    );
    assert_eq!(
        told(answer, "error").as_deref(),
        Some(error),
        "{}",
        location(answer)
    );
    assert_eq!(told(answer, "iss").as_deref(), Some(ISSUER));
    assert_eq!(told(answer, "code"), None);
}

/// The person is told, and nobody else.
fn stays_here(answer: &Answer) {
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert_eq!(answer.header("location"), None);
    assert!(
        answer.text().contains("This link does not work"),
        "{}",
        answer.text()
    );
    guarded(answer);
}

/// S13, S22: what every page says to the browser.
fn guarded(page: &Answer) {
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(page.header("x-frame-options"), Some("DENY"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    let text = page.text();
    for foreign in [
        "<script",
        "http://",
        "https://c.test",
        "src=\"http",
        "onclick",
    ] {
        assert!(!text.contains(foreign), "{foreign} in {text}");
    }
}

/// T01, T16, M05, P01, P03, S04, S06; and S24: nobody is sent on with a code before they have signed in.
#[tokio::test]
async fn a_person_signs_in_agrees_and_the_program_gets_tokens() {
    let bench = house().await;
    let mut ada = somebody(&bench);
    let page = ada.goes(&asking("scope=orders%3Aread")).await;
    assert_eq!(page.status, 200, "{}", page.text());
    guarded(&page);
    assert!(page.text().contains("Reader &#38; Sons") || page.text().contains("Reader &amp; Sons"));
    let cookie = page.header("set-cookie").unwrap();
    assert!(cookie.starts_with("__Host-"), "{cookie}");
    for attribute in ["; Secure", "; HttpOnly", "; SameSite=Lax", "; Path=/"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    let signed_in = ada.signs_in(&page, "ada", PASSWORD).await;
    // S15: a redirect after a password is never 307.
    assert_eq!(signed_in.status, 303);
    assert!(location(&signed_in).starts_with("/oauth/authorize?"));
    let question = ada.goes(location(&signed_in)).await;
    guarded(&question);
    assert!(
        question.text().contains("See your &#60;orders&#62;")
            || question.text().contains("See your &lt;orders&gt;")
    );
    assert!(question.text().contains("c.test"));
    let answer = ada.answers(&question, "allow").await;
    assert_eq!(answer.status, 303);
    assert!(location(&answer).starts_with("https://c.test/cb?code="));
    assert_eq!(told(&answer, "state").as_deref(), Some("s&1"));
    assert_eq!(told(&answer, "iss").as_deref(), Some(ISSUER));
    assert!(!location(&answer).contains("token"));
    let issued = redeem(&bench, &told(&answer, "code").unwrap()).send().await;
    assert_eq!(issued.header("cache-control"), Some("no-store"));
    assert_eq!(issued.header("pragma"), Some("no-cache"));
    let body = issued.json();
    assert_eq!(
        (&body["token_type"], &body["expires_in"], &body["scope"]),
        (&json!("Bearer"), &json!(600), &json!("orders:read"))
    );
    let (access, _) = tokens(&issued);
    let passed = bench.get("/orders/7").bearer(&access).send().await;
    assert_eq!(passed.status, 200, "{}", passed.text());
    assert_eq!(bench.upstream.last().alike("x-client"), ["app"]);
}

/// TK-01, T08, S14.
#[tokio::test]
async fn a_code_that_comes_back_ends_what_it_began() {
    let bench = house().await;
    let code = code(&bench).await;
    let (access, renewal) = tokens(&redeem(&bench, &code).send().await);
    assert!(is_active(&bench, &access).await);
    oauth_error(&redeem(&bench, &code).send().await, "invalid_grant");
    assert!(!is_active(&bench, &access).await);
    bench.refuses(bench.get("/orders/7").bearer(&access)).await;
    oauth_error(
        &refresh(&bench, &renewal, &[]).send().await,
        "invalid_grant",
    );
}

/// TK-02. One gets tokens, and one session is there for it.
#[tokio::test]
async fn of_many_who_bring_one_code_at_once_one_gets_tokens() {
    let bench = house().await;
    for round in 0..20 {
        let code = code(&bench).await;
        assert_eq!(rows(&bench, "session").await, round);
        let all = (0..50).map(|_| redeem(&bench, &code).send());
        let answers = futures_util::future::join_all(all).await;
        let good = answers.iter().filter(|answer| answer.status == 200);
        assert_eq!(good.count(), 1);
        for answer in answers.iter().filter(|answer| answer.status != 200) {
            oauth_error(answer, "invalid_grant");
        }
        assert_eq!(rows(&bench, "session").await, round + 1);
    }
}

/// How many rows a table of the store has.
async fn rows(bench: &Bench, table: &str) -> i64 {
    let counts = bench.gateway.kept().store.count().await.unwrap();
    let found = counts.iter().find(|count| count.table == table);
    found.unwrap().rows
}

/// TK-05, P02, P03, P04, P05, P06, S05: whatever is wrong with the verifier, the code is spent by it.
#[tokio::test]
async fn a_wrong_verifier_spends_the_code() {
    let bench = house().await;
    let long = "a".repeat(129);
    let short = &VERIFIER[..42];
    let other = "a".repeat(43);
    for verifier in [None, Some(""), Some(&*other), Some(short), Some(&*long)] {
        let code = code(&bench).await;
        let mut fields = vec![
            ("client_id", "app"),
            ("code", &*code),
            ("redirect_uri", "https://c.test/cb"),
        ];
        fields.extend(verifier.map(|verifier| ("code_verifier", verifier)));
        oauth_error(&redeeming(&bench, &fields).send().await, "invalid_grant");
        oauth_error(&redeem(&bench, &code).send().await, "invalid_grant");
    }
    // Without a challenge there must be no verifier (RFC 9700 §4.8.2).
    let code = code_for(&bench, &format!("/oauth/authorize?{BANK}")).await;
    let fields = [
        ("code", &*code),
        ("redirect_uri", "https://bank.test/cb?tenant=1"),
        ("code_verifier", VERIFIER),
    ];
    let with = redeeming(&bench, &fields).basic("bank", SHOP_SECRET);
    oauth_error(&with.send().await, "invalid_grant");
    let without = redeeming(&bench, &fields[..2]).basic("bank", SHOP_SECRET);
    oauth_error(&without.send().await, "invalid_grant");
}

/// P01, P02, P06, S05: the challenge at the authorization endpoint.
#[tokio::test]
async fn a_public_client_must_send_a_challenge_and_nobody_may_send_a_plain_one() {
    let bench = house().await;
    let base = format!("/oauth/authorize?response_type=code&{APP}&state=x");
    for pkce in [
        String::new(),
        format!("code_challenge={CHALLENGE}"),
        format!("code_challenge={VERIFIER}&code_challenge_method=plain"),
        format!("code_challenge={CHALLENGE}&code_challenge_method=S512"),
        "code_challenge=short&code_challenge_method=S256".to_owned(),
        "code_challenge_method=S256".to_owned(),
    ] {
        let answer = somebody(&bench).goes(&format!("{base}&{pkce}")).await;
        is_told(&answer, "invalid_request");
        assert_eq!(told(&answer, "state").as_deref(), Some("x"));
    }
    let plain =
        format!("/oauth/authorize?{BANK}&code_challenge={VERIFIER}&code_challenge_method=plain");
    let answer = somebody(&bench).goes(&plain).await;
    assert_eq!(told(&answer, "error").as_deref(), Some("invalid_request"));
    // A confidential client may do without, and is held to a challenge it sends.
    let code = code_for(&bench, &format!("/oauth/authorize?{BANK}&{PKCE}")).await;
    let fields = [
        ("code", &*code),
        ("redirect_uri", "https://bank.test/cb?tenant=1"),
    ];
    let answer = redeeming(&bench, &fields)
        .basic("bank", SHOP_SECRET)
        .send()
        .await;
    oauth_error(&answer, "invalid_grant");
}

/// TK-06, T14, S01, S02: nobody is sent to an address that is not the client's, and no code is made for it, not even for a
/// person who has agreed and goes straight through otherwise.
#[tokio::test]
async fn an_address_that_differs_by_one_byte_is_nobodys() {
    let bench = house().await;
    let mut ada = somebody(&bench);
    let page = ada.arrives_as(&asking(""), "ada", PASSWORD).await;
    ada.answers(&page, "allow").await;
    let codes = rows(&bench, "one_time").await;
    assert_eq!(codes, 1);
    for uri in [
        "https://c.test/cb/",
        "https://c.test/cb?x=1",
        "https://c.test/cb/../x",
        "https://c.test.evil.test/cb",
        "https://c.test@evil.test/cb",
        "http://c.test/cb",
        "https://C.TEST/cb",
        "https://c.test:444/cb",
        "https://c.test/cb#",
        "https://c.test/c%62",
        " https://c.test/cb",
        "https://bank.test/cb?tenant=1",
        "javascript:alert(1)",
        "",
    ] {
        let uri = form_urlencoded::byte_serialize(uri.as_bytes()).collect::<String>();
        let path =
            format!("/oauth/authorize?response_type=code&client_id=app&redirect_uri={uri}&{PKCE}");
        stays_here(&ada.goes(&path).await);
        stays_here(&somebody(&bench).goes(&path).await);
    }
    for query in [
        format!("response_type=code&client_id=app&{PKCE}"),
        format!("response_type=code&{APP}&redirect_uri=https%3A%2F%2Fc.test%2Fcb&{PKCE}"),
        format!("response_type=code&{APP}&client_id=app&{PKCE}"),
        format!(
            "response_type=code&client_id=nobody&redirect_uri=https%3A%2F%2Fc.test%2Fcb&{PKCE}"
        ),
        format!("response_type=code&redirect_uri=https%3A%2F%2Fc.test%2Fcb&{PKCE}"),
        format!("response_type=code&client_id=a%00b&redirect_uri=https%3A%2F%2Fc.test%2Fcb&{PKCE}"),
        String::new(),
    ] {
        let path = format!("/oauth/authorize?{query}");
        stays_here(&ada.goes(&path).await);
        stays_here(&somebody(&bench).goes(&path).await);
        let posted = somebody(&bench).sends(&path, &[]).await;
        assert_eq!(posted.status, 400);
    }
    assert_eq!(rows(&bench, "one_time").await, codes);
    assert_eq!(rows(&bench, "session").await, 0);
    assert!(told(&ada.goes(&asking("")).await, "code").is_some());
    assert_eq!(rows(&bench, "one_time").await, codes + 1);
}

/// S01: the exception for programs on the person's own machine, and only for those that keep no secret.
#[tokio::test]
async fn a_program_on_the_own_machine_may_listen_on_any_port() {
    let bench = house().await;
    let at = |client: &str, uri: &str| {
        let uri = form_urlencoded::byte_serialize(uri.as_bytes()).collect::<String>();
        format!("/oauth/authorize?response_type=code&client_id={client}&redirect_uri={uri}&{PKCE}")
    };
    let code = code_for(&bench, &at("app", "http://127.0.0.1:49152/cb")).await;
    let fields = |uri| {
        [
            ("client_id", "app"),
            ("code", &*code),
            ("redirect_uri", uri),
            ("code_verifier", VERIFIER),
        ]
    };
    // T09: the very address that was asked for.
    let issued = redeeming(&bench, &fields("http://127.0.0.1:49152/cb"))
        .send()
        .await;
    assert_eq!(issued.status, 200, "{}", issued.text());
    assert_eq!(
        somebody(&bench)
            .goes(&at("app", "app.test:/cb"))
            .await
            .status,
        200
    );
    stays_here(
        &somebody(&bench)
            .goes(&at("app", "http://127.0.0.1:49152/cb2"))
            .await,
    );
    stays_here(
        &somebody(&bench)
            .goes(&at("app", "http://localhost:49152/cb"))
            .await,
    );
    stays_here(
        &somebody(&bench)
            .goes(&at("bank", "http://127.0.0.1:49152/cb"))
            .await,
    );
}

/// T02, T15, T16: what is wrong with the rest is told to the program.
#[tokio::test]
async fn a_program_learns_what_is_wrong_with_its_request() {
    let bench = house().await;
    let to = |query: &str| format!("/oauth/authorize?{query}");
    for (query, error) in [
        (format!("{APP}&{PKCE}"), "invalid_request"),
        (
            format!("{APP}&{PKCE}&response_type=token"),
            "unsupported_response_type",
        ),
        (
            format!("{APP}&{PKCE}&response_type=code&scope=admin"),
            "invalid_scope",
        ),
        (
            format!("{APP}&{PKCE}&response_type=code&scope=%22"),
            "invalid_scope",
        ),
        (
            format!("{APP}&{PKCE}&response_type=code&scope=orders:read&scope=orders:write"),
            "invalid_request",
        ),
        (
            format!("{APP}&{PKCE}&response_type=code&x=1&x=1"),
            "invalid_request",
        ),
        (
            format!("{APP}&{PKCE}&response_type=code&request=e30"),
            "request_not_supported",
        ),
        (
            format!("{APP}&{PKCE}&response_type=code&request_uri=urn:x"),
            "request_uri_not_supported",
        ),
        (
            format!("{APP}&{PKCE}&response_type=code&response_mode=fragment"),
            "invalid_request",
        ),
        (
            format!("{APP}&{PKCE}&response_type=code&prompt=none"),
            "login_required",
        ),
        (
            format!("{APP}&{PKCE}&response_type=code&prompt=none%20login"),
            "invalid_request",
        ),
    ] {
        is_told(&somebody(&bench).goes(&to(&query)).await, error);
    }
    let twice = somebody(&bench).goes(&asking("state=2")).await;
    is_told(&twice, "invalid_request");
    assert_eq!(told(&twice, "state"), None);
    let shop = "response_type=code&client_id=shop&redirect_uri=https%3A%2F%2Fshop.test%2Fcb";
    let answer = somebody(&bench).goes(&to(shop)).await;
    assert_eq!(
        told(&answer, "error").as_deref(),
        Some("unauthorized_client")
    );
}

/// T02, T15
#[tokio::test]
async fn what_is_empty_is_absent_and_what_is_unknown_nobodys_business() {
    let bench = house().await;
    let to = |query: &str| format!("/oauth/authorize?{query}");
    let odd = to(&format!(
        "{APP}&{PKCE}&response_type=code&scope=&prompt=&state=&nonce=n&x="
    ));
    assert_eq!(somebody(&bench).goes(&odd).await.status, 200);
    for (fields, error) in [
        (vec![("grant_type", "password")], "unsupported_grant_type"),
        (
            vec![("grant_type", "authorization_code"), ("code", "x")],
            "unauthorized_client",
        ),
    ] {
        let request = bench
            .post("/oauth/token")
            .form(&fields)
            .basic("shop", SHOP_SECRET);
        oauth_error(&request.send().await, error);
    }
}

/// T07, T09: a code is for its client, its address and its minute.
#[tokio::test]
async fn a_code_is_bound_to_client_address_and_minute() {
    let bench = house().await;
    for (client, uri) in [
        ("app", Some("https://c.test/cb/")),
        ("app", None),
        ("other", Some("https://c.test/cb")),
        ("other", Some("https://other.test/cb")),
    ] {
        let code = code(&bench).await;
        let mut fields = vec![
            ("client_id", client),
            ("code", &*code),
            ("code_verifier", VERIFIER),
        ];
        fields.extend(uri.map(|uri| ("redirect_uri", uri)));
        oauth_error(&redeeming(&bench, &fields).send().await, "invalid_grant");
    }
    let young = code(&bench).await;
    bench.gateway.advance(Duration::from_secs(59));
    assert_eq!(redeem(&bench, &young).send().await.status, 200);
    let old = code(&bench).await;
    bench.gateway.advance(Duration::from_mins(1));
    oauth_error(&redeem(&bench, &old).send().await, "invalid_grant");
    oauth_error(
        &redeem(&bench, "tgac_nothing").send().await,
        "invalid_grant",
    );
}

/// T12: nobody guesses a code, and none lies in the store as it is. All else that is given out is looked at where every
/// dialect is.
#[tokio::test]
async fn a_code_is_random_and_long() {
    let bench = house().await;
    let (one, other) = (code(&bench).await, code(&bench).await);
    assert_ne!(one, other);
    for code in [one, other] {
        let drawn = code.strip_prefix("tgac_").unwrap();
        // 256 bits, of 62 letters and digits; or, after a question that may be answered twice, as base64url.
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        assert!(drawn.len() == 43 && drawn.bytes().all(letter), "{drawn}");
        let digest = Digest::of(code.as_bytes());
        let kept = &bench.gateway.kept().store;
        let found = kept.one_time(OneTimeKind::Code, digest).await.unwrap();
        let payload = found.expect("what it is good for").payload;
        assert!(!payload.contains(drawn), "{payload}");
    }
}

/// T10, T11.
#[tokio::test]
async fn a_renewal_narrows_one_token_and_not_the_grant_and_is_for_its_client() {
    let bench = house().await;
    let wide = code_for(&bench, &asking("scope=orders%3Aread%20orders%3Awrite")).await;
    let (_, first) = tokens(&redeem(&bench, &wide).send().await);
    let narrow = refresh(&bench, &first, &[("scope", "orders:write")])
        .send()
        .await;
    assert_eq!(narrow.json()["scope"], "orders:write");
    let (_, second) = tokens(&narrow);
    assert_ne!(first, second);
    let more = refresh(&bench, &second, &[("scope", "orders:read admin")])
        .send()
        .await;
    oauth_error(&more, "invalid_scope");
    let stranger = [
        ("grant_type", "refresh_token"),
        ("refresh_token", &*second),
        ("client_id", "other"),
    ];
    oauth_error(
        &bench.post("/oauth/token").form(&stranger).send().await,
        "invalid_grant",
    );
    let whole = refresh(&bench, &second, &[]).send().await;
    assert_eq!(whole.json()["scope"], "orders:read orders:write");
}

/// S18: a client that may not renew gets nothing to renew with.
#[tokio::test]
async fn only_a_client_that_may_renew_gets_a_refresh_token() {
    let bench = house().await;
    let code = code_for(&bench, &format!("/oauth/authorize?{BANK}")).await;
    let fields = [
        ("code", &*code),
        ("redirect_uri", "https://bank.test/cb?tenant=1"),
    ];
    let issued = redeeming(&bench, &fields)
        .basic("bank", SHOP_SECRET)
        .send()
        .await;
    assert_eq!(issued.status, 200, "{}", issued.text());
    assert_eq!(issued.json()["refresh_token"], Value::Null);
}

/// The operator's own rules for renewal: `refresh` of the mount.
#[tokio::test]
async fn the_file_says_how_long_a_refresh_token_lives_and_what_a_replay_means() {
    let strict = MORE.replace(
        "path = \"/oauth\"\n",
        "path = \"/oauth\"\nrefresh = { idle = \"1h\", race = \"0s\", lost = \"0s\", on_replay = \"refuse\" }\n",
    );
    let bench = Bench::with(&strict).await;
    let now = Timestamp::from_seconds(NOW);
    let accounts = &bench.gateway.kept().accounts;
    accounts
        .register("oauth", "ada", Secret::new(PASSWORD), now)
        .await
        .unwrap();
    bench
        .gateway
        .set_scopes("oauth", "ada", "orders:read")
        .await;
    let (_, first) = tokens(&redeem(&bench, &code(&bench).await).send().await);
    let (_, second) = tokens(&refresh(&bench, &first, &[]).send().await);
    oauth_error(&refresh(&bench, &first, &[]).send().await, "invalid_grant");
    let (_, third) = tokens(&refresh(&bench, &second, &[]).send().await);
    bench.gateway.advance(Duration::from_hours(1));
    oauth_error(&refresh(&bench, &third, &[]).send().await, "invalid_grant");
}

/// I03, I04.
#[tokio::test]
async fn introspection_tells_clients_what_a_token_is_worth_and_others_nothing() {
    let bench = house().await;
    let (access, renewal) = tokens(&redeem(&bench, &code(&bench).await).send().await);
    let answer = introspect(&bench, &access).send().await;
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let body = answer.json();
    assert_eq!(
        (
            &body["active"],
            &body["client_id"],
            &body["scope"],
            &body["iss"]
        ),
        (
            &json!(true),
            &json!("app"),
            &json!("orders:read"),
            &json!(ISSUER)
        )
    );
    assert_eq!(
        (&body["iat"], &body["exp"]),
        (&json!(NOW), &json!(NOW + 600))
    );
    assert_eq!(body["token_type"], "Bearer");
    bench.gateway.advance(Duration::from_mins(10));
    let none = json!({ "active": false });
    assert_eq!(introspect(&bench, &access).send().await.json(), none);
    // A refresh token is nobody's business but its client's.
    assert!(!is_active(&bench, &renewal).await);
}

/// I01, I02, I05
#[tokio::test]
async fn introspection_is_for_clients_that_prove_their_name_and_about_our_tokens() {
    let bench = house().await;
    let (access, _) = tokens(&redeem(&bench, &code(&bench).await).send().await);
    let form = [("token", access.as_str())];
    for (request, status) in [
        (bench.post("/oauth/introspect").form(&form), 401),
        (
            bench
                .post("/oauth/introspect")
                .form(&[("token", &*access), ("client_id", "app")]),
            401,
        ),
        (
            bench
                .post("/oauth/introspect")
                .form(&form)
                .basic("shop", "wrong"),
            401,
        ),
        (
            bench
                .post("/oauth/introspect")
                .form(&[])
                .basic("shop", SHOP_SECRET),
            400,
        ),
        (
            bench.get("/oauth/introspect").basic("shop", SHOP_SECRET),
            405,
        ),
    ] {
        assert_eq!(request.send().await.status, status);
    }
    let foreign = bench.token().sign();
    let tampered = format!("{access}x");
    let none = json!({ "active": false });
    for token in ["nothing", foreign.as_str(), tampered.as_str(), "a.b.c"] {
        let answer = introspect(&bench, token).send().await;
        assert_eq!(
            (answer.status, answer.json()),
            (200, none.clone()),
            "{token}"
        );
    }
}

/// I06: who asks for a JWT gets the answer signed, for itself and for no other purpose.
#[tokio::test]
async fn introspection_is_answered_signed_to_whoever_asks_so() {
    let bench = house().await;
    let (access, _) = tokens(&redeem(&bench, &code(&bench).await).send().await);
    let plain = introspect(&bench, &access).send().await.json();
    let signed = |accept: &str| introspect(&bench, &access).header("accept", accept).send();
    let answer = signed(INTROSPECTION_JWT).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some(INTROSPECTION_JWT));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let (header, claims) = verified(&bench, &answer.text()).await;
    assert_eq!(header["typ"], "token-introspection+jwt");
    assert_eq!(
        claims,
        json!({ "iss": ISSUER, "aud": "shop", "iat": NOW, "token_introspection": plain })
    );
    // Of a token that is worth nothing it says just that.
    let nothing = introspect(&bench, "nothing").header("accept", INTROSPECTION_JWT);
    let (_, claims) = verified(&bench, &nothing.send().await.text()).await;
    assert_eq!(claims["token_introspection"], json!({ "active": false }));
    // Whoever likes the plain answer better, or takes any, gets that one.
    for accept in [
        "application/json",
        "*/*",
        "application/json, application/token-introspection+jwt;q=0.5",
        "application/token-introspection+jwt;q=0",
    ] {
        assert_eq!(signed(accept).await.json(), plain, "{accept}");
    }
    let either = signed("text/html, Application/Token-Introspection+JWT, application/json;q=0.9");
    assert_eq!(either.await.header("content-type"), Some(INTROSPECTION_JWT));
    // I01, I05: a refusal is no statement.
    let form = [("token", &*access)];
    let stranger = bench.post("/oauth/introspect").form(&form);
    let stranger = stranger.basic("shop", "wrong");
    let refused = stranger.header("accept", INTROSPECTION_JWT).send().await;
    oauth_error(&refused, "invalid_client");
}

/// W12, W11, JW-08: what is signed by the same key for another purpose is no access token, though it says the same issuer,
/// and, as its client is called so, the same audience.
#[tokio::test]
async fn a_signed_introspection_opens_no_route() {
    let bench = house().await;
    let (access, _) = tokens(&redeem(&bench, &code(&bench).await).send().await);
    let opens = async |token: &str| {
        let answer = bench.get("/orders/7").bearer(token).send().await;
        answer.status
    };
    assert_eq!(opens(&access).await, 200);
    let form = [
        ("token", &*access),
        ("client_id", ISSUER),
        ("client_secret", SHOP_SECRET),
    ];
    let asked = bench.post("/oauth/introspect").form(&form);
    let statement = asked.header("accept", INTROSPECTION_JWT).send().await;
    assert_eq!(statement.status, 200, "{}", statement.text());
    let statement = statement.text();
    let (_, claims) = verified(&bench, &statement).await;
    assert_eq!(
        (&claims["iss"], &claims["aud"]),
        (&json!(ISSUER), &json!(ISSUER))
    );
    bench
        .refuses(bench.get("/orders/7").bearer(&statement))
        .await;
    // Nor is it a token to be asked about, renewed or taken back.
    assert!(!is_active(&bench, &statement).await);
    oauth_error(
        &refresh(&bench, &statement, &[]).send().await,
        "invalid_grant",
    );
    let revoked = bench.post("/oauth/revoke");
    let revoked = revoked.form(&[("token", &*statement), ("client_id", "app")]);
    assert_eq!(revoked.send().await.status, 200);
    assert_eq!(opens(&access).await, 200);
}

/// Header and claims of a JWT, once its signature was found to be that of a published key.
async fn verified(bench: &Bench, jwt: &str) -> (Value, Value) {
    let keys = bench.get("/oauth/jwks").send().await;
    let keys = KeySet::read(&keys.body, &Algorithm::ALL).unwrap();
    let claims = tollgate::verify::jwt::verify(jwt, &keys).unwrap();
    let header = BASE64_URL_SAFE_NO_PAD.decode(jwt.split('.').next().unwrap());
    (
        serde_json::from_slice(&header.unwrap()).unwrap(),
        serde_json::from_slice(&claims).unwrap(),
    )
}

/// V01, V02, V03, V04, V05, V07.
#[tokio::test]
async fn a_revoked_token_takes_its_session_along_at_once() {
    let bench = house().await;
    let revoke = |token: &str, more: &[(&str, &str)]| {
        let mut form = vec![("token", token)];
        form.extend(more);
        bench.post("/oauth/revoke").form(&form)
    };
    let app = ("client_id", "app");
    for hint in [
        None,
        Some("refresh_token"),
        Some("access_token"),
        Some("saml"),
    ] {
        let (access, renewal) = tokens(&redeem(&bench, &code(&bench).await).send().await);
        // V02: nobody else's.
        let other = revoke(&renewal, &[("client_id", "other")]).send().await;
        assert!(matches!(other.status, 200 | 400), "{}", other.text());
        assert!(is_active(&bench, &access).await);
        oauth_error(&revoke(&renewal, &[]).send().await, "invalid_client");
        oauth_error(
            &revoke(&renewal, &[("client_id", "nobody")]).send().await,
            "invalid_client",
        );
        let mut more = vec![app];
        more.extend(hint.map(|hint| ("token_type_hint", hint)));
        let answer = revoke(&renewal, &more).send().await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(!is_active(&bench, &access).await);
        bench.refuses(bench.get("/orders/7").bearer(&access)).await;
        oauth_error(
            &refresh(&bench, &renewal, &[]).send().await,
            "invalid_grant",
        );
        assert_eq!(revoke(&renewal, &more).send().await.status, 200);
    }
    let (access, _) = tokens(&redeem(&bench, &code(&bench).await).send().await);
    assert_eq!(revoke(&access, &[app]).send().await.status, 200);
    bench.refuses(bench.get("/orders/7").bearer(&access)).await;
    assert_eq!(revoke("nothing", &[app]).send().await.status, 200);
    oauth_error(
        &bench.post("/oauth/revoke").form(&[app]).send().await,
        "invalid_request",
    );
}

/// V06: while the store is away nothing is said to be revoked, and no page pretends to work.
#[tokio::test]
async fn without_the_store_nothing_is_acknowledged() {
    let bench = house().await;
    let code = code(&bench).await;
    let (_, renewal) = tokens(&redeem(&bench, &code).send().await);
    let mut ada = somebody(&bench);
    let page = ada.goes(&asking("")).await;
    bench.gateway.kept().store.close().await;
    for request in [
        bench
            .post("/oauth/revoke")
            .form(&[("token", &*renewal), ("client_id", "app")]),
        refresh(&bench, &renewal, &[]),
        redeem(&bench, &code),
    ] {
        let answer = request.send().await;
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert!(answer.header("retry-after").is_some());
        assert_eq!(answer.json()["error"], "temporarily_unavailable");
    }
    let refused = ada.signs_in(&page, "ada", PASSWORD).await;
    assert_eq!(refused.status, 503);
    assert!(refused.header("retry-after").is_some());
    guarded(&refused);
    bench.lives().await;
}

/// M01, M02, M03, M04, M05, S12, P07; and S03: a program can tell that PKCE will guard its answer.
#[tokio::test]
async fn metadata_says_what_is_enforced() {
    let bench = house().await;
    let between = bench
        .get("/.well-known/oauth-authorization-server/oauth")
        .send()
        .await;
    let suffix = bench
        .get("/oauth/.well-known/oauth-authorization-server")
        .send()
        .await;
    let body = between.json();
    assert_eq!(body, suffix.json());
    assert_eq!(body["issuer"], ISSUER);
    assert_eq!(
        body["authorization_endpoint"],
        format!("{ISSUER}/authorize")
    );
    assert_eq!(body["response_types_supported"], json!(["code"]));
    assert_eq!(body["response_modes_supported"], json!(["query"]));
    assert_eq!(body["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(
        body["authorization_response_iss_parameter_supported"],
        json!(true)
    );
    // I06
    assert_eq!(
        body["introspection_signing_alg_values_supported"],
        json!(["ES256"])
    );
    for (name, value) in body.as_object().unwrap() {
        assert_ne!(value, &json!([]), "{name}");
        if name.ends_with("_endpoint") || name == "jwks_uri" {
            let path = value
                .as_str()
                .unwrap()
                .strip_prefix("https://gw.test")
                .unwrap();
            let answer = bench.get(path).send().await;
            assert_ne!(answer.status, 404, "{name}");
        }
    }
    for grant in body["grant_types_supported"].as_array().unwrap() {
        let form = [("grant_type", grant.as_str().unwrap())];
        let answer = bench
            .post("/oauth/token")
            .form(&form)
            .basic("shop", SHOP_SECRET);
        let said = answer.send().await.text();
        assert!(!said.contains("unsupported_grant_type"), "{grant}: {said}");
    }
}

/// T03, T04, T05, T06, TK-08: who is asking, with a code.
#[tokio::test]
async fn a_client_proves_itself_in_one_way_or_gets_nothing() {
    let bench = house().await;
    let code = code_for(&bench, &format!("/oauth/authorize?{BANK}")).await;
    let fields = [
        ("code", &*code),
        ("redirect_uri", "https://bank.test/cb?tenant=1"),
    ];
    let with = |more: &[(&'static str, &'static str)]| {
        let mut all = fields.to_vec();
        all.extend(more);
        redeeming(&bench, &all)
    };
    let secret = ("client_secret", SHOP_SECRET);
    let two = with(&[secret]).basic("bank", SHOP_SECRET);
    oauth_error(&two.send().await, "invalid_request");
    let other = with(&[("client_id", "app")]).basic("bank", SHOP_SECRET);
    oauth_error(&other.send().await, "invalid_request");
    let unproven = with(&[("client_id", "bank")]).send().await;
    oauth_error(&unproven, "invalid_client");
    let wrong = with(&[]).basic("bank", "wrong").send().await;
    oauth_error(&wrong, "invalid_client");
    assert!(
        wrong
            .header("www-authenticate")
            .unwrap()
            .starts_with("Basic")
    );
    assert_eq!(bench.get("/oauth/token").send().await.status, 405);
    // A public client has no secret that could be right.
    let public = redeeming(&bench, &[("code", &*code), ("client_id", "app"), secret]);
    oauth_error(&public.send().await, "invalid_client");
    // None of these has spent the code.
    let good = with(&[("client_id", "bank"), secret]).send().await;
    assert_eq!(good.status, 200, "{}", good.text());
}

#[tokio::test]
async fn consent_is_remembered_for_a_person_a_client_and_its_scopes() {
    let bench = house().await;
    let mut ada = somebody(&bench);
    let question = ada
        .arrives_as(&asking("scope=orders%3Aread"), "ada", PASSWORD)
        .await;
    assert_eq!(ada.answers(&question, "allow").await.status, 303);
    let again = ada.goes(&asking("scope=orders%3Aread")).await;
    assert!(told(&again, "code").is_some());
    let silent = ada.goes(&asking("scope=orders%3Aread&prompt=none")).await;
    assert!(told(&silent, "code").is_some());
    // More than before is asked about, and so is what the program wants asked about.
    assert_eq!(ada.goes(&asking("scope=orders%3Awrite")).await.status, 200);
    is_told(
        &ada.goes(&asking("scope=orders%3Awrite&prompt=none")).await,
        "consent_required",
    );
    let asked = ada
        .goes(&asking("scope=orders%3Aread&prompt=consent"))
        .await;
    assert_eq!(asked.status, 200);
    assert!(told(&ada.answers(&asked, "allow").await, "code").is_some());
    // The other browser of the same person is not asked either.
    let elsewhere = somebody(&bench)
        .arrives_as(&asking("scope=orders%3Aread"), "ada", PASSWORD)
        .await;
    assert!(told(&elsewhere, "code").is_some());
    // A trusted client never asks.
    let bank = ada.goes(&format!("/oauth/authorize?{BANK}&state=z")).await;
    assert!(location(&bank).starts_with("https://bank.test/cb?tenant=1&code="));
}

/// S24: where another program of the person's machine could get the answer, what was agreed to before is not taken for
/// agreement (RFC 8252 §8.6).
#[tokio::test]
async fn a_program_that_another_can_pass_for_is_agreed_to_every_time() {
    let bench = house().await;
    let at = |client: &str, uri: &str, more: &str| {
        let uri = form_urlencoded::byte_serialize(uri.as_bytes()).collect::<String>();
        format!(
            "/oauth/authorize?response_type=code&client_id={client}&redirect_uri={uri}&{PKCE}{more}"
        )
    };
    let mut ada = somebody(&bench);
    let question = ada.arrives_as(&asking(""), "ada", PASSWORD).await;
    assert!(told(&ada.answers(&question, "allow").await, "code").is_some());
    for uri in ["http://127.0.0.1:49152/cb", "app.test:/cb"] {
        for _ in 0..2 {
            let question = ada.goes(&at("app", uri, "")).await;
            assert_eq!(question.status, 200, "{}", question.text());
            let answer = ada.answers(&question, "allow").await;
            assert!(told(&answer, "code").is_some(), "{uri}");
        }
        let silent = ada.goes(&at("app", uri, "&prompt=none")).await;
        assert_eq!(told(&silent, "error").as_deref(), Some("consent_required"));
    }
    // A site over TLS is its owner's, and what the operator trusts is not asked about.
    assert!(told(&ada.goes(&asking("")).await, "code").is_some());
    for uri in ["http://127.0.0.1/cb", "https://bank.test/cb?tenant=1"] {
        let answer = ada.goes(&at("bank", uri, "")).await;
        assert!(told(&answer, "code").is_some(), "{uri}");
    }
}

#[tokio::test]
async fn a_person_who_does_not_agree_goes_back_without_a_code() {
    let bench = house().await;
    let mut ada = somebody(&bench);
    let question = ada.arrives_as(&asking(""), "ada", PASSWORD).await;
    let answer = ada.answers(&question, "deny").await;
    is_told(&answer, "access_denied");
    assert_eq!(told(&answer, "state").as_deref(), Some("s&1"));
    // And is asked again the next time.
    assert_eq!(ada.goes(&asking("")).await.status, 200);
}

#[tokio::test]
async fn a_wrong_password_an_unknown_name_and_a_disabled_account_look_alike() {
    let bench = house().await;
    let accounts = &bench.gateway.kept().accounts;
    let now = Timestamp::from_seconds(NOW);
    accounts
        .register("oauth", "eve", Secret::new(PASSWORD), now)
        .await
        .unwrap();
    accounts
        .set_status("oauth", "eve", Status::Disabled)
        .await
        .unwrap();
    let mut pages = Vec::new();
    for (name, password) in [
        ("ada", "nonsense-1"),
        ("bob", PASSWORD),
        ("eve", PASSWORD),
        ("ada", ""),
        ("a\0", "x"),
    ] {
        let mut person = somebody(&bench);
        let page = person.goes(&asking("")).await;
        let answer = person.signs_in(&page, name, password).await;
        assert_eq!(answer.status, 303, "{}", answer.text());
        let again = person.goes(location(&answer)).await;
        assert_eq!(again.status, 200);
        assert!(again.text().contains("role=\"alert\""), "{}", again.text());
        assert!(!again.text().contains(password) || password.is_empty() || password == "x");
        let (_, mark) = form(&again, "sign_in");
        let name = format!("value=\"{name}\"");
        pages.push(again.text().replace(&mark, "").replace(&name, "value=\"\""));
        // It is said once: whoever reloads sees a fresh page.
        assert!(
            !person
                .goes(location(&answer))
                .await
                .text()
                .contains("role=\"alert\"")
        );
    }
    let first = pages[0].replace(" autofocus", "");
    for page in &pages[..3] {
        assert_eq!(page.replace(" autofocus", ""), first);
    }
}

/// The digits are asked for only once the password was right, and are good once.
#[tokio::test]
async fn a_second_factor_is_asked_for_after_the_password() {
    let bench = house().await;
    let factors = bench.gateway.kept().mint.second_factors();
    let uri = factors.enable("oauth", "ada").await.unwrap().unwrap();
    let shown = digits(uri.reveal(), NOW / 30);
    let asks = |page: &Answer| page.text().contains("one-time-code");
    let mut ada = somebody(&bench);
    let page = ada.goes(&asking("")).await;
    assert!(!asks(&page));
    let wrong = ada.signs_in(&page, "ada", "nonsense-1").await;
    let page = ada.goes(location(&wrong)).await;
    assert!(!asks(&page), "a stranger learns of no second factor");
    let right = ada.signs_in(&page, "ada", PASSWORD).await;
    let page = ada.goes(location(&right)).await;
    assert!(asks(&page), "{}", page.text());
    let (action, mark) = form(&page, "sign_in");
    let with = |digits| {
        [
            ("form", "sign_in"),
            ("mark", &*mark),
            ("name", "ada"),
            ("password", PASSWORD),
            ("digits", digits),
        ]
    };
    let wrong = ada.sends(&action, &with("12345")).await;
    assert!(asks(&ada.goes(location(&wrong)).await));
    let right = ada.sends(&action, &with(&shown)).await;
    let question = ada.goes(location(&right)).await;
    assert!(
        question.text().contains("Signed in as"),
        "{}",
        question.text()
    );
    // Somebody who looked over her shoulder comes too late.
    let mut eve = somebody(&bench);
    let page = eve.goes(&asking("")).await;
    let (action, mark) = form(&page, "sign_in");
    let mut late = with(&shown);
    late[1].1 = &mark;
    let refused = eve.sends(&action, &late).await;
    assert!(asks(&eve.goes(location(&refused)).await));
}

/// Forms count for the browser that was shown them, and for what they were about.
#[tokio::test]
async fn a_form_from_elsewhere_changes_nothing() {
    let bench = house().await;
    let mut ada = somebody(&bench);
    let question = ada.arrives_as(&asking(""), "ada", PASSWORD).await;
    let (action, mark) = form(&question, "consent");
    let allow = |mark| [("form", "consent"), ("mark", mark), ("answer", "allow")];
    let mut eve = somebody(&bench);
    let page = eve.goes(&asking("")).await;
    let (_, eves) = form(&page, "sign_in");
    for wrong in ["", "x", eves.as_str()] {
        let answer = ada.sends(&action, &allow(wrong)).await;
        assert_eq!(answer.status, 403, "{}", answer.text());
        assert_eq!(answer.header("location"), None);
        guarded(&answer);
    }
    // The mark is for this request alone.
    let other = asking("scope=orders%3Awrite");
    assert_eq!(ada.sends(&other, &allow(&mark)).await.status, 403);
    // The right form, sent by a page of another site.
    let cookie = ada.cookie.clone().unwrap();
    for site in ["cross-site", "same-site", "none"] {
        let forged = bench
            .post(&action)
            .form(&allow(&mark))
            .header("cookie", &cookie);
        let answer = forged.header("sec-fetch-site", site).send().await;
        assert_eq!(answer.status, 403);
    }
    let without = bench.post(&action).form(&allow(&mark)).send().await;
    assert_eq!(without.status, 403);
    // A login forced upon somebody: the mark of another browser.
    let mut bob = somebody(&bench);
    bob.goes(&asking("")).await;
    let forced = [
        ("form", "sign_in"),
        ("mark", &*eves),
        ("name", "ada"),
        ("password", PASSWORD),
    ];
    assert_eq!(bob.sends(&action, &forced).await.status, 403);
    assert!(told(&ada.answers(&question, "allow").await, "code").is_some());
}

#[tokio::test]
async fn going_back_and_sending_twice_does_no_harm() {
    let bench = house().await;
    let mut ada = somebody(&bench);
    let page = ada.goes(&asking("")).await;
    let signed_in = ada.signs_in(&page, "ada", PASSWORD).await;
    // The page from before is worth nothing, and does no harm: they are signed in.
    let again = ada.signs_in(&page, "ada", "nonsense").await;
    assert_eq!(
        (again.status, location(&again)),
        (303, location(&signed_in))
    );
    assert_eq!(again.header("set-cookie"), None);
    let question = ada.goes(location(&signed_in)).await;
    assert!(told(&ada.answers(&question, "allow").await, "code").is_some());
}

/// A form that says yes is worth one code: whoever clicks twice, or never saw the first answer, is sent on with the same
/// one, and nothing of theirs ends because of it.
#[tokio::test]
async fn agreeing_twice_by_one_form_gives_one_code() {
    let bench = house().await;
    let mut ada = somebody(&bench);
    let question = ada.arrives_as(&asking(""), "ada", PASSWORD).await;
    let (action, mark) = form(&question, "consent");
    let fields = [("form", "consent"), ("mark", &*mark), ("answer", "allow")];
    let mut clicks = Vec::new();
    for _ in 0..8 {
        let cookie = ada.cookie.clone().unwrap();
        let click = bench.post(&action).form(&fields).header("cookie", &cookie);
        clicks.push(click.send());
    }
    let answers = futures_util::future::join_all(clicks).await;
    let codes: std::collections::BTreeSet<_> = answers
        .iter()
        .map(|answer| told(answer, "code").unwrap_or_else(|| panic!("{}", answer.text())))
        .collect();
    assert_eq!(codes.len(), 1, "{codes:?}");
    let code = codes.into_iter().next().unwrap();
    let (access, _) = tokens(&redeem(&bench, &code).send().await);
    // Once it was used the form is too: they begin anew, and the program keeps what it has.
    let again = ada.sends(&action, &fields).await;
    assert_eq!((again.status, location(&again)), (303, &*action));
    let other = told(&ada.goes(&action).await, "code").unwrap();
    assert_ne!(other, code);
    assert!(is_active(&bench, &access).await);
    // So it is when nobody used it in its minute.
    let question = ada.goes(&asking("prompt=consent")).await;
    let (action, mark) = form(&question, "consent");
    let fields = [("form", "consent"), ("mark", &*mark), ("answer", "allow")];
    let unused = told(&ada.sends(&action, &fields).await, "code").unwrap();
    bench.gateway.advance(Duration::from_secs(59));
    let same = told(&ada.sends(&action, &fields).await, "code").unwrap();
    assert_eq!(same, unused);
    bench.gateway.advance(Duration::from_secs(1));
    let late = ada.sends(&action, &fields).await;
    assert_eq!((late.status, location(&late)), (303, &*action));
    oauth_error(&redeem(&bench, &unused).send().await, "invalid_grant");
    // What had been used ends what it began when it comes back, for as long as the form could (S14).
    oauth_error(&redeem(&bench, &code).send().await, "invalid_grant");
    assert!(!is_active(&bench, &access).await);
}

#[tokio::test]
async fn somebody_stays_signed_in_until_they_leave_are_away_or_their_account_changes() {
    let bench = house().await;
    let accounts = &bench.gateway.kept().accounts;
    let is_asked = |page: &Answer| page.text().contains("name=\"password\"");
    let mut ada = somebody(&bench);
    ada.arrives_as(&asking(""), "ada", PASSWORD).await;
    bench.gateway.advance(Duration::from_mins(59));
    let question = ada.goes(&asking("")).await;
    assert!(!is_asked(&question));
    bench.gateway.advance(Duration::from_mins(59));
    let later = ada.goes(&asking("")).await;
    assert!(!is_asked(&later));
    // prompt=login asks whoever is signed in, once.
    let asked = ada.goes(&asking("prompt=login")).await;
    assert!(is_asked(&asked));
    let signed_in = ada.signs_in(&asked, "ada", PASSWORD).await;
    assert!(!is_asked(&ada.goes(location(&signed_in)).await));
    // Somebody else sits down.
    let question = ada.goes(&asking("")).await;
    let (action, mark) = form(&question, "sign_out");
    let left = ada
        .sends(&action, &[("form", "sign_out"), ("mark", &mark)])
        .await;
    assert_eq!(left.status, 303);
    assert!(is_asked(&ada.goes(location(&left)).await));
    // Away for too long.
    let question = ada.arrives_as(&asking(""), "ada", PASSWORD).await;
    bench.gateway.advance(Duration::from_hours(1));
    let answer = ada.answers(&question, "allow").await;
    assert!(location(&answer).starts_with("/oauth/authorize?"));
    assert!(is_asked(&ada.goes(&asking("")).await));
    // Another password, or a disabled account, ends it everywhere.
    ada.arrives_as(&asking(""), "ada", PASSWORD).await;
    accounts
        .set_password("oauth", "ada", Secret::new("another one"))
        .await
        .unwrap();
    assert!(is_asked(&ada.goes(&asking("")).await));
    ada.arrives_as(&asking(""), "ada", "another one").await;
    accounts
        .set_status("oauth", "ada", Status::Disabled)
        .await
        .unwrap();
    assert!(is_asked(&ada.goes(&asking("")).await));
    // A cookie that is not ours is none.
    ada.cookie = Some("__Host-tollgate-oauth=AAAA".to_owned());
    assert!(is_asked(&ada.goes(&asking("")).await));
}

/// What a person may not do, a program cannot do for them.
#[tokio::test]
async fn a_person_passes_on_only_what_they_may_do_themselves() {
    let bench = house().await;
    bench
        .gateway
        .set_scopes("oauth", "ada", "orders:write")
        .await;
    let code = code_for(&bench, &asking("scope=orders%3Aread%20orders%3Awrite")).await;
    let issued = redeem(&bench, &code).send().await;
    // T16
    assert_eq!(issued.json()["scope"], "orders:write");
    let mut ada = somebody(&bench);
    let question = ada
        .arrives_as(&asking("scope=orders%3Aread"), "ada", PASSWORD)
        .await;
    let answer = match question.status {
        303 => question,
        _ => ada.answers(&question, "allow").await,
    };
    is_told(&answer, "access_denied");
}

/// A code that was given is worth nothing once the account is disabled or has another password.
#[tokio::test]
async fn a_code_of_an_account_that_changed_is_refused() {
    let bench = house().await;
    let code = code(&bench).await;
    let accounts = &bench.gateway.kept().accounts;
    accounts
        .set_status("oauth", "ada", Status::Disabled)
        .await
        .unwrap();
    oauth_error(&redeem(&bench, &code).send().await, "invalid_grant");
}

#[tokio::test]
async fn the_pages_take_only_what_they_serve() {
    let bench = house().await;
    let path = asking("");
    let answer = bench
        .client()
        .request(http::Method::PUT, &path)
        .send()
        .await;
    assert_eq!(
        (answer.status, answer.header("allow")),
        (405, Some("GET, HEAD, POST"))
    );
    let large = bench.post(&path).body("x".repeat(20_000)).send().await;
    assert_eq!(large.status, 400);
    let head = bench
        .client()
        .request(http::Method::HEAD, &path)
        .send()
        .await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    let faulty = bench
        .get("/oauth/authorize?client_id=%3Cscript%3E&redirect_uri=x")
        .send()
        .await;
    assert!(!faulty.text().contains("<script"), "{}", faulty.text());
    bench.lives().await;
}

/// Z01, S11, T03: a client proves itself by a JWT it signed, once.
#[tokio::test]
async fn a_client_proves_itself_by_a_jwt_that_is_good_once() {
    let signer = "\n[client.signer]\nauth = \"private_key_jwt\"\njwks = \"b.jwks.json\"\nscopes = [\"orders:read\"]\n";
    let bench = Bench::with(&(MORE.to_owned() + signer)).await;
    let good = |id: &str| json!({ "iss": "signer", "sub": "signer", "aud": ISSUER, "iat": NOW, "exp": NOW + 60, "jti": id });
    let ask = |assertion: &str| {
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        let form = [
            ("grant_type", "client_credentials"),
            ("client_assertion_type", kind),
            ("client_assertion", assertion),
        ];
        bench.post("/oauth/token").form(&form)
    };
    let key = &keys::b().p256;
    let first = signed(key, &good("1"));
    let answer = ask(&first).send().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    oauth_error(&ask(&first).send().await, "invalid_client");
    assert_eq!(ask(&signed(key, &good("2"))).send().await.status, 200);
    let with = |name: &str, value: Value| {
        let mut claims = good(&format!("{name}{value}"));
        claims[name] = value;
        signed(key, &claims)
    };
    for wrong in [
        with("aud", json!("https://elsewhere.test")),
        with("exp", json!(NOW)),
        with("iss", json!("shop")),
        with("sub", json!("shop")),
        with("jti", Value::Null),
        signed(&keys::a().p256, &good("3")),
    ] {
        oauth_error(&ask(&wrong).send().await, "invalid_client");
    }
    // Its name alone, or a secret, proves nothing.
    let grant = ("grant_type", "client_credentials");
    for fields in [
        vec![grant, ("client_id", "signer")],
        vec![
            grant,
            ("client_id", "signer"),
            ("client_secret", SHOP_SECRET),
        ],
    ] {
        let answer = bench.post("/oauth/token").form(&fields).send().await;
        oauth_error(&answer, "invalid_client");
    }
}

fn signed(key: &keys::Key, claims: &Value) -> String {
    let header = json!({ "alg": key.algorithm, "kid": key.kid });
    let part = |value: &Value| keys::base64url(value.to_string());
    let message = format!("{}.{}", part(&header), part(claims));
    let signature = keys::base64url(key.sign(message.as_bytes()));
    format!("{message}.{signature}")
}
