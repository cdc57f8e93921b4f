//! Sessions of our own that are renewed: by OAuth 2.0, over the wire (RFC 6749 §6, RFC 9700 §4.14.2).

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::Value;
use tollgate::issue::{Issued, Opening};
use tollgate::store::Account;
use tollgate::token::{Scope, Secret, Timestamp};

use crate::harness::{
    bench::Bench,
    exchange::{Answer, Request},
    issuer::NOW,
    tollgate::SHOP_SECRET,
};

/// A token endpoint with a client that proves itself, another one, and one that cannot; and a route that takes their
/// tokens.
pub(crate) const SESSIONS: &str = r#"
[dialect.oauth]
speak = "oauth2"
path = "/oauth"
hosts = ["gw.test"]

[client.shop]
secret = { file = "shop.secret" }
grants = ["client_credentials", "refresh_token"]
scopes = ["orders:read orders:write"]

[client.kiosk]
secret = { literal = "kiosk secret" }
grants = ["client_credentials", "refresh_token"]
scopes = ["orders:read orders:write"]

[client.app]
auth = "none"
grants = ["refresh_token"]
scopes = ["orders:read orders:write"]

[route.orders]
hosts = ["gw.test"]
path = "/orders/**"
upstream = "u1"
issuers = ["oauth"]
"#;

/// Opens a session for a new account, as somebody who logs in would.
pub(crate) async fn open(bench: &Bench, name: &str, client: &str) -> (Account, Issued) {
    let kept = bench.gateway.kept();
    let now = Timestamp::from_seconds(NOW);
    let password = Secret::new("a password");
    let account = kept.accounts.register("oauth", name, password, now).await;
    let account = account.unwrap();
    let opening = Opening {
        account: Some(&account),
        client,
        scope: Scope::parse("orders:read orders:write").unwrap(),
        continues: None,
        grant: "authorization_code",
    };
    let sessions = kept.mint.sessions();
    let opened = sessions.open(&opening, kept.mounts["oauth"].issuer(), now);
    let tokens = opened.await.unwrap();
    (account, tokens)
}

pub(crate) fn key(issued: &Issued) -> String {
    issued.refresh_token.as_ref().unwrap().reveal().to_owned()
}

/// A refresh by a client; the public one only names itself.
pub(crate) fn refresh(bench: &Bench, client: &str, token: &str) -> Request {
    let mut form = vec![("grant_type", "refresh_token"), ("refresh_token", token)];
    let request = bench.post("/oauth/token");
    match client {
        "shop" => request.form(&form).basic("shop", SHOP_SECRET),
        "kiosk" => request.form(&form).basic("kiosk", "kiosk secret"),
        public => {
            form.push(("client_id", public));
            request.form(&form)
        }
    }
}

async fn renewed(bench: &Bench, client: &str, token: &str) -> Value {
    let answer = refresh(bench, client, token).send().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    answer.json()
}

async fn refused(bench: &Bench, client: &str, token: &str) {
    invalid_grant(&refresh(bench, client, token).send().await);
}

/// `OE:invalid_grant`
fn invalid_grant(answer: &Answer) {
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert_eq!(answer.json()["error"], "invalid_grant");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

fn text<'a>(body: &'a Value, name: &str) -> &'a str {
    body[name].as_str().unwrap()
}

pub(crate) async fn status(bench: &Bench, access_token: &str) -> u16 {
    let request = bench.get("/orders/1").bearer(access_token);
    request.send().await.status
}

/// T01, S08
#[tokio::test]
async fn a_refresh_token_is_renewed_with_every_use() {
    let bench = Bench::with(SESSIONS).await;
    let (_, first) = open(&bench, "ada", "app").await;
    let second = renewed(&bench, "app", &key(&first)).await;
    assert_ne!(text(&second, "refresh_token"), key(&first));
    assert_eq!(second["expires_in"], 600);
    assert_eq!(second["scope"], "orders:read orders:write");
    let third = renewed(&bench, "app", text(&second, "refresh_token")).await;
    for token in [&second, &third] {
        assert_eq!(status(&bench, text(token, "access_token")).await, 200);
    }
}

/// TK-04, S19: nobody knows which of the two who hold it is the thief, so both are out.
#[tokio::test]
async fn tk_04_a_public_clients_spent_token_ends_the_session() {
    let bench = Bench::with(SESSIONS).await;
    let (_, first) = open(&bench, "ada", "app").await;
    let second = renewed(&bench, "app", &key(&first)).await;
    let access = text(&second, "access_token");
    assert_eq!(status(&bench, access).await, 200, "the answer has arrived");
    bench.gateway.advance(Duration::from_secs(11));
    refused(&bench, "app", &key(&first)).await;
    refused(&bench, "app", text(&second, "refresh_token")).await;
    let answer = bench.refuses(bench.get("/orders/1").bearer(access)).await;
    let challenge = answer.header("www-authenticate").unwrap();
    assert!(challenge.contains("invalid_token"), "{challenge}");
    assert_eq!(status(&bench, first.access_token.reveal()).await, 401);
}

#[tokio::test]
async fn an_answer_that_never_arrived_is_given_again() {
    let bench = Bench::with(SESSIONS).await;
    let (_, first) = open(&bench, "ada", "app").await;
    let lost = renewed(&bench, "app", &key(&first)).await;
    bench.gateway.advance(Duration::from_mins(5));
    let again = renewed(&bench, "app", &key(&first)).await;
    assert_eq!(again["refresh_token"], lost["refresh_token"]);
    assert_eq!(status(&bench, text(&again, "access_token")).await, 200);
}

/// TK-03: with the windows open, all who ask at the same time hear the same.
#[tokio::test]
async fn tk_03_of_fifty_at_once_all_hear_of_one_successor() {
    let bench = Bench::with(SESSIONS).await;
    let (_, mut issued) = open(&bench, "ada", "app").await;
    for _ in 0..2 {
        let key = key(&issued);
        let asked = (0..50).map(|_| refresh(&bench, "app", &key).send());
        let answers = join_all(asked).await;
        assert!(answers.iter().all(|answer| answer.status == 200));
        let bodies: Vec<_> = answers.iter().map(Answer::json).collect();
        let one = &bodies[0]["refresh_token"];
        assert!(bodies.iter().all(|body| body["refresh_token"] == *one));
        issued.refresh_token = Some(Secret::new(one.as_str().unwrap()));
    }
}

/// TK-03: with the windows closed, one wins.
#[tokio::test]
async fn tk_03_of_fifty_at_once_one_wins_where_windows_are_closed() {
    let strict =
        "[dialect.oauth]\nrefresh = { race = \"0s\", lost = \"0s\", on_replay = \"refuse\" }\n";
    let bench = Bench::with(&SESSIONS.replace("[dialect.oauth]\n", strict)).await;
    let (_, issued) = open(&bench, "ada", "app").await;
    let key = key(&issued);
    let answers = join_all((0..50).map(|_| refresh(&bench, "app", &key).send())).await;
    let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert_eq!(won.len(), 1);
    lost.into_iter().for_each(invalid_grant);
    renewed(&bench, "app", text(&won[0].json(), "refresh_token")).await;
}

/// TK-07, T11
#[tokio::test]
async fn tk_07_another_clients_refresh_token_is_worth_nothing() {
    let bench = Bench::with(SESSIONS).await;
    let (_, issued) = open(&bench, "ada", "shop").await;
    for other in ["kiosk", "app"] {
        refused(&bench, other, &key(&issued)).await;
    }
    renewed(&bench, "shop", &key(&issued)).await;
}

/// T10
#[tokio::test]
async fn a_narrower_scope_is_for_one_token_and_a_wider_one_for_none() {
    let bench = Bench::with(SESSIONS).await;
    let (_, issued) = open(&bench, "ada", "app").await;
    let form = |token: &str, scope: &str| {
        bench.post("/oauth/token").form(&[
            ("grant_type", "refresh_token"),
            ("client_id", "app"),
            ("refresh_token", token),
            ("scope", scope),
        ])
    };
    let wider = form(&key(&issued), "orders:read admin").send().await;
    assert_eq!(wider.json()["error"], "invalid_scope");
    let narrow = form(&key(&issued), "orders:read").send().await.json();
    assert_eq!(narrow["scope"], "orders:read");
    let whole = renewed(&bench, "app", text(&narrow, "refresh_token")).await;
    assert_eq!(whole["scope"], "orders:read orders:write");
}

/// S20
#[tokio::test]
async fn a_session_nobody_uses_ends_by_itself() {
    let bench = Bench::with(SESSIONS).await;
    let (_, issued) = open(&bench, "ada", "app").await;
    bench.gateway.advance(Duration::from_hours(14 * 24));
    refused(&bench, "app", &key(&issued)).await;
}

#[tokio::test]
async fn what_is_no_refresh_token_is_refused_and_changes_nothing() {
    let bench = Bench::with(SESSIONS).await;
    let (_, issued) = open(&bench, "ada", "app").await;
    let real = key(&issued);
    let other = if real.ends_with('A') { "B" } else { "A" };
    let altered = format!("{}{other}", &real[..real.len() - 1]);
    let access = issued.access_token.reveal();
    for wrong in [
        "x",
        "tgrt_",
        &real[..real.len() - 1],
        &altered,
        &format!("{real}="),
        &format!("{real}A"),
        &real.replace("tgrt_", "tgat_"),
        access,
        "a\u{0}b",
        &"A".repeat(30_000),
    ] {
        let answer = refresh(&bench, "app", wrong).send().await;
        assert_eq!(answer.status, 400, "{wrong:.40}: {}", answer.text());
    }
    renewed(&bench, "app", &real).await;
}
