//! When something we depend on is away, slow or lying: "cannot tell" is 503, never a pass and never a 401, and it heals by
//! itself.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{
    DEADLINE,
    bench::Bench,
    exchange::Client,
    flaky::Flaky,
    issuer::{Issuer, NOW},
    keys, until,
    upstream::{Reply, Upstream, Valve},
};

/// Longest a fetch of keys may take, plus room for a slow machine.
const FETCH: Duration = Duration::from_secs(8);

/// Replies that are no key set.
fn faults() -> Vec<(&'static str, Reply)> {
    let huge = format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(2 * 1024 * 1024));
    vec![
        ("a server error", Reply::text(500, "text/plain", "oops")),
        (
            "a page",
            Reply::text(200, "text/html", "<html>welcome</html>"),
        ),
        (
            "an empty object",
            Reply::text(200, "application/json", "{}"),
        ),
        ("a list", Reply::text(200, "application/json", "[1]")),
        (
            "keys that are no list",
            Reply::text(200, "application/json", r#"{"keys":7}"#),
        ),
        ("two megabytes", Reply::text(200, "application/json", &huge)),
        (
            "a cut answer",
            Reply::cut_in_half(r#"{"keys":[]}            "#),
        ),
        ("a reset", Reply::reset()),
    ]
}

#[tokio::test]
async fn an_issuer_that_is_down_at_the_start_harms_its_own_routes_only() {
    // IS-01
    let bench = Bench::start().await;
    bench.a.fail("/jwks", Reply::reset());
    bench
        .a
        .fail("/.well-known/openid-configuration", Reply::reset());
    let token = bench.token().sign();
    let answer = bench.get("/api/x").bearer(&token).send().await;
    assert_eq!(
        (answer.status, answer.code().as_deref()),
        (503, Some("keys_unavailable"))
    );
    assert!(bench.upstream.is_untouched());
    bench.lives().await;
    let b = bench
        .client()
        .named("b.test")
        .get("/x")
        .bearer(&bench.b.token().sign())
        .send()
        .await;
    assert_eq!(b.status, 200);
    bench.a.honest();
    heals(&bench, &token).await;
}

#[tokio::test]
async fn a_new_key_is_found_by_its_first_token() {
    // IS-03
    let bench = Bench::start().await;
    bench.admits_token(&bench.token().sign()).await;
    assert_eq!(bench.a.jwks_count(), 1);
    bench.a.publish(&[&keys::a().rsa, keys::a2()]);
    bench
        .admits_token(&bench.token().by(keys::a2()).sign())
        .await;
    assert_eq!(bench.a.jwks_count(), 2);
}

#[tokio::test]
async fn random_key_names_do_not_become_requests() {
    // IS-02
    let bench = Bench::start().await;
    bench.admits_token(&bench.token().sign()).await;
    let fetched = bench.a.jwks_count();
    for number in 0..100 {
        let token = bench
            .token()
            .header("kid", format!("random-{number}"))
            .secretly_by(keys::a2());
        let answer = bench.get("/api/x").bearer(&token.sign()).send().await;
        assert!([401, 503].contains(&answer.status), "{}", answer.status);
    }
    let more = bench.a.jwks_count() - fetched;
    assert!(
        more <= 2,
        "{more} fetches for 100 unknown keys within one moment"
    );
    bench
        .admits_token(&bench.token().with("jti", "another").sign())
        .await;
}

#[tokio::test]
async fn a_key_that_was_missing_is_found_once_it_is_published() {
    // IS-03, after the cooldown
    let bench = Bench::start().await;
    bench.admits_token(&bench.token().sign()).await;
    let token = bench.token().with("exp", NOW + 3600).by(keys::a2()).sign();
    bench.refuses_token(&token).await;
    bench.a.publish(&[&keys::a().rsa, keys::a2()]);
    bench.gateway.advance(Duration::from_secs(61));
    bench.admits_token(&token).await;
}

#[tokio::test]
async fn a_key_that_was_withdrawn_is_believed_no_longer() {
    // IS-03
    let bench = Bench::start().await;
    bench.a.cache_control("max-age=60");
    let token = bench.token().with("exp", NOW + 36_000).sign();
    bench.admits_token(&token).await;
    bench.a.publish(&[keys::a2()]);
    bench.gateway.advance(Duration::from_secs(61));
    until_status(&bench, &token, 401).await;
}

#[tokio::test]
async fn known_keys_outlive_their_issuers_troubles() {
    // IS-05
    let bench = Bench::start().await;
    bench.a.cache_control("max-age=60");
    let token = |name: &str| {
        bench
            .token()
            .with("exp", NOW + 40 * 3600)
            .with("jti", name)
            .sign()
    };
    bench.admits_token(&token("first")).await;
    for (name, fault) in faults() {
        let before = bench.a.jwks_count();
        bench.a.fail("/jwks", fault);
        bench.gateway.advance(Duration::from_mins(2));
        bench.admits_token(&token(name)).await;
        until(&format!("keys were asked for again ({name})"), || {
            (bench.a.jwks_count() > before).then_some(())
        })
        .await;
        bench.admits_token(&token(&format!("{name} again"))).await;
    }
    bench.gateway.advance(Duration::from_hours(25));
    until_status(&bench, &token("after a day"), 503).await;
    bench.a.honest();
    bench.gateway.advance(Duration::from_secs(61));
    heals(&bench, &token("healed")).await;
}

/// A set has at most 100 keys. A larger one is no set at all: nothing of it is taken, and the last good one serves on.
#[tokio::test]
async fn a_set_of_more_than_a_hundred_keys_is_no_set() {
    // IS-05, by number
    let bench = Bench::start().await;
    bench.a.cache_control("max-age=60");
    let many = |count: usize| {
        let numbered = (0..count).map(|number| keys::a2().named(&format!("n-{number}")).jwk());
        numbered.collect::<Vec<_>>()
    };
    let lasting = |name: &str| {
        let token = bench.token().with("exp", NOW + 36_000);
        token.with("jti", name)
    };
    let new = lasting("new").by(&keys::a2().named("n-0")).sign();
    bench.admits_token(&lasting("old").sign()).await;

    let before = bench.a.jwks_count();
    bench.a.publish_raw(many(101));
    bench.gateway.advance(Duration::from_secs(61));
    until("the larger set was asked for", || {
        (bench.a.jwks_count() > before).then_some(())
    })
    .await;
    let answer = bench.get("/api/x").bearer(&new).send().await;
    assert_eq!(
        (answer.status, answer.code().as_deref()),
        (503, Some("keys_unavailable"))
    );
    bench.admits_token(&lasting("old, again").sign()).await;

    bench.a.publish_raw(many(100));
    until_status(&bench, &new, 200).await;
    bench.refuses_token(&lasting("too old").sign()).await;
}

/// The address that the operator gives is the only one that is asked; the identifier may lead nowhere.
#[tokio::test]
async fn keys_are_fetched_where_the_operator_says() {
    let issuer = Issuer::start(keys::a()).await;
    let more = format!(
        r#"
[issuer.c]
kind = "jwt"
issuer = "https://nowhere.invalid/c"
audiences = ["api"]
jwks = {{ url = "{}" }}

[route.c]
hosts = ["gw.test"]
path = "/c/**"
upstream = "u1"
issuers = ["c"]
"#,
        issuer.jwks_url()
    );
    let bench = Bench::with(&more).await;
    let token = issuer.token().with("iss", "https://nowhere.invalid/c");
    let answer = bench.get("/c/x").bearer(&token.sign()).send().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(bench.upstream.only().target, "/c/x");
    let stranger = token.secretly_by(&keys::b().rsa).sign();
    bench.refuses(bench.get("/c/x").bearer(&stranger)).await;
    let own_name = issuer.token().sign();
    bench.refuses(bench.get("/c/x").bearer(&own_name)).await;
    let asked = issuer.server().requests();
    assert!(
        asked.iter().all(|seen| seen.target == "/jwks"),
        "{asked:#?}"
    );
}

#[tokio::test]
async fn no_keys_and_a_lying_issuer_are_no_verdict() {
    // IS-05, cold
    for (name, fault) in faults() {
        let bench = Bench::start().await;
        bench.a.fail("/jwks", fault);
        let answer = bench
            .get("/api/x")
            .bearer(&bench.token().sign())
            .send()
            .await;
        assert_eq!(
            (answer.status, answer.code().as_deref()),
            (503, Some("keys_unavailable")),
            "{name}"
        );
        bench.lives().await;
    }
}

#[tokio::test]
async fn a_key_set_that_drips_is_given_up() {
    // IS-05
    let bench = Bench::start().await;
    bench.a.fail(
        "/jwks",
        Reply::drip(
            "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n".repeat(30),
            Duration::from_secs(1),
        ),
    );
    let started = Instant::now();
    let answer = bench
        .get("/api/x")
        .bearer(&bench.token().sign())
        .send()
        .await;
    assert_eq!(answer.status, 503);
    assert!(started.elapsed() < FETCH, "{:?}", started.elapsed());
    bench.a.server().abandoned().await;
}

#[tokio::test]
async fn a_key_set_elsewhere_is_not_followed() {
    // IS-04
    for status in [302, 307] {
        let bench = Bench::start().await;
        let listener = Upstream::start().await;
        bench.a.fail(
            "/jwks",
            Reply::redirect(status, &format!("{}/jwks", listener.url())),
        );
        let answer = bench
            .get("/api/x")
            .bearer(&bench.token().sign())
            .send()
            .await;
        assert_eq!(answer.status, 503);
        assert!(listener.connections().is_empty());
    }
}

#[tokio::test]
async fn metadata_of_another_issuer_is_not_believed() {
    // IS-04, its neighbour (RFC 8414 §3.3)
    let bench = Bench::start().await;
    let liar = Issuer::start(keys::b()).await;
    let metadata = json!({ "issuer": liar.url(), "jwks_uri": liar.jwks_url() });
    bench.a.fail(
        "/.well-known/openid-configuration",
        Reply::json(200, &metadata),
    );
    bench.a.fail(
        "/.well-known/oauth-authorization-server",
        Reply::json(200, &metadata),
    );
    let answer = bench
        .get("/api/x")
        .bearer(&bench.token().by(&keys::b().rsa).sign())
        .send()
        .await;
    assert_eq!(answer.status, 503);
    assert_eq!(liar.jwks_count(), 0);
}

#[tokio::test]
async fn a_crowd_fetches_the_keys_once() {
    // IS-06
    let bench = Bench::start().await;
    let requests = (0..50).map(|number| {
        bench
            .get("/api/x")
            .bearer(&bench.token().with("jti", format!("t{number}")).sign())
            .send()
    });
    let answers = futures_util::future::join_all(requests).await;
    assert!(
        answers.iter().all(|answer| answer.status == 200),
        "{:?}",
        answers
            .iter()
            .map(|answer| answer.status)
            .collect::<Vec<_>>()
    );
    assert_eq!(bench.a.jwks_count(), 1);
}

#[tokio::test]
async fn a_crowd_with_one_token_asks_about_it_once() {
    // IS-06
    let bench = Bench::start().await;
    bench.n1.activate("t", &json!({ "sub": "u1" }));
    let answers =
        futures_util::future::join_all((0..50).map(|_| bench.get("/intro/x").bearer("t").send()))
            .await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(bench.n1.introspection_count(), 1);
}

#[tokio::test]
async fn an_opaque_token_is_believed_a_minute_and_no_longer() {
    // IS-07
    let bench = Bench::start().await;
    bench.n1.activate("t", &json!({ "sub": "u1" }));
    let send = || bench.get("/intro/x").bearer("t").send();
    assert_eq!(send().await.status, 200);
    bench.n1.revoke("t");
    bench.gateway.advance(Duration::from_secs(59));
    assert_eq!(send().await.status, 200);
    assert_eq!(bench.n1.introspection_count(), 1);
    bench.gateway.advance(Duration::from_secs(1));
    assert_eq!(send().await.status, 401);
}

#[tokio::test]
async fn an_opaque_token_is_not_believed_beyond_its_own_end() {
    // IS-07
    let bench = Bench::start().await;
    bench
        .n1
        .activate("t", &json!({ "sub": "u1", "exp": NOW + 10 }));
    let send = || bench.get("/intro/x").bearer("t").send();
    assert_eq!(send().await.status, 200);
    bench.n1.fail("/introspect", Reply::reset());
    bench.gateway.advance(Duration::from_secs(41));
    assert_ne!(send().await.status, 200);
}

#[tokio::test]
async fn an_inactive_token_is_asked_about_again_after_five_seconds() {
    let bench = Bench::start().await;
    let send = || bench.get("/intro/x").bearer("t").send();
    assert_eq!((send().await.status, send().await.status), (401, 401));
    assert_eq!(bench.n1.introspection_count(), 1);
    bench.n1.activate("t", &json!({ "sub": "u1" }));
    bench.gateway.advance(Duration::from_secs(5));
    assert_eq!(send().await.status, 200);
}

#[tokio::test]
async fn an_introspection_failure_is_not_remembered_as_a_verdict() {
    // IS-09
    let bench = Bench::start().await;
    bench.n1.activate("t", &json!({ "sub": "u1" }));
    let garbage = [
        Reply::text(500, "text/plain", "oops"),
        Reply::text(200, "text/html", "<html>"),
        Reply::text(200, "application/json", "{}"),
        Reply::text(200, "application/json", r#"{"active":"yes"}"#),
        Reply::text(200, "application/json", r#"{"active":true"#),
        Reply::text(200, "application/json", "[]"),
        Reply::text(401, "application/json", r#"{"error":"invalid_client"}"#),
        Reply::redirect(302, "http://127.0.0.1:1/"),
        Reply::cut_in_half(r#"{"active":true,"sub":"u1"}"#),
        Reply::reset(),
        Reply::close(),
    ];
    for (number, reply) in garbage.into_iter().enumerate() {
        let token = format!("t{number}");
        bench.n1.activate(&token, &json!({ "sub": "u1" }));
        bench.n1.fail("/introspect", reply);
        let answer = bench.get("/intro/x").bearer(&token).send().await;
        assert_eq!(
            (answer.status, answer.code().as_deref()),
            (503, Some("introspection_unavailable")),
            "reply {number}"
        );
        bench.n1.honest();
        let answer = bench.get("/intro/x").bearer(&token).send().await;
        assert_eq!(answer.status, 200, "reply {number}");
    }
}

#[tokio::test]
async fn an_introspection_server_that_is_slow_is_no_verdict() {
    // IS-09
    let bench = Bench::start().await;
    bench.n1.fail("/introspect", Reply::silence());
    let started = Instant::now();
    let answer = bench.get("/intro/x").bearer("t").send().await;
    assert_eq!(
        (answer.status, answer.code().as_deref()),
        (503, Some("introspection_unavailable"))
    );
    assert!(started.elapsed() < FETCH, "{:?}", started.elapsed());
    bench.lives().await;
}

#[tokio::test]
async fn an_upstream_may_fail_in_every_way_it_likes() {
    // RL-07
    let bench = Bench::changed(
        &[(
            "[upstream.u1]\n",
            "[upstream.u1]\ntimeouts = { response = \"300ms\" }\n",
        )],
        "",
    )
    .await;
    for (reply, status) in [
        (Reply::reset(), 502),
        (Reply::raw("HTTP/1.1 200 OK\r\nX: ").then_reset(), 502),
        (Reply::close(), 502),
        (Reply::silence(), 504),
        (Reply::raw("SSH-2.0-OpenSSH_9.6\r\n").then_silence(), 502),
        (
            Reply::raw("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok")
                .then_close(),
            502,
        ),
    ] {
        bench.upstream.next(reply.clone());
        let answer = bench.post("/public/x").body("once").send().await;
        assert_eq!(answer.status, status, "{reply:?}");
        bench.lives().await;
    }
}

#[tokio::test]
async fn an_upstream_may_slam_the_door() {
    // RL-07
    let bench = Bench::start().await;
    bench.upstream.slam_doors(true);
    let answer = bench.post("/public/x").body("once").send().await;
    assert_eq!(answer.status, 502);
    bench.upstream.slam_doors(false);
    bench.lives().await;
}

#[tokio::test]
async fn a_wire_that_is_cut_or_stands_still_heals() {
    // RL-07, under way
    let upstream = Upstream::start().await;
    let wire = Flaky::before(upstream.address()).await;
    let more = format!(
        r#"
[upstream.far]
url = "http://{}"
timeouts = {{ response = "300ms" }}

[route.far]
hosts = ["gw.test"]
path = "/far"
upstream = "far"
auth = "public"
"#,
        wire.address()
    );
    let bench = Bench::with(&more).await;
    let send = || bench.post("/far").body("once").send();
    assert_eq!(send().await.status, 200);
    wire.freeze();
    assert_eq!(send().await.status, 504);
    wire.cut();
    assert_eq!(send().await.status, 502);
    wire.mend();
    assert_eq!(send().await.status, 200);
    let valve = Valve::new();
    upstream.next(Reply::stream("text/plain").chunk("half").wait(&valve));
    let mut client = bench.wire().await;
    client
        .send("GET /far HTTP/1.1\r\nHost: gw.test\r\n\r\n")
        .await;
    client.until("half").await;
    wire.cut();
    let rest = client.rest().await;
    assert!(!rest.ends_with(b"0\r\n\r\n"), "a cut answer looks complete");
    bench.lives().await;
}

#[tokio::test]
async fn a_kept_connection_that_died_meanwhile_is_no_failure() {
    let bench = Bench::start().await;
    bench.upstream.next(Reply::ok().then_close());
    assert_eq!(bench.get("/public/x").send().await.status, 200);
    bench.upstream.abandoned().await;
    for _ in 0..5 {
        assert_eq!(bench.get("/public/x").send().await.status, 200);
    }
}

#[tokio::test]
async fn a_request_that_changes_something_is_sent_once() {
    let bench = Bench::start().await;
    assert_eq!(bench.get("/public/x").send().await.status, 200);
    bench.upstream.next(Reply::reset());
    assert_eq!(bench.post("/public/pay").body("1").send().await.status, 502);
    assert_eq!(
        bench
            .upstream
            .requests()
            .iter()
            .filter(|seen| seen.target == "/public/pay")
            .count(),
        1
    );
}

/// Asks until a good token is believed again.
async fn heals(bench: &Bench, token: &str) {
    until_status(bench, token, 200).await;
}

/// Asks on route P until the answer has this status, and lets a second pass each time: what is due by the clock is done soon.
async fn until_status(bench: &Bench, token: &str, status: u16) {
    let client: Client = bench.client();
    let started = Instant::now();
    loop {
        let found = client.get("/api/x").bearer(token).send().await.status;
        if found == status {
            return;
        }
        assert!(started.elapsed() < DEADLINE, "still {found}, not {status}");
        bench.gateway.advance(Duration::from_secs(1));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
