//! Hubler, row by row.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tollgate::{issue::NewAccount, token::Secret};

use super::file;
use crate::harness::{
    exchange::{Answer, Client, Request},
    tollgate::Tollgate,
    upstream::Upstream,
};

const FILE: &str = r#"
[dialect.crew]
speak = "hubler"
hosts = ["crew.test"]
@more@

[route.api]
hosts = ["crew.test"]
path = "/api/**"
upstream = "up"
issuers = ["crew"]
forward = { identity = { x-account = "account", x-user = "user" } }

[route.own]
hosts = ["crew.test"]
path = "/api/own/**"
upstream = "up"
issuers = ["crew"]
require = { claims = { user = [] } }
"#;

const ACCOUNT: &str = "5723073937d63a18396a1bae";
const OTHER: &str = "5723073937d63a18396a1bff";
const USER: &str = "0123456789abcdef01234567";
const STRANGER: &str = "0123456789abcdef01234568";
const SECRET: &str = "hubble";

/// A gateway that speaks as Hubler does, with two accounts of one member each, and an upstream behind it.
struct Crew {
    gateway: Tollgate,
    up: Upstream,
}

impl Crew {
    async fn start() -> Self {
        Self::with("").await
    }

    async fn with(more: &str) -> Self {
        let up = Upstream::start().await;
        let file = file(FILE, &up).replace("@more@", more);
        let gateway = Tollgate::start(&file).await;
        for (name, owner) in [
            (ACCOUNT, None),
            (OTHER, None),
            (USER, Some(ACCOUNT)),
            (STRANGER, Some(OTHER)),
        ] {
            let account = NewAccount {
                name: name.to_owned(),
                password: owner.is_none().then(|| Secret::new(SECRET)),
                owner: owner.map(str::to_owned),
                ..NewAccount::default()
            };
            gateway.add_account("crew", account).await;
        }
        Self { gateway, up }
    }

    fn client(&self) -> Client {
        self.gateway.client().named("crew.test")
    }

    async fn ask(&self, body: &Value) -> Answer {
        let request = self.client().post("/public-api/auth/");
        request.json(body).send().await
    }

    async fn raw(&self, body: &str) -> Answer {
        let request = self.client().post("/public-api/auth/");
        let request = request.header("content-type", "application/json");
        request.body(body.to_owned()).send().await
    }

    async fn token(&self) -> String {
        token(
            &self
                .ask(&json!({ "account": ACCOUNT, "secret": SECRET }))
                .await,
        )
    }

    fn api(&self, path: &str) -> Request {
        self.client().get(path)
    }

    async fn opens(&self, token: &str) -> u16 {
        self.api("/api/x").bearer(token).send().await.status
    }
}

fn token(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let body = answer.json();
    assert_eq!(body["status"], "success");
    let token = body["token"].as_str().unwrap();
    assert!(!token.is_empty());
    token.to_owned()
}

/// Refused with this status, as the caller's mistake; the sentence is returned.
fn invalid(answer: &Answer, status: u16) -> String {
    let body = answer.json();
    assert_eq!(
        (answer.status, &body["error"]),
        (status, &json!("Validation")),
        "{body}"
    );
    assert_eq!(body.as_object().unwrap().len(), 2);
    body["error_description"].as_str().unwrap().to_owned()
}

/// HB-1, HB-2
#[tokio::test]
async fn hb_01_hb_02_an_account_gets_a_token_for_its_secret() {
    let crew = Crew::start().await;
    for name in ["account", "accountid"] {
        let token = token(&crew.ask(&json!({ name: ACCOUNT, "secret": SECRET })).await);
        assert_eq!(crew.opens(&token).await, 200);
        let seen = crew.up.last();
        assert_eq!(seen.alike("x-account"), [ACCOUNT]);
        assert!(seen.alike("x-user").is_empty());
    }
}

/// HB-3, H-14, H-20, H-23
#[tokio::test]
async fn hb_03_a_member_is_named_beside_its_account() {
    let crew = Crew::start().await;
    let asked = json!({ "account": ACCOUNT, "secret": SECRET, "user_id": USER.to_uppercase() });
    let members = token(&crew.ask(&asked).await);
    assert_eq!(crew.opens(&members).await, 200);
    let seen = crew.up.last();
    assert_eq!(
        (seen.alike("x-account"), seen.alike("x-user")),
        (vec![ACCOUNT], vec![USER])
    );
    let nobodys = json!({ "account": ACCOUNT, "secret": SECRET, "user_id": null });
    let accounts = token(&crew.ask(&nobodys).await);
    for (token, status) in [(members, 200), (accounts, 403)] {
        let answer = crew.api("/api/own/x").bearer(&token).send().await;
        assert_eq!(answer.status, status);
    }
}

#[tokio::test]
async fn hb_04_hb_05_what_is_missing_is_named() {
    let crew = Crew::start().await;
    let sentence = invalid(&crew.ask(&json!({ "secret": SECRET })).await, 400);
    assert!(sentence.contains("accountid"), "{sentence}");
    let sentence = invalid(&crew.ask(&json!({ "account": ACCOUNT })).await, 400);
    assert!(sentence.contains("secret"), "{sentence}");
}

#[tokio::test]
async fn hb_06_an_account_is_24_hexadecimal_digits() {
    let crew = Crew::start().await;
    for account in [
        json!("xyz"),
        json!("5723073937d63a18396a 1bae"),
        json!([ACCOUNT]),
        json!({ "$ne": null }),
        json!("5723073937d63a18396a1ba\0"),
    ] {
        let answer = crew
            .ask(&json!({ "account": account, "secret": SECRET }))
            .await;
        assert_eq!(invalid(&answer, 400), "The account must be object id.");
    }
}

#[tokio::test]
async fn hb_07_a_secret_is_text() {
    let crew = Crew::start().await;
    for secret in [json!(123), json!([SECRET]), json!({ "$gt": "" })] {
        let answer = crew
            .ask(&json!({ "account": ACCOUNT, "secret": secret }))
            .await;
        assert_eq!(invalid(&answer, 400), "The secret must be str");
    }
}

/// HB-8, HB-9, H-4: and a member is no account.
#[tokio::test]
async fn hb_08_hb_09_an_unknown_account_is_told_from_a_wrong_secret() {
    let crew = Crew::start().await;
    let wrong = |account: &str| json!({ "account": account, "secret": "wrong" });
    for unknown in ["ffffffffffffffffffffffff", USER] {
        let answer = crew.ask(&wrong(unknown)).await;
        assert_eq!(invalid(&answer, 400), "The account not found!");
    }
    let answer = crew.ask(&wrong(ACCOUNT)).await;
    assert_eq!(invalid(&answer, 401), "User authentication failed.");
    assert!(answer.header("www-authenticate").is_some());
    for secret in ["", "\0", &"x".repeat(5_000)] {
        let answer = crew
            .ask(&json!({ "account": ACCOUNT, "secret": secret }))
            .await;
        invalid(&answer, 401);
    }

    let hiding = Crew::with("hide_accounts = true").await;
    let unknown = hiding.ask(&wrong("ffffffffffffffffffffffff")).await;
    let known = hiding.ask(&wrong(ACCOUNT)).await;
    assert_eq!((unknown.status, &unknown.body), (401, &known.body));
}

#[tokio::test]
async fn hb_10_a_key_that_comes_twice_is_refused() {
    let crew = Crew::start().await;
    for body in [
        format!(r#"{{"account":"{ACCOUNT}","account":"{ACCOUNT}","secret":"{SECRET}"}}"#),
        format!(r#"{{"account":"{ACCOUNT}","accountid":"{OTHER}","secret":"{SECRET}"}}"#),
    ] {
        invalid(&crew.raw(&body).await, 400);
    }
}

#[tokio::test]
async fn hb_11_an_unknown_key_is_refused_where_the_operator_is_strict() {
    let asked = json!({ "account": ACCOUNT, "secret": SECRET, "scope": "all" });
    invalid(&Crew::start().await.ask(&asked).await, 400);
    token(&Crew::with("strict = false").await.ask(&asked).await);
}

/// HB-12, H-16, H-18
#[tokio::test]
async fn hb_12_what_is_no_json_object_has_no_account() {
    let crew = Crew::start().await;
    for body in ["[]", "{", "", "null", "\"x\"", "\0"] {
        let sentence = invalid(&crew.raw(body).await, 400);
        assert!(sentence.contains("accountid"), "{sentence}");
    }
    let form = [("account", ACCOUNT), ("secret", SECRET)];
    let post = |crew: &Crew| crew.client().post("/public-api/auth/").form(&form);
    invalid(&post(&crew).send().await, 400);
    let lenient = Crew::with("forms = true").await;
    token(&post(&lenient).send().await);
}

/// HB-13, H-12, H-13, H-14
#[tokio::test]
async fn hb_13_a_member_is_one_of_the_account() {
    let crew = Crew::start().await;
    let ask = async |user: Value| {
        let asked = json!({ "account": ACCOUNT, "secret": SECRET, "user_id": user });
        crew.ask(&asked).await
    };
    for user in ["zz", ""] {
        let sentence = invalid(&ask(json!(user)).await, 400);
        assert_eq!(sentence, "The user_id must be object id.");
    }
    for user in [STRANGER, OTHER, ACCOUNT, "ffffffffffffffffffffffff"] {
        let sentence = invalid(&ask(json!(user)).await, 401);
        assert_eq!(sentence, "User authentication failed.");
    }
    crew.gateway.disable("crew", USER).await;
    invalid(&ask(json!(USER)).await, 401);
}

#[tokio::test]
async fn hb_14_the_slash_at_the_end_may_be_left_out() {
    let crew = Crew::start().await;
    let request = crew.client().post("/public-api/auth");
    let asked = json!({ "account": ACCOUNT, "secret": SECRET });
    token(&request.json(&asked).send().await);
}

#[tokio::test]
async fn hb_15_another_verb_is_not_allowed() {
    let crew = Crew::start().await;
    for path in ["/public-api/auth/", "/public-api/auth"] {
        for method in [Method::GET, Method::DELETE] {
            let answer = crew.client().request(method, path).send().await;
            invalid(&answer, 405);
            assert_eq!(answer.header("allow"), Some("POST"));
        }
    }
}

/// HB-16, H-20: a header of the operator's choice too.
#[tokio::test]
async fn hb_16_a_token_travels_with_or_without_its_scheme() {
    let crew = Crew::with("token_header = \"X-Api-Token\"").await;
    let token = crew.token().await;
    for (name, value) in [
        ("authorization", format!("Bearer {token}")),
        ("authorization", token.clone()),
        ("x-api-token", token.clone()),
    ] {
        let answer = crew.api("/api/x").header(name, &value).send().await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(crew.up.last().alike(name).is_empty());
    }
}

#[tokio::test]
async fn hb_17_without_a_good_token_nothing_is_reached() {
    let crew = Crew::start().await;
    let token = crew.token().await;
    let mut tampered = token.clone();
    let last = if tampered.pop() == Some('A') {
        'B'
    } else {
        'A'
    };
    tampered.push(last);
    tampered.insert(tampered.len() / 2, 'x');
    invalid(&crew.api("/api/x").send().await, 401);
    invalid(&crew.api("/api/x").bearer(&tampered).send().await, 401);
    crew.gateway.advance(Duration::from_hours(1));
    let expired = crew.api("/api/x").bearer(&token).send().await;
    invalid(&expired, 401);
    let challenge = expired.header("www-authenticate").unwrap();
    assert!(challenge.starts_with("Bearer"), "{challenge}");
    assert!(crew.up.is_untouched());
}

/// HB-18, H-10
#[tokio::test]
async fn hb_18_a_store_that_is_gone_is_told_in_the_words_of_the_api() {
    let expected = json!({ "error": "Error", "error_description": "Error in storing secret!" });
    for (more, status) in [("", 400), ("server_errors = true", 500)] {
        let crew = Crew::with(more).await;
        crew.gateway.kept().store.close().await;
        let asked = json!({ "account": ACCOUNT, "secret": SECRET });
        let answer = crew.ask(&asked).await;
        assert_eq!((answer.status, answer.json()), (status, expected.clone()));
    }
}

/// HB-19, H-21
#[tokio::test]
async fn hb_19_a_new_token_does_not_end_the_one_before() {
    let crew = Crew::start().await;
    let (first, second) = (crew.token().await, crew.token().await);
    assert_ne!(first, second);
    for token in [first, second] {
        assert_eq!(crew.opens(&token).await, 200);
    }
}

/// HB-20, H-22: for the members of the account too.
#[tokio::test]
async fn hb_20_another_secret_ends_every_token_of_the_old_one() {
    let crew = Crew::start().await;
    let accounts = crew.token().await;
    let asked = json!({ "account": ACCOUNT, "secret": SECRET, "user_id": USER });
    let members = token(&crew.ask(&asked).await);
    let others = token(
        &crew
            .ask(&json!({ "account": OTHER, "secret": SECRET }))
            .await,
    );
    crew.gateway.set_password("crew", ACCOUNT, "another").await;
    for token in [&accounts, &members] {
        invalid(&crew.api("/api/x").bearer(token).send().await, 401);
    }
    assert_eq!(crew.opens(&others).await, 200);
    let old = crew
        .ask(&json!({ "account": ACCOUNT, "secret": SECRET }))
        .await;
    invalid(&old, 401);
    crew.gateway.advance(Duration::from_secs(2));
    let asked = json!({ "account": ACCOUNT, "secret": "another" });
    assert_eq!(crew.opens(&token(&crew.ask(&asked).await)).await, 200);
}

/// A member that is disabled has no tokens, and the account keeps its own.
#[tokio::test]
async fn a_disabled_members_tokens_end_alone() {
    let crew = Crew::start().await;
    let accounts = crew.token().await;
    let asked = json!({ "account": ACCOUNT, "secret": SECRET, "user_id": USER });
    let members = token(&crew.ask(&asked).await);
    crew.gateway.disable("crew", USER).await;
    assert_eq!(crew.opens(&members).await, 401);
    assert_eq!(crew.opens(&accounts).await, 200);
}

/// H-8, H-11
#[tokio::test]
async fn the_words_beside_a_token_are_the_operators() {
    let crew = Crew::with("status = \"ok\"\nexpires_in = true\ntokens = { access = \"5m\" }").await;
    let answer = crew
        .ask(&json!({ "account": ACCOUNT, "secret": SECRET }))
        .await;
    let body = answer.json();
    assert_eq!(
        (&body["status"], &body["expires_in"]),
        (&json!("ok"), &json!(300))
    );
}
