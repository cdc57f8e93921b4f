//! What an upstream may believe: identity headers are ours alone, and nobody can make us drop or fake them.

use crate::harness::bench::Bench;

/// S16
#[tokio::test]
async fn identity_sent_by_the_client_is_removed_everywhere() {
    // HD-01
    let bench = Bench::start().await;
    let token = bench.token().sign();
    let lied = |path: &str| {
        bench
            .get(path)
            .header("X-User-Id", "admin")
            .header("x-user-id", "root")
    };
    assert_eq!(lied("/api/x").bearer(&token).send().await.status, 200);
    assert_eq!(bench.upstream.last().alike("x-user-id"), ["u1"]);
    assert_eq!(lied("/public/x").send().await.status, 200);
    assert!(bench.upstream.last().alike("x-user-id").is_empty());
    bench.lives().await;
}

/// S16
#[tokio::test]
async fn identity_cannot_hide_behind_another_spelling() {
    // HD-02
    let bench = Bench::start().await;
    let token = bench.token().sign();
    for name in ["X_User_Id", "x-user_id", "X_USER-ID", "x.user.id"] {
        let before = bench.upstream.requests().len();
        let answer = bench
            .get("/api/x")
            .bearer(&token)
            .header(name, "admin")
            .send()
            .await;
        assert!(
            [200, 400].contains(&answer.status),
            "{name}: {}",
            answer.status
        );
        for seen in &bench.upstream.requests()[before..] {
            assert_eq!(seen.alike("x-user-id"), ["u1"], "{name}");
        }
    }
    assert_eq!(
        bench
            .get("/public/x")
            .header("X_User_Id", "admin")
            .send()
            .await
            .status,
        200
    );
    assert!(bench.upstream.last().alike("x-user-id").is_empty());
    bench.lives().await;
}

/// S16
#[tokio::test]
async fn identity_is_ours_however_the_operator_spells_it() {
    // HD-02
    let spellings = [
        "X-User-Id",
        "x-user_id",
        "X_User_Id",
        "x.user.id",
        "X.User-Id",
    ];
    for field in ["x_user_id", "\"x.user.id\""] {
        let bench = Bench::changed(&[("x-user-id =", &format!("{field} ="))], "").await;
        let token = bench.token().sign();
        for name in spellings {
            let lied = |path: &str| bench.get(path).header(name, "admin");
            assert_eq!(lied("/api/x").bearer(&token).send().await.status, 200);
            let seen = bench.upstream.last();
            assert_eq!(seen.alike("x-user-id"), ["u1"], "{name} beside {field}");
            for open in ["/public/x", "/svc/x"] {
                assert_eq!(lied(open).send().await.status, 200);
                let seen = bench.upstream.last();
                assert!(
                    seen.alike("x-user-id").is_empty(),
                    "{name} beside {field} on {open}"
                );
            }
        }
        bench.lives().await;
    }
}

/// S16
#[tokio::test]
async fn connection_cannot_name_our_own_headers_away() {
    // HD-03
    let bench = Bench::start().await;
    let token = bench.token().sign();
    for connection in [
        "close, X-User-Id, X-Forwarded-For",
        "x-user-id,x-forwarded-for",
        "X-User-Id",
    ] {
        let answer = bench
            .get("/api/x")
            .bearer(&token)
            .header("Connection", connection)
            .send()
            .await;
        assert_eq!(answer.status, 200);
        let seen = bench.upstream.last();
        assert_eq!(seen.header("x-user-id"), Some("u1"), "{connection}");
        assert_eq!(
            seen.header("x-forwarded-for"),
            Some("127.0.0.1"),
            "{connection}"
        );
    }
    bench.lives().await;
}

#[tokio::test]
async fn hop_by_hop_headers_end_here() {
    // HD-03, RFC 9110 §7.6.1
    let bench = Bench::start().await;
    let request = bench
        .get("/public/x")
        .header("Connection", "X-Mine, keep-alive")
        .header("X-Mine", "1");
    let request = request
        .header("Keep-Alive", "timeout=5")
        .header("Proxy", "http://evil.test")
        .header("Proxy-Authorization", "Basic eDp5")
        .header("TE", "gzip");
    assert_eq!(
        request
            .header("Proxy-Connection", "keep-alive")
            .header("X-Yours", "2")
            .send()
            .await
            .status,
        200
    );
    let seen = bench.upstream.only();
    for name in [
        "x-mine",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
    ] {
        assert!(seen.all(name).is_empty(), "{name}: {:?}", seen.all(name));
    }
    assert_eq!(seen.header("x-yours"), Some("2"));
}

#[tokio::test]
async fn a_claim_that_is_missing_is_a_header_that_is_missing() {
    // HD-04
    let bench = Bench::start().await;
    let token = bench.token();
    let answer = bench
        .get("/api/x")
        .bearer(&token.sign())
        .header("X-User-Email", "boss@corp.test")
        .send()
        .await;
    assert_eq!(answer.status, 200);
    assert!(bench.upstream.last().alike("x-user-email").is_empty());
    let token = token.with("email", "ada@corp.test").sign();
    assert_eq!(bench.get("/api/x").bearer(&token).send().await.status, 200);
    assert_eq!(
        bench.upstream.last().header("x-user-email"),
        Some("ada@corp.test")
    );
    assert_eq!(bench.upstream.last().header("x-user-scopes"), Some("read"));
    bench.lives().await;
}

#[tokio::test]
async fn a_claim_with_a_line_break_never_becomes_a_header() {
    // HD-04, its neighbour
    let bench = Bench::start().await;
    let token = bench
        .token()
        .with("email", "a@b\r\nX-User-Id: admin")
        .sign();
    let status = bench.get("/api/x").bearer(&token).send().await.status;
    assert!([200, 401, 403].contains(&status), "{status}");
    for seen in bench.upstream.requests() {
        assert_eq!(seen.alike("x-user-id"), ["u1"]);
        assert_eq!(
            seen.header("x-user-email"),
            Some("a@b%0D%0AX-User-Id: admin")
        );
    }
    assert!(bench.upstream.faults().is_empty());
    bench.lives().await;
}

#[tokio::test]
async fn a_trusted_proxy_is_believed_about_who_came_before_it() {
    let address = "address = \"127.0.0.1:0\"\ntls";
    let trusting = format!("trusted_proxies = [\"127.0.0.0/8\"]\n{address}");
    let bench = Bench::changed(&[(address, &trusting)], "").await;
    let request = bench
        .get("/public/x")
        .header("X-Forwarded-For", "6.6.6.6, 203.0.113.7, 127.0.0.9")
        .header("X-Forwarded-Proto", "http");
    assert_eq!(request.send().await.status, 200);
    let seen = bench.upstream.only();
    assert_eq!(
        seen.header("x-forwarded-for"),
        Some("203.0.113.7, 127.0.0.9, 127.0.0.1")
    );
    assert_eq!(seen.header("x-forwarded-proto"), Some("http"));
}

/// S16
#[tokio::test]
async fn a_strangers_forwarded_headers_are_not_believed() {
    // HD-05
    let bench = Bench::start().await;
    let request = bench
        .get("/public/x")
        .header("X-Forwarded-For", "10.0.0.1")
        .header("X-Forwarded-Proto", "http");
    let request = request
        .header("X-Forwarded-Host", "evil.test")
        .header("Forwarded", "for=10.0.0.1;proto=http");
    assert_eq!(
        request.header("X-Real-IP", "10.0.0.1").send().await.status,
        200
    );
    let seen = bench.upstream.only();
    assert_eq!(seen.header("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(seen.header("x-forwarded-proto"), Some("https"));
    assert!(
        seen.header("forwarded")
            .is_none_or(|value| !value.contains("10.0.0.1") && !value.contains("proto=http;"))
    );
    assert!(
        seen.header("x-forwarded-host")
            .is_none_or(|host| host == "gw.test")
    );
    assert!(
        seen.header("x-real-ip")
            .is_none_or(|address| address == "127.0.0.1")
    );
    bench.lives().await;
}

#[tokio::test]
async fn no_header_moves_a_request_to_another_route() {
    // HD-06
    let bench = Bench::start().await;
    let moves = [
        ("X-Forwarded-Uri", "/public/a"),
        ("X-Original-URL", "/public/a"),
        ("X-Rewrite-URL", "/public/a"),
        ("X-Forwarded-Prefix", "/public"),
        ("X-HTTP-Method-Override", "OPTIONS"),
        ("X-Forwarded-Host", "other.test"),
    ];
    for (name, value) in moves {
        bench
            .refuses(bench.get("/api/admin/x").header(name, value))
            .await;
    }
    assert!(bench.upstream.is_untouched());
    bench.lives().await;
}

#[tokio::test]
async fn two_authorization_lines_are_refused_in_either_order() {
    // HD-07
    let bench = Bench::start().await;
    let good = format!("Bearer {}", bench.token().sign());
    for (first, second) in [
        (good.as_str(), "Bearer bad"),
        ("Bearer bad", good.as_str()),
        (&good, &good),
        (&good, "Basic eDp5"),
    ] {
        for path in ["/api/x", "/public/x"] {
            let answer = bench
                .get(path)
                .header("Authorization", first)
                .header("Authorization", second)
                .send()
                .await;
            assert_eq!(answer.status, 400);
            assert_eq!(answer.code().as_deref(), Some("two_credentials"));
            assert!(
                answer
                    .header("www-authenticate")
                    .is_some_and(|value| value.contains(r#"error="invalid_request""#))
            );
        }
    }
    assert!(bench.upstream.is_untouched());
    bench.lives().await;
}

#[tokio::test]
async fn a_health_checkers_name_opens_nothing() {
    // HD-08
    let bench = Bench::start().await;
    for agent in ["GoogleHC/1.0", "kube-probe/1.30", "ELB-HealthChecker/2.0"] {
        bench
            .refuses(bench.get("/api/x").header("User-Agent", agent))
            .await;
    }
    bench.lives().await;
}

#[tokio::test]
async fn the_clients_token_stays_here() {
    let bench = Bench::start().await;
    assert_eq!(
        bench
            .get("/api/x")
            .bearer(&bench.token().sign())
            .send()
            .await
            .status,
        200
    );
    assert!(bench.upstream.only().all("authorization").is_empty());
}

#[tokio::test]
async fn a_route_may_pass_the_token_on() {
    let bench = Bench::changed(
        &[("[route.p]\nhosts", "[route.pass]\nhosts = [\"gw.test\"]\npath = \"/pass/**\"\nupstream = \"u1\"\nissuers = [\"a\"]\nforward = { token = \"pass\" }\n\n[route.p]\nhosts")],
        "",
    )
    .await;
    let token = bench.token().sign();
    assert_eq!(bench.get("/pass/x").bearer(&token).send().await.status, 200);
    assert_eq!(
        bench.upstream.only().header("authorization"),
        Some(format!("Bearer {token}").as_str())
    );
}
