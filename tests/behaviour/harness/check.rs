//! The harness against itself: a fake that lies about what it saw would make every other test worthless.

use super::{
    authority::authority,
    exchange::{Client, Wire},
    flaky::Flaky,
    issuer::{Issuer, NOW},
    keys,
    upstream::{Reply, Upstream, Valve},
};
use serde_json::json;

#[tokio::test]
async fn the_upstream_remembers_what_it_was_told() {
    let upstream = Upstream::start().await;
    let answer = Client::plain(upstream.address())
        .post("/a?b")
        .header("X-One", "1")
        .body("hello")
        .send()
        .await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
    let seen = upstream.only();
    assert_eq!(
        (seen.method.as_str(), seen.target.as_str()),
        ("POST", "/a?b")
    );
    assert_eq!(
        (seen.header("x-one"), &seen.body[..]),
        (Some("1"), &b"hello"[..])
    );
    assert!(seen.complete && upstream.faults().is_empty());
}

#[tokio::test]
async fn the_upstream_refuses_two_framings_and_bare_line_feeds() {
    for (bytes, fault) in [
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "several framing",
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nX: 1\nY: 2\r\n\r\n",
            "bare CR",
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;\nhello\r\n0\r\n\r\n",
            "odd chunk size",
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            "not one Host",
        ),
    ] {
        let upstream = Upstream::start().await;
        let mut wire = Wire::plain(upstream.address()).await;
        wire.send(bytes).await;
        assert_eq!(wire.reply().await.unwrap().status, 400);
        assert!(
            upstream.faults()[0].starts_with(fault),
            "{:?}",
            upstream.faults()
        );
    }
}

#[tokio::test]
async fn scripted_replies_come_in_order_and_misbehave() {
    let upstream = Upstream::start().await;
    let valve = Valve::new();
    upstream.next(Reply::cut_in_half("0123456789"));
    upstream.next(Reply::reset());
    upstream.next(Reply::chunked(&["ab", "c"], &[("x-check", "7")]));
    upstream.next(Reply::ok().behind(&valve));
    let client = Client::plain(upstream.address());
    let cut = client.get("/").send().await;
    assert_eq!((cut.complete, cut.text().as_str()), (false, "01234"));
    assert!(client.get("/").try_send().await.is_err());
    let chunked = client.get("/").send().await;
    assert_eq!(
        (
            chunked.text().as_str(),
            chunked.trailers["x-check"].to_str().unwrap()
        ),
        ("abc", "7")
    );
    let held = client.get("/").send();
    let (held, ()) = tokio::join!(held, async {
        upstream.received(4).await;
        valve.open();
    });
    assert_eq!(held.status, 200);
}

#[tokio::test]
async fn an_upstream_with_tls_is_vouched_for() {
    let upstream = Upstream::secure().await;
    let mut wire = Wire::tls(
        upstream.address(),
        "localhost",
        authority().client(&["http/1.1"]),
    )
    .await;
    assert_eq!(wire.protocol().as_deref(), Some("http/1.1"));
    wire.send("GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    assert_eq!(wire.reply().await.unwrap().text(), "ok");
}

#[tokio::test]
async fn an_issuer_signs_with_the_keys_it_publishes() {
    let issuer = Issuer::start(keys::a()).await;
    let set = Client::plain(issuer.server().address())
        .get("/jwks")
        .send()
        .await;
    let set: jsonwebtoken::jwk::JwkSet = serde_json::from_slice(&set.body).unwrap();
    assert_eq!(issuer.jwks_count(), 1);
    let ps256 = keys::a().rsa.signing("PS256");
    for key in [
        &keys::a().rsa,
        &keys::a().p256,
        &keys::a().p384,
        &keys::a().ed25519,
        &ps256,
    ] {
        let token = issuer.token().by(key).sign();
        let header = jsonwebtoken::decode_header(&token).unwrap();
        let mut rules = jsonwebtoken::Validation::new(header.alg);
        rules.set_audience(&["api"]);
        let public = jsonwebtoken::DecodingKey::from_jwk(set.find(&key.kid).unwrap()).unwrap();
        let claims = jsonwebtoken::decode::<serde_json::Value>(&token, &public, &rules)
            .unwrap()
            .claims;
        assert_eq!(
            (&claims["sub"], &claims["exp"]),
            (&json!("u1"), &json!(NOW + 300)),
            "{}",
            key.algorithm
        );
    }
}

#[tokio::test]
async fn introspection_wants_to_know_who_asks() {
    let issuer = Issuer::start(keys::a()).await;
    issuer.activate("opaque", &json!({ "sub": "u1" }));
    let client = Client::plain(issuer.server().address());
    let form = [("token", "opaque")];
    assert_eq!(
        client.post("/introspect").form(&form).send().await.status,
        401
    );
    let ask = || {
        client
            .post("/introspect")
            .form(&form)
            .basic("tollgate", "introspection+secret")
    };
    assert_eq!(ask().send().await.json()["sub"], "u1");
    issuer.revoke("opaque");
    assert_eq!(ask().send().await.json(), json!({ "active": false }));
    assert_eq!(issuer.introspection_count(), 3);
}

#[tokio::test]
async fn a_cut_wire_ends_what_went_over_it() {
    let upstream = Upstream::start().await;
    let wire = Flaky::before(upstream.address()).await;
    let client = Client::plain(wire.address());
    assert_eq!(client.get("/").send().await.status, 200);
    let mut open = Wire::plain(wire.address()).await;
    open.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(open.reply().await.unwrap().status, 200);
    wire.cut();
    open.closes_silently().await;
    assert!(client.get("/").try_send().await.is_err());
    wire.mend();
    assert_eq!(client.get("/").send().await.status, 200);
}
