//! Which route applies: exact host before wildcard, longer path before shorter, method before any; never the order of the file.

use http::Method;

use crate::harness::{bench::Bench, upstream::Upstream};

/// A public route to an upstream of its own name.
fn route(name: &str, when: &str, upstream: &Upstream) -> String {
    format!(
        "\n[upstream.{name}]\nurl = \"{}\"\n[route.{name}]\n{when}\nupstream = \"{name}\"\nauth = \"public\"\n",
        upstream.url()
    )
}

async fn marked(mark: &'static str) -> Upstream {
    let upstream = Upstream::start().await;
    upstream.always(crate::harness::upstream::Reply::text(
        200,
        "text/plain",
        mark,
    ));
    upstream
}

#[tokio::test]
async fn the_most_specific_route_applies_wherever_it_stands() {
    let (all, long, exact, put) = tokio::join!(
        marked("all"),
        marked("long"),
        marked("exact"),
        marked("put")
    );
    let routes = [
        route("ra", "hosts = [\"gw.test\"]\npath = \"/r/**\"", &all),
        route("rb", "hosts = [\"gw.test\"]\npath = \"/r/a/**\"", &long),
        route("rc", "hosts = [\"gw.test\"]\npath = \"/r/a/b\"", &exact),
        route(
            "rd",
            "hosts = [\"gw.test\"]\npath = \"/r/a/**\"\nmethods = [\"PUT\"]",
            &put,
        ),
    ];
    let reversed: String = routes.iter().rev().cloned().collect();
    for file in [routes.concat(), reversed] {
        let bench = Bench::with(&file).await;
        for (path, expected) in [
            ("/r", "all"),
            ("/r/x", "all"),
            ("/r/a", "long"),
            ("/r/a/x/y", "long"),
            ("/r/a/b", "exact"),
            ("/r/ab", "all"),
            ("/r/a/b/c", "long"),
        ] {
            assert_eq!(bench.get(path).send().await.text(), expected, "{path}");
        }
        let answer = bench.client().request(Method::PUT, "/r/a/x").send().await;
        assert_eq!(answer.text(), "put");
        assert_eq!(bench.get("/rx").send().await.status, 404);
    }
}

#[tokio::test]
async fn hosts_are_compared_without_regard_to_case_port_or_final_dot() {
    let bench = Bench::start().await;
    for host in ["gw.test", "GW.TEST", "Gw.Test:8443", "gw.test:1"] {
        let mut wire = bench.wire().await;
        wire.send(format!("GET /public/x HTTP/1.1\r\nHost: {host}\r\n\r\n"))
            .await;
        assert_eq!(wire.reply().await.unwrap().status, 200, "{host}");
    }
    let mut wire = bench.wire().await;
    wire.send("GET /public/x HTTP/1.1\r\nHost: xgw.test\r\n\r\n")
        .await;
    assert!(matches!(wire.reply().await.unwrap().status, 404 | 421));
}

#[tokio::test]
async fn paths_are_compared_letter_for_letter() {
    let bench = Bench::start().await;
    for path in ["/Public/x", "/PUBLIC", "/public%20/x", "/publi"] {
        assert_eq!(bench.get(path).send().await.status, 404, "{path}");
    }
    assert!(bench.upstream.is_untouched());
}

#[tokio::test]
async fn the_admin_pages_are_not_on_the_public_listener() {
    // LG-03
    let bench = Bench::start().await;
    for path in [
        "/metrics", "/debug", "/admin", "/status", "/livez", "/readyz",
    ] {
        assert_eq!(bench.get(path).send().await.status, 404, "{path}");
    }
    assert_eq!(bench.post("/shutdown").send().await.status, 404);
    bench.lives().await;
}
