//! Every reason a request does not pass, by example, and how it sounds in the standard voice (decisions, "Refusals").

use http::Method;
use serde_json::json;

use crate::harness::{
    bench::Bench,
    exchange::{Answer, Client, Request},
    issuer::NOW,
    keys, soon,
    upstream::{Reply, Upstream, Valve},
};

/// A refusal in the standard voice: status, code, a problem document with the request's id and nothing about the cause.
async fn refused(request: Request, status: u16, code: &str) -> Answer {
    let answer = request.send().await;
    assert_eq!(
        (answer.status, answer.code().as_deref()),
        (status, Some(code)),
        "{}",
        answer.text()
    );
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json")
    );
    let body = answer.json();
    assert!(body["request_id"].is_string(), "{body}");
    assert_eq!(body["status"], status, "{body}");
    answer
}

fn challenge(answer: &Answer) -> &str {
    answer.header("www-authenticate").expect("a challenge")
}

#[tokio::test]
async fn a_request_without_a_token_is_told_what_to_bring() {
    // missing_token
    let bench = Bench::start().await;
    let plain = refused(bench.get("/api/x"), 401, "missing_token").await;
    assert!(challenge(&plain).starts_with("Bearer"));
    assert!(
        !challenge(&plain).contains("error"),
        "{}",
        challenge(&plain)
    );
    let scoped = refused(bench.get("/api/admin/x"), 401, "missing_token").await;
    assert!(
        challenge(&scoped).contains(r#"scope="admin""#),
        "{}",
        challenge(&scoped)
    );
    assert!(bench.upstream.is_untouched());
}

/// B04: an address is written down in too many places to carry a token, and a body is not read for one.
#[tokio::test]
async fn b04_a_token_in_an_address_or_a_body_is_none() {
    let bench = Bench::start().await;
    let token = bench.token().sign();
    bench.admits_token(&token).await;
    let before = bench.upstream.requests().len();
    for name in ["access_token", "bearer", "token", "authorization", "jwt"] {
        let request = bench.get(&format!("/api/x?{name}={token}"));
        let answer = refused(request, 401, "missing_token").await;
        assert!(challenge(&answer).starts_with("Bearer"));
        assert!(!challenge(&answer).contains("error"), "{name}");
        let request = bench.post("/api/x").form(&[(name, token.as_str())]);
        refused(request, 401, "missing_token").await;
    }
    assert_eq!(bench.upstream.requests().len(), before);
}

#[tokio::test]
async fn another_scheme_is_no_token() {
    // missing_token
    let bench = Bench::start().await;
    for value in ["Basic dTpw", "Digest x", "Bearer", "Negotiate abc", ""] {
        let answer = bench
            .refuses(bench.get("/api/x").header("authorization", value))
            .await;
        let code = answer.code().unwrap();
        assert!(
            ["missing_token", "malformed_token"].contains(&code.as_str()),
            "{value}: {code}"
        );
    }
}

#[tokio::test]
async fn the_scheme_is_compared_without_regard_to_case() {
    let bench = Bench::start().await;
    let token = bench.token().sign();
    for scheme in ["bearer", "BEARER", "bEaReR"] {
        let answer = bench
            .get("/api/x")
            .header("authorization", &format!("{scheme} {token}"))
            .send()
            .await;
        assert_eq!(answer.status, 200);
    }
}

#[tokio::test]
async fn a_bad_token_is_named_by_its_fault() {
    // malformed_token algorithm_refused unknown_issuer unknown_key bad_signature expired not_yet_valid wrong_audience claim_type
    let bench = Bench::start().await;
    let token = || bench.token();
    let cases = [
        ("rubbish".to_owned(), "malformed_token"),
        (token().header("alg", "HS256").sign(), "algorithm_refused"),
        (token().header("alg", "none").sign(), "algorithm_refused"),
        (
            token().with("iss", "https://nobody.test").sign(),
            "unknown_issuer",
        ),
        (token().header("kid", "unheard-of").sign(), "unknown_key"),
        (token().secretly_by(&keys::b().rsa).sign(), "bad_signature"),
        (token().with("exp", NOW - 31).sign(), "expired"),
        (token().with("nbf", NOW + 31).sign(), "not_yet_valid"),
        (token().with("aud", "other").sign(), "wrong_audience"),
        (token().with("exp", "soon").sign(), "claim_type"),
    ];
    for (token, code) in cases {
        let answer = refused(bench.get("/api/x").bearer(&token), 401, code).await;
        assert!(
            challenge(&answer).contains(r#"error="invalid_token""#),
            "{code}: {}",
            challenge(&answer)
        );
        assert!(!answer.text().contains(&token) && !challenge(&answer).contains(&token));
    }
    assert!(bench.upstream.is_untouched());
}

#[tokio::test]
async fn an_inactive_token_is_refused() {
    // inactive
    let bench = Bench::start().await;
    let answer = refused(bench.get("/intro/x").bearer("unheard-of"), 401, "inactive").await;
    assert!(challenge(&answer).contains(r#"error="invalid_token""#));
}

#[tokio::test]
async fn two_credentials_are_one_too_many() {
    // two_credentials
    let bench = Bench::start().await;
    let token = bench.token().sign();
    let answer = refused(
        bench.get("/api/x").bearer(&token).bearer(&token),
        400,
        "two_credentials",
    )
    .await;
    assert!(challenge(&answer).contains(r#"error="invalid_request""#));
}

#[tokio::test]
async fn a_token_that_may_not_do_this_is_told_what_it_would_need() {
    // insufficient_scope
    let bench = Bench::start().await;
    let answer = refused(
        bench.get("/api/admin/x").bearer(&bench.token().sign()),
        403,
        "insufficient_scope",
    )
    .await;
    assert!(
        challenge(&answer).contains(r#"error="insufficient_scope""#)
            && challenge(&answer).contains(r#"scope="admin""#)
    );
    for scope in ["administrator", "admin2 read", "ADMIN", "read,admin"] {
        let token = bench.token().with("scope", scope).sign();
        refused(
            bench.get("/api/admin/x").bearer(&token),
            403,
            "insufficient_scope",
        )
        .await;
    }
    assert!(bench.upstream.is_untouched());
    for scope in [json!("admin"), json!("read admin")] {
        let token = bench.token().with("scope", scope).sign();
        assert_eq!(
            bench.get("/api/admin/x").bearer(&token).send().await.status,
            200
        );
    }
}

#[tokio::test]
async fn a_claim_with_another_value_is_refused() {
    // claim_mismatch
    let route = r#"
[route.tenant]
hosts = ["gw.test"]
path = "/tenant/**"
upstream = "u1"
issuers = ["a"]
require = { claims = { tenant = ["acme", "globex"] } }
"#;
    let bench = Bench::with(route).await;
    let token = bench.token();
    refused(
        bench.get("/tenant/x").bearer(&token.sign()),
        403,
        "claim_mismatch",
    )
    .await;
    refused(
        bench
            .get("/tenant/x")
            .bearer(&token.clone().with("tenant", "initech").sign()),
        403,
        "claim_mismatch",
    )
    .await;
    let answer = bench
        .get("/tenant/x")
        .bearer(&token.with("tenant", "globex").sign())
        .send()
        .await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_place_without_a_route_is_not_found() {
    // no_route
    let bench = Bench::start().await;
    for path in ["/", "/publicx", "/apix", "/nothing/here"] {
        refused(bench.get(path), 404, "no_route").await;
    }
    assert!(bench.upstream.is_untouched());
}

#[tokio::test]
async fn another_method_is_told_which_would_do() {
    // method_not_allowed
    let route = r#"
[route.methods]
hosts = ["gw.test"]
path = "/methods"
methods = ["GET", "PUT"]
upstream = "u1"
auth = "public"
"#;
    let bench = Bench::with(route).await;
    let answer = refused(
        bench.client().request(Method::DELETE, "/methods"),
        405,
        "method_not_allowed",
    )
    .await;
    let allow = answer.header("allow").unwrap();
    assert!(allow.contains("GET") && allow.contains("PUT"), "{allow}");
    assert_eq!(bench.get("/methods").send().await.status, 200);
}

#[tokio::test]
async fn a_path_with_two_readings_is_refused() {
    // ambiguous_path bad_request
    let bench = Bench::start().await;
    refused(bench.get("/public/a%2fb"), 400, "ambiguous_path").await;
    refused(bench.get("/public/%zz"), 400, "bad_request").await;
}

#[tokio::test]
async fn a_body_over_the_limit_never_reaches_the_upstream_whole() {
    // body_too_large
    let route = r#"
[route.small]
hosts = ["gw.test"]
path = "/small"
upstream = "u1"
auth = "public"
body_limit = "1KiB"
"#;
    let bench = Bench::with(route).await;
    refused(
        bench.post("/small").body("x".repeat(1025)),
        413,
        "body_too_large",
    )
    .await;
    assert!(
        bench.upstream.is_untouched(),
        "known by its length, it is refused before"
    );
    assert_eq!(
        bench
            .post("/small")
            .body("x".repeat(1024))
            .send()
            .await
            .status,
        200
    );
    let before = bench.upstream.requests().len();
    let chunk = "x".repeat(600);
    let head = "POST /small HTTP/1.1\r\nHost: gw.test\r\nTransfer-Encoding: chunked\r\n\r\n";
    let replies = bench
        .say(format!(
            "{head}258\r\n{chunk}\r\n258\r\n{chunk}\r\n0\r\n\r\n"
        ))
        .await;
    assert_eq!(
        replies
            .iter()
            .map(|answer| answer.status)
            .collect::<Vec<_>>(),
        [413]
    );
    assert!(
        bench.upstream.requests()[before..]
            .iter()
            .all(|seen| !seen.complete)
    );
    bench.lives().await;
}

#[tokio::test]
async fn a_request_for_a_host_this_connection_is_not_for_is_misdirected() {
    // misdirected
    let bench = Bench::start().await;
    let mut wire = bench.wire().await;
    wire.send("GET /public/a HTTP/1.1\r\nHost: b.test\r\n\r\n")
        .await;
    let answer = wire.reply().await.unwrap();
    assert_eq!(
        (answer.status, answer.code().as_deref()),
        (421, Some("misdirected"))
    );
    wire.send("GET /public/a HTTP/1.1\r\nHost: elsewhere.test\r\n\r\n")
        .await;
    let answer = wire.reply().await.unwrap();
    assert!([404, 421].contains(&answer.status), "{}", answer.status);
    assert!(bench.upstream.is_untouched());
}

#[tokio::test]
async fn keys_that_cannot_be_had_are_no_verdict() {
    // keys_unavailable
    let mut bench = Bench::start().await;
    bench.a.stop();
    let answer = refused(
        bench.get("/api/x").bearer(&bench.token().sign()),
        503,
        "keys_unavailable",
    )
    .await;
    assert!(answer.header("retry-after").is_some());
    assert!(answer.header("www-authenticate").is_none());
    assert!(bench.upstream.is_untouched());
}

#[tokio::test]
async fn an_introspection_server_that_cannot_be_asked_is_no_verdict() {
    // introspection_unavailable
    let mut bench = Bench::start().await;
    bench.n1.stop();
    let answer = refused(
        bench.get("/intro/x").bearer("opaque"),
        503,
        "introspection_unavailable",
    )
    .await;
    assert!(answer.header("retry-after").is_some());
    assert!(bench.upstream.is_untouched());
}

#[tokio::test]
async fn an_upstream_that_is_not_there_is_a_bad_gateway() {
    // no_upstream
    let nobody = Upstream::nobody();
    let more = format!(
        "\n[upstream.gone]\nurl = \"http://{nobody}\"\n\n[route.gone]\nhosts = [\"gw.test\"]\npath = \"/gone\"\nupstream = \"gone\"\nauth = \"public\"\n"
    );
    let bench = Bench::with(&more).await;
    refused(bench.get("/gone"), 502, "no_upstream").await;
}

#[tokio::test]
async fn an_upstream_that_breaks_off_is_a_bad_gateway() {
    // upstream_error
    let bench = Bench::start().await;
    for reply in [
        Reply::close(),
        Reply::reset(),
        Reply::raw("rubbish\r\n\r\n").then_close(),
        Reply::raw("HTTP/1.1 200 OK\r\nContent-Le").then_close(),
    ] {
        bench.upstream.next(reply);
        refused(
            bench.post("/public/x").body("not to be repeated"),
            502,
            "upstream_error",
        )
        .await;
    }
    bench.lives().await;
}

#[tokio::test]
async fn an_upstream_that_stays_silent_is_a_timeout() {
    // upstream_timeout
    let bench = Bench::changed(
        &[(
            "[upstream.u1]\n",
            "[upstream.u1]\ntimeouts = { response = \"200ms\" }\n",
        )],
        "",
    )
    .await;
    bench.upstream.next(Reply::silence());
    refused(bench.get("/public/x"), 504, "upstream_timeout").await;
    bench.upstream.abandoned().await;
    bench.lives().await;
}

#[tokio::test]
async fn a_refusal_in_http2_sounds_the_same() {
    let bench = Bench::start().await;
    let client = bench.client().http2();
    refused(client.get("/api/x"), 401, "missing_token").await;
    refused(client.get("/nothing"), 404, "no_route").await;
    assert_eq!(
        client
            .get("/api/x")
            .bearer(&bench.token().sign())
            .send()
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn a_refusal_leaves_a_good_connection_open() {
    let bench = Bench::start().await;
    let mut session = bench.client().session().await;
    assert_eq!(session.send(bench.get("/api/x")).await.status, 401);
    assert_eq!(session.send(bench.get("/public/x")).await.status, 200);
}

#[tokio::test]
async fn a_refusal_of_head_has_no_body() {
    let bench = Bench::start().await;
    let answer = bench.client().request(Method::HEAD, "/api/x").send().await;
    assert_eq!((answer.status, answer.body.len()), (401, 0));
}

#[tokio::test]
async fn connect_and_trace_are_refused() {
    // UP-03
    let bench = Bench::start().await;
    let listener = Upstream::start().await;
    let token = bench.token().sign();
    let connect = format!(
        "CONNECT {} HTTP/1.1\r\nHost: {0}\r\nConnection: close\r\n\r\n",
        listener.address()
    );
    let trace = format!(
        "TRACE /api/x HTTP/1.1\r\nHost: gw.test\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    );
    for request in [connect, trace.clone(), trace.replace("/api/x", "/public/x")] {
        let replies = bench.say(&request).await;
        assert!(replies.len() < 2);
        for answer in replies {
            assert!(
                [400, 405, 421, 501].contains(&answer.status),
                "{}: {}",
                request,
                answer.status
            );
            assert!(!answer.text().contains(&token));
        }
    }
    assert!(listener.connections().is_empty());
    assert!(bench.upstream.is_untouched());
    bench.lives().await;
}

#[tokio::test]
async fn heads_beyond_the_bounds_are_refused() {
    // RS-03
    let bench = Bench::start().await;
    let get = "GET /public/x HTTP/1.1\r\nHost: gw.test\r\n";
    let long = format!("{get}X-Long: {}\r\n\r\n", "x".repeat(64 * 1024));
    let many = format!("{get}{}\r\n", "X-Many: 1\r\n".repeat(150));
    let target = format!(
        "GET /public/{} HTTP/1.1\r\nHost: gw.test\r\n\r\n",
        "x".repeat(70 * 1024)
    );
    // Kept open on this side: who is refused is counted, whether he hangs up or not.
    let mut wires = Vec::new();
    for (number, (head, statuses)) in [(long, &[431][..]), (many, &[431]), (target, &[414, 431])]
        .into_iter()
        .enumerate()
    {
        let mut wire = bench.wire().await;
        wire.send(&head).await;
        let replies = wire.replies().await;
        let said: Vec<u16> = replies.iter().map(|reply| reply.status).collect();
        assert!(
            said.is_empty() || (said.len() == 1 && statuses.contains(&said[0])),
            "{said:?} to head {number}"
        );
        wires.push(wire);
    }
    assert!(bench.upstream.is_untouched());
    soon("three heads to be counted", oversized(&bench, 3)).await;
    bench.lives().await;
}

#[tokio::test]
async fn heads_of_http2_beyond_the_bounds_are_refused() {
    // RS-03
    let bench = Bench::start().await;
    let client = bench.client().http2();
    let long = "x".repeat(40 * 1024);
    let answer = client.get("/public/x").header("X-Long", &long).send().await;
    assert_eq!(answer.status, 431);
    let mut many = client.get("/public/x");
    for number in 0..150 {
        many = many.header(&format!("X-Many-{number}"), "1");
    }
    assert_eq!(many.send().await.status, 431);
    // Far beyond them the connection ends.
    let longest = "x".repeat(300 * 1024);
    let request = client.get("/public/x").header("X-Long", &longest);
    if let Ok(answer) = request.try_send().await {
        assert_eq!(answer.status, 431);
    }
    assert!(bench.upstream.is_untouched());
    // Of the others the library says nothing.
    soon(
        "the head of many fields to be counted",
        oversized(&bench, 1),
    )
    .await;
    bench.lives().await;
}

/// Waits until so many heads have been counted as too large.
async fn oversized(bench: &Bench, count: u32) {
    let line = format!("tollgate_oversized_heads_total{{listener=\"public\"}} {count}");
    let client = Client::plain(bench.gateway.admin_address());
    loop {
        let page = client.get("/metrics").send().await.text();
        if page.lines().any(|found| found == line) {
            return;
        }
    }
}

#[tokio::test]
async fn odd_request_lines_are_refused() {
    let bench = Bench::start().await;
    for request in [
        "GET /public/x\r\n\r\n",
        "GET /public/x HTTP/9.9\r\nHost: gw.test\r\n\r\n",
        "GET  /public/x HTTP/1.1\r\nHost: gw.test\r\n\r\n",
        "G(T /public/x HTTP/1.1\r\nHost: gw.test\r\n\r\n",
        "GET /public/x HTTP/1.1\r\nHost: gw.test\r\nNo colon here\r\n\r\n",
        "GET /public/x HTTP/1.1\r\nHost: gw.test\r\n: empty\r\n\r\n",
        "GET /public/x HTTP/1.1\r\nHost: gw.test\r\nX: a\0b\r\n\r\n",
        "GET * HTTP/1.1\r\nHost: gw.test\r\nConnection: close\r\n\r\n",
        "GET public/x HTTP/1.1\r\nHost: gw.test\r\nConnection: close\r\n\r\n",
        "\u{16}\u{3}\u{1}rubbish\r\n\r\n",
    ] {
        bench.rejects(request).await;
    }
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_request_along() {
    let bench = Bench::start().await;
    let valve = Valve::new();
    bench.upstream.next(Reply::ok().behind(&valve));
    let mut wire = bench.wire().await;
    wire.send("GET /public/x HTTP/1.1\r\nHost: gw.test\r\n\r\n")
        .await;
    bench.upstream.received(1).await;
    drop(wire);
    bench.upstream.abandoned().await;
    bench.lives().await;
}
