//! What is taken back: by its client (RFC 7009), by the operator, by another process; and who may ask (RFC 7662).

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tollgate::issue::Issued;
use tollgate::store::{Revocation, Revoked, Store, StoreSettings};
use tollgate::token::Timestamp;

use crate::harness::{
    bench::Bench,
    exchange::{Answer, Request},
    issuer::NOW,
    keys::decode_base64url,
    sockets::{Echo, Talk},
    soon,
    tollgate::SHOP_SECRET,
    upstream::{Reply, Valve},
};
use crate::refreshing::{SESSIONS, key, open, refresh, status};

fn about(bench: &Bench, what: &str, form: &[(&str, &str)]) -> Request {
    bench.post(&format!("/oauth/{what}")).form(form)
}

async fn revoke(bench: &Bench, token: &str, hint: Option<&str>) -> Answer {
    let mut form = vec![("token", token)];
    form.extend(hint.map(|hint| ("token_type_hint", hint)));
    let request = about(bench, "revoke", &form).basic("shop", SHOP_SECRET);
    request.send().await
}

async fn introspect(bench: &Bench, token: &str) -> Value {
    let request = about(bench, "introspect", &[("token", token)]);
    let answer = request.basic("kiosk", "kiosk secret").send().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// V01, V03, V04, V07: in this process before the answer, also for a token that the connection knows.
#[tokio::test]
async fn either_token_ends_the_session_before_the_answer_whatever_the_hint() {
    let bench = Bench::with(SESSIONS).await;
    let hints = [
        None,
        Some("access_token"),
        Some("refresh_token"),
        Some("unheard_of"),
    ];
    for (number, hint) in hints.into_iter().enumerate() {
        for by_access in [true, false] {
            let name = format!("ada {number} {by_access}");
            let (_, issued) = open(&bench, &name, "shop").await;
            let access = issued.access_token.reveal();
            let client = bench.client().http2();
            let mut session = client.session().await;
            for _ in 0..2 {
                let request = client.get("/orders/1").bearer(access);
                assert_eq!(session.send(request).await.status, 200);
            }
            let refresh_token = key(&issued);
            let token = if by_access { access } else { &refresh_token };
            let answer = revoke(&bench, token, hint).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            let request = client.get("/orders/1").bearer(access);
            let refusal = session.send(request).await;
            assert_eq!(
                (refusal.status, refusal.code().as_deref()),
                (401, Some("revoked"))
            );
            let renewal = refresh(&bench, "shop", &refresh_token).send().await;
            assert_eq!(renewal.json()["error"], "invalid_grant");
        }
    }
}

/// V02, V05
#[tokio::test]
async fn what_is_not_the_clients_own_is_left_alone_and_nothing_is_told() {
    let bench = Bench::with(SESSIONS).await;
    let (_, of_kiosk) = open(&bench, "ada", "kiosk").await;
    let (access, key) = (of_kiosk.access_token.reveal(), key(&of_kiosk));
    for token in [access, &key, "nothing", "a.b.c"] {
        let answer = revoke(&bench, token, None).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    assert_eq!(status(&bench, access).await, 200);
    let stranger = about(&bench, "revoke", &[("token", access)]);
    let answer = stranger.basic("kiosk", "wrong").send().await;
    assert_eq!(
        (answer.status, &answer.json()["error"]),
        (401, &json!("invalid_client"))
    );
    let nobody = about(&bench, "revoke", &[("token", access)]).send().await;
    assert_eq!(nobody.json()["error"], "invalid_client");
    assert_eq!(status(&bench, access).await, 200);
}

/// V05: again and again.
#[tokio::test]
async fn a_token_that_is_dead_is_revoked_as_well_as_any() {
    let bench = Bench::with(SESSIONS).await;
    let (_, issued) = open(&bench, "ada", "shop").await;
    for _ in 0..3 {
        let answer = revoke(&bench, issued.access_token.reveal(), None).await;
        assert_eq!(answer.status, 200);
    }
}

/// V06: never a yes that is not true.
#[tokio::test]
async fn v06_without_the_store_nobody_hears_that_a_token_is_dead() {
    let bench = Bench::with(SESSIONS).await;
    let (_, issued) = open(&bench, "ada", "shop").await;
    bench.gateway.kept().store.close().await;
    let answer = revoke(&bench, &key(&issued), None).await;
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(answer.header("retry-after").is_some());
}

/// I01, I05
#[tokio::test]
async fn strangers_and_those_who_cannot_prove_themselves_try_no_tokens() {
    let bench = Bench::with(SESSIONS).await;
    let (_, issued) = open(&bench, "ada", "app").await;
    let token = issued.access_token.reveal();
    let ask = || about(&bench, "introspect", &[("token", token)]);
    let public = about(
        &bench,
        "introspect",
        &[("token", token), ("client_id", "app")],
    );
    for request in [ask(), ask().basic("shop", "wrong"), public] {
        let answer = request.send().await;
        assert_eq!(answer.status, 401, "{}", answer.text());
        assert_eq!(answer.json()["error"], "invalid_client");
    }
}

/// I02, I03, I04
#[tokio::test]
async fn a_token_is_worth_what_the_gate_would_make_of_it() {
    let bench = Bench::with(SESSIONS).await;
    let (account, issued) = open(&bench, "ada", "shop").await;
    let token = issued.access_token.reveal();
    let seen = introspect(&bench, token).await;
    assert_eq!(seen["active"], true);
    assert_eq!(seen["sub"], account.id.to_string());
    assert_eq!(seen["username"], "ada");
    assert_eq!(seen["client_id"], "shop");
    assert_eq!(seen["exp"], NOW + 600);
    assert_eq!(
        introspect(&bench, &key(&issued)).await,
        json!({ "active": false })
    );
    assert_eq!(revoke(&bench, token, None).await.status, 200);
    assert_eq!(introspect(&bench, token).await, json!({ "active": false }));
    bench.gateway.advance(Duration::from_mins(10));
    assert_eq!(introspect(&bench, token).await, json!({ "active": false }));
    assert_eq!(
        introspect(&bench, "nothing").await,
        json!({ "active": false })
    );
}

///
#[tokio::test]
async fn an_account_that_is_cut_off_is_out_at_once() {
    let bench = Bench::with(SESSIONS).await;
    let (_, ada) = open(&bench, "ada", "app").await;
    let (_, bob) = open(&bench, "bob", "app").await;
    let kept = bench.gateway.kept();
    let now = Timestamp::from_seconds(NOW);
    let ended = kept
        .mint
        .end_account("ada", kept.mounts["oauth"].issuer(), now);
    assert_eq!(ended.await.unwrap(), Some(1));
    assert_eq!(status(&bench, ada.access_token.reveal()).await, 401);
    let renewal = refresh(&bench, "app", &key(&ada)).send().await;
    assert_eq!(renewal.json()["error"], "invalid_grant");
    assert_eq!(status(&bench, bob.access_token.reveal()).await, 200);
}

/// A WebSocket of this token that has said something.
async fn talking(bench: &Bench, issued: &Issued) -> Talk {
    let token = format!("Bearer {}", issued.access_token.reveal());
    let fields = [("authorization", token.as_str())];
    let mut talk = Talk::open(&bench.gateway, "gw.test", "/echo/a", &fields).await;
    talk.say("hello").await;
    assert_eq!(talk.hear().await, "hello");
    talk
}

/// V07: a WebSocket that is passed through, whatever it was that took its token back.
#[tokio::test]
async fn v07_what_was_joined_ends_within_a_second_of_the_verdict() {
    let echo = Echo::start().await;
    let route = format!(
        "[upstream.echo]\nurl = \"{}\"\n[route.echo]\npath = \"/echo/**\"\nupstream = \"echo\"\nissuers = [\"oauth\"]\n",
        echo.url()
    );
    let bench = Bench::with(&(SESSIONS.to_owned() + &route)).await;
    let kept = bench.gateway.kept();
    let mount = kept.mounts["oauth"].issuer();
    let now = Timestamp::from_seconds(NOW);
    let (_, of_bob) = open(&bench, "bob", "app").await;
    let mut bystander = talking(&bench, &of_bob).await;
    for what in ["session", "account", "token", "client", "key"] {
        let client = if what == "client" { "kiosk" } else { "shop" };
        let (account, issued) = open(&bench, what, client).await;
        let mut talk = talking(&bench, &issued).await;
        let access = issued.access_token.reveal();
        match what {
            "session" => assert_eq!(revoke(&bench, access, None).await.status, 200),
            "account" => {
                let end = kept.mint.end_account(&account.name, mount, now).await;
                assert_eq!(end.unwrap(), Some(1));
            }
            "token" => {
                let id = part(access, 1)["jti"].as_str().unwrap().to_owned();
                kept.mint.revoke_id(&id, mount, now).await.unwrap();
            }
            "client" => {
                let end = kept.mint.end_client(client, mount, now).await;
                assert_eq!(end.unwrap(), 1);
            }
            _ => {
                bystander.say("still here").await;
                assert_eq!(bystander.hear().await, "still here");
                let kid = part(access, 0)["kid"].as_str().unwrap().to_owned();
                kept.mint.revoke_key(&kid, mount, now).await.unwrap();
            }
        }
        let spoken = Instant::now();
        assert!(talk.closed().await.is_none());
        assert!(spoken.elapsed() < Duration::from_secs(1), "{what}");
    }
    assert!(bystander.closed().await.is_none(), "of the same key");
}

/// V07: an answer that does not end by itself.
#[tokio::test]
async fn v07_an_answer_under_way_breaks_off_within_a_second_of_the_verdict() {
    let bench = Bench::with(SESSIONS).await;
    let (_, issued) = open(&bench, "ada", "shop").await;
    let token = issued.access_token.reveal();
    let valve = Valve::new();
    let endless = Reply::stream("text/event-stream").chunk("data: one\n\n");
    bench.upstream.next(endless.wait(&valve));
    let mut wire = bench.wire().await;
    let head = format!(
        "GET /orders/events HTTP/1.1\r\nHost: gw.test\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    wire.send(head).await;
    wire.until("data: one\n\n").await;
    assert_eq!(revoke(&bench, token, None).await.status, 200);
    let spoken = Instant::now();
    let rest = wire.rest().await;
    assert!(spoken.elapsed() < Duration::from_secs(1));
    assert!(
        !String::from_utf8_lossy(rest.as_ref()).contains("0\r\n\r\n"),
        "it must not look complete"
    );
    bench.upstream.abandoned().await;
}

/// The header or the claims of a token.
fn part(token: &str, number: usize) -> Value {
    let text = token.split('.').nth(number).unwrap();
    serde_json::from_slice(&decode_base64url(text)).unwrap()
}

/// V07: what another process takes back is refused here within a second or two.
#[tokio::test]
async fn what_another_process_takes_back_is_heard_of() {
    let bench = Bench::with(SESSIONS).await;
    let (account, issued) = open(&bench, "ada", "app").await;
    let token = issued.access_token.reveal();
    assert_eq!(status(&bench, token).await, 200);
    let data = bench.gateway.folder().join("tollgate-data");
    let file = StoreSettings::default();
    let elsewhere = Store::open(&file, &data).await.unwrap();
    let verdict = Revocation {
        realm: "oauth".to_owned(),
        of: Revoked::Subject(account.id.to_string()),
        at: Timestamp::from_seconds(NOW),
        until: Timestamp::from_seconds(NOW + 600),
    };
    elsewhere.revoke(verdict).await.unwrap();
    soon("the verdict", async {
        while status(&bench, token).await == 200 {}
    })
    .await;
    elsewhere.close().await;
}
