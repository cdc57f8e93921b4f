//! What passes, passes unharmed: method, target, headers and body, both ways, in both versions of HTTP.

use http::Method;

use crate::harness::{
    bench::Bench,
    exchange::Client,
    issuer::Issuer,
    keys,
    upstream::{Reply, Upstream},
};

#[tokio::test]
async fn a_request_with_a_good_token_passes() {
    let bench = Bench::start().await;
    bench.admits_token(&bench.token().sign()).await;
    let seen = bench.upstream.only();
    assert_eq!(
        (seen.method.as_str(), seen.target.as_str()),
        ("GET", "/api/x")
    );
    assert_eq!(seen.header("x-user-id"), Some("u1"));
    assert_eq!(seen.header("x-user-scopes"), Some("read"));
}

#[tokio::test]
async fn every_method_passes_as_it_is() {
    let bench = Bench::start().await;
    for method in [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND",
    ] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let answer = bench
            .client()
            .request(method.clone(), "/public/x")
            .send()
            .await;
        assert_eq!(answer.status, 200, "{method}");
        assert_eq!(bench.upstream.last().method, method.as_str());
    }
}

#[tokio::test]
async fn headers_and_body_pass_both_ways() {
    for http2 in [false, true] {
        let bench = Bench::start().await;
        let head = "HTTP/1.1 201 Created\r\nX-Answer: 1\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 4\r\n\r\ndone";
        bench.upstream.next(Reply::raw(head));
        let client = if http2 {
            bench.client().http2()
        } else {
            bench.client()
        };
        let request = client
            .post("/public/x?q=1")
            .header("X-Ask", "1")
            .header("X-Ask", "2")
            .header("Cookie", "c=3")
            .body("hello");
        let answer = request.send().await;
        assert_eq!((answer.status, answer.text().as_str()), (201, "done"));
        assert_eq!(answer.header("x-answer"), Some("1"));
        assert_eq!(answer.headers.get_all("set-cookie").iter().count(), 2);
        let seen = bench.upstream.only();
        assert_eq!(
            (seen.target.as_str(), &seen.body[..]),
            ("/public/x?q=1", &b"hello"[..])
        );
        assert_eq!(seen.all("x-ask"), ["1", "2"]);
        assert_eq!(seen.header("cookie"), Some("c=3"));
        assert!(bench.upstream.faults().is_empty());
    }
}

#[tokio::test]
async fn statuses_pass_as_they_are() {
    let bench = Bench::start().await;
    for status in [204, 301, 304, 401, 403, 404, 429, 500, 503] {
        bench.upstream.next(Reply::raw(format!(
            "HTTP/1.1 {status} X\r\nX-From: upstream\r\n{}\r\n",
            if [204, 304].contains(&status) {
                ""
            } else {
                "Content-Length: 0\r\n"
            }
        )));
        let answer = bench.get("/public/x").send().await;
        assert_eq!(
            (answer.status, answer.header("x-from")),
            (status, Some("upstream"))
        );
    }
}

#[tokio::test]
async fn the_upstream_sees_who_asked_and_how() {
    let bench = Bench::start().await;
    assert_eq!(bench.get("/public/x").send().await.status, 200);
    let seen = bench.upstream.only();
    assert_eq!(seen.header("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(seen.header("x-forwarded-proto"), Some("https"));
}

#[tokio::test]
async fn a_listener_without_tls_judges_alike_and_the_upstream_is_told_so() {
    let bench = Bench::with("\n[listener.plain]\naddress = \"127.0.0.1:0\"\n").await;
    let client = Client::plain(bench.gateway.address("plain")).named("gw.test");
    bench.refuses(client.get("/api/x")).await;
    let request = client.get("/api/x").bearer(&bench.token().sign());
    let answer = request.header("X-User-Id", "admin").send().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let seen = bench.upstream.only();
    assert_eq!(seen.header("x-forwarded-proto"), Some("http"));
    assert_eq!(seen.header("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(seen.alike("x-user-id"), ["u1"]);
}

#[tokio::test]
async fn connections_to_the_upstream_are_used_again() {
    let bench = Bench::start().await;
    let mut session = bench.client().session().await;
    for _ in 0..5 {
        assert_eq!(session.send(bench.get("/public/x")).await.status, 200);
    }
    assert_eq!(bench.upstream.connections().len(), 1);
}

/// S17: where the way to an upstream is not a safe one, it is given an `https` address.
#[tokio::test]
async fn an_upstream_over_tls_is_checked() {
    let secure = Upstream::secure().await;
    let more = |name: &str, tls: &str| {
        format!(
            "\n[upstream.{name}]\nurl = \"{}\"\n{tls}\n[route.{name}]\nhosts = [\"gw.test\"]\npath = \"/{name}\"\nupstream = \"{name}\"\nauth = \"public\"\n",
            secure.url()
        )
    };
    let bench =
        Bench::with(&(more("known", "tls = { ca = \"ca.pem\" }\n") + &more("unknown", ""))).await;
    assert_eq!(bench.get("/known").send().await.status, 200);
    assert_eq!(secure.requests().len(), 1);
    assert_eq!(bench.get("/unknown").send().await.status, 502);
    assert_eq!(
        secure.requests().len(),
        1,
        "nothing is said to a server that cannot prove its name"
    );
}

#[tokio::test]
async fn an_opaque_token_passes_where_its_server_knows_it() {
    // IS-08
    let bench = Bench::start().await;
    bench
        .n1
        .activate("t", &serde_json::json!({ "sub": "u1", "scope": "read" }));
    assert_eq!(bench.get("/intro/x").bearer("t").send().await.status, 200);
    bench.refuses(bench.get("/intro2/x").bearer("t")).await;
    assert_eq!(
        (
            bench.n1.introspection_count(),
            bench.n2.introspection_count()
        ),
        (1, 1)
    );
}

#[tokio::test]
async fn hosts_are_told_apart_over_one_listener() {
    let bench = Bench::start().await;
    let b = bench.client().named("b.test");
    assert_eq!(b.get("/public/x").send().await.status, 401);
    assert_eq!(
        b.get("/public/x")
            .bearer(&bench.b.token().sign())
            .send()
            .await
            .status,
        200
    );
    assert_eq!(bench.get("/public/x").send().await.status, 200);
}

#[tokio::test]
async fn two_gateways_in_one_process_do_not_know_each_other() {
    let (one, other) = tokio::join!(Bench::start(), Bench::start());
    one.admits_token(&one.token().sign()).await;
    other.refuses_token(&one.token().sign()).await;
    let stranger = Issuer::start(keys::a()).await;
    one.refuses_token(&stranger.token().sign()).await;
}
