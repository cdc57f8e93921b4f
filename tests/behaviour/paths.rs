//! Where a request goes: one reading, or none (decisions, "Paths").

use crate::harness::bench::Bench;

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: gw.test\r\nConnection: close\r\n\r\n")
}

/// Sends each target raw and checks the status; the upstream must stay untouched.
async fn never_pass(targets: &[&str], statuses: &[u16], token: Option<&str>) {
    let bench = Bench::start().await;
    let authorization = match token {
        Some("read") => format!("Authorization: Bearer {}\r\n", bench.token().sign()),
        _ => String::new(),
    };
    for target in targets {
        let request = get(target).replace("Connection", &format!("{authorization}Connection"));
        let replies = bench.say(request).await;
        let found: Vec<u16> = replies.iter().map(|answer| answer.status).collect();
        assert!(
            matches!(found[..], [one] if statuses.contains(&one)),
            "{target}: {found:?}"
        );
        assert!(
            bench.upstream.is_untouched(),
            "{target} reached the upstream"
        );
    }
    bench.lives().await;
}

#[tokio::test]
async fn dot_segments_lead_nowhere() {
    // PT-01
    never_pass(
        &[
            "/public/../api/admin/x",
            "/public/./../api/x",
            "/public/a/..",
            "/public/.",
        ],
        &[400, 401, 404],
        None,
    )
    .await;
}

#[tokio::test]
async fn escaped_dot_segments_lead_nowhere() {
    // PT-02
    let targets = [
        "/public/%2e%2e/api/admin/x",
        "/public/.%2E/api/admin/x",
        "/public/%2E./api/x",
        "/public/%252e%252e/api/x",
    ];
    never_pass(&targets, &[400, 401, 404], None).await;
}

#[tokio::test]
async fn escaped_slashes_are_refused() {
    // PT-03
    let targets = [
        "/public/..%2fapi%2fadmin%2fx",
        "/public/a%2fb",
        "/public/a%2Fb",
        "/public/a%5cb",
        "/public/a\\b",
        "/public/a%252fb",
    ];
    never_pass(&targets, &[400], None).await;
}

#[tokio::test]
async fn empty_segments_do_not_avoid_a_route() {
    // PT-04
    never_pass(
        &["//api/admin/x", "///api/admin/x", "/api//admin/x"],
        &[400, 403, 404],
        Some("read"),
    )
    .await;
}

#[tokio::test]
async fn path_parameters_are_refused() {
    // PT-05
    never_pass(
        &[
            "/public/..;/api/admin/x",
            "/api/admin;a=b/x",
            "/public/a%3bb",
        ],
        &[400, 401],
        None,
    )
    .await;
}

#[tokio::test]
async fn an_absolute_target_names_the_host() {
    // PT-06
    never_pass(
        &["http://b.test/public/a", "https://b.test/public/a"],
        &[400, 401, 421],
        None,
    )
    .await;
}

#[tokio::test]
async fn exactly_one_host_is_needed() {
    // PT-07
    let bench = Bench::start().await;
    for hosts in [
        "",
        "Host: gw.test\r\nHost: gw.test\r\n",
        "Host: gw.test\r\nHost: b.test\r\n",
        "Host:\r\n",
        "Host: \r\n",
        "Host: gw.test/x\r\n",
        "Host: a@gw.test\r\n",
        "Host: gw test\r\n",
    ] {
        let replies = bench
            .say(format!(
                "GET /public/a HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n"
            ))
            .await;
        let found: Vec<u16> = replies.iter().map(|answer| answer.status).collect();
        assert_eq!(found, [400], "{hosts:?}");
        assert!(bench.upstream.is_untouched(), "{hosts:?}");
    }
    bench
        .rejects("GET http://gw.test/public/a HTTP/1.1\r\nConnection: close\r\n\r\n")
        .await;
    bench.lives().await;
}

#[tokio::test]
async fn a_fragment_hides_nothing() {
    // PT-08
    let bench = Bench::start().await;
    for answer in bench.say(get("/public/a#/../../api/admin/x")).await {
        assert!([200, 400].contains(&answer.status));
    }
    assert!(
        bench
            .upstream
            .requests()
            .iter()
            .all(|seen| seen.target == "/public/a")
    );
    bench.lives().await;
}

#[tokio::test]
async fn escaped_control_characters_stay_escaped() {
    // PT-09
    let bench = Bench::start().await;
    for target in [
        "/public/%0d%0aX-User-Id:%20admin",
        "/public/%00",
        "/public/%0A",
        "/public/%7f",
    ] {
        for answer in bench.say(get(target)).await {
            assert!(
                [200, 400].contains(&answer.status),
                "{target}: {}",
                answer.status
            );
        }
        let requests = bench.upstream.requests();
        assert!(
            requests
                .iter()
                .all(|seen| seen.target.eq_ignore_ascii_case(target)
                    || seen.target == "/public/live"),
            "{requests:?}"
        );
    }
    assert!(
        bench.upstream.faults().is_empty(),
        "{:?}",
        bench.upstream.faults()
    );
    bench.lives().await;
}

#[tokio::test]
async fn raw_control_and_foreign_bytes_are_refused() {
    // PT-09, unescaped
    let bench = Bench::start().await;
    for byte in [0x00_u8, 0x01, 0x7f, 0x80, 0xc3, 0xff, b'\t'] {
        let mut request = b"GET /public/".to_vec();
        request.push(byte);
        request.extend(b" HTTP/1.1\r\nHost: gw.test\r\n\r\n");
        bench.rejects(request).await;
        assert!(
            bench
                .upstream
                .requests()
                .iter()
                .all(|seen| seen.target == "/public/live")
        );
    }
}

#[tokio::test]
async fn malformed_escapes_are_refused() {
    never_pass(
        &["/public/%", "/public/%4", "/public/%zz", "/public/a%2"],
        &[400],
        None,
    )
    .await;
}

#[tokio::test]
async fn a_path_is_forwarded_in_the_form_it_was_matched_in() {
    let bench = Bench::start().await;
    let pairs = [
        ("/public/%41bc", "/public/Abc"),
        ("/public/a%2etxt", "/public/a.txt"),
        ("/public/%c3%a9", "/public/%C3%A9"),
        ("/public/a%20b", "/public/a%20b"),
        ("/public/100%25", "/public/100%25"),
        ("/public/a/", "/public/a/"),
        ("/public", "/public"),
        ("/public/a?b=%2e%2e/&c=//", "/public/a?b=%2e%2e/&c=//"),
        ("/public/~a-b_c", "/public/~a-b_c"),
        ("/%70ublic/a", "/public/a"),
        ("http://gw.test/public/a", "/public/a"),
    ];
    for (target, forwarded) in pairs {
        let replies = bench.say(get(target)).await;
        assert_eq!(replies[0].status, 200, "{target}");
        assert_eq!(bench.upstream.last().target, forwarded);
    }
}

#[tokio::test]
async fn a_protected_route_cannot_be_reached_by_another_spelling() {
    let bench = Bench::start().await;
    for target in [
        "/%61pi/admin/x",
        "/api/%61dmin/x",
        "/api/admin",
        "/api/admin/",
        "/api/admin?x=/public",
    ] {
        let replies = bench.say(get(target)).await;
        assert_eq!(replies[0].status, 401, "{target}");
    }
    assert!(bench.upstream.is_untouched());
}

#[tokio::test]
async fn a_stripped_prefix_leaves_a_path() {
    let bench = Bench::start().await;
    for (target, forwarded) in [
        ("/svc/a/b?c", "/a/b?c"),
        ("/svc", "/"),
        ("/svc/", "/"),
        ("/svc/svc/x", "/svc/x"),
    ] {
        assert_eq!(bench.say(get(target)).await[0].status, 200, "{target}");
        assert_eq!(bench.upstream.last().target, forwarded);
    }
    bench
        .rejects("GET /svc//api/admin/x HTTP/1.1\r\nHost: gw.test\r\nConnection: close\r\n\r\n")
        .await;
}

/// One that lets ambiguous paths pass where all readings agree, and the same behind a token.
const AGREEING: &str = r#"
[route.files]
hosts = ["gw.test"]
path = "/files/**"
upstream = "u1"
auth = "public"
ambiguous_paths = "agree"

[route.papers]
hosts = ["gw.test"]
path = "/papers/**"
upstream = "u1"
issuers = ["a"]
ambiguous_paths = "agree"
"#;

#[tokio::test]
async fn a_path_whose_readings_all_lead_to_one_route_passes_as_it_was_received() {
    let bench = Bench::with(AGREEING).await;
    for target in [
        "/files/a;v=1/b",
        "/files//a",
        "/files/a%2fb",
        "/files/a%5Cb",
        "/files/a/../b",
        "/files/./a?q=%2f",
        "/files/a%252fb",
        "/files/%41//b",
        "/files/a%00",
    ] {
        assert_eq!(bench.say(get(target)).await[0].status, 200, "{target}");
        assert_eq!(bench.upstream.last().target, target);
    }
    assert_eq!(bench.say(get("/papers/a;b")).await[0].status, 401);
    assert_eq!(bench.upstream.last().target, "/files/a%00");
    let authorized = format!("Authorization: Bearer {}\r\nHost", bench.token().sign());
    let request = get("/papers/a;b").replace("Host", &authorized);
    assert_eq!(bench.say(request).await[0].status, 200);
}

#[tokio::test]
async fn a_path_with_one_reading_that_leads_elsewhere_is_refused() {
    let bench = Bench::with(AGREEING).await;
    for target in [
        "/files/../api/admin/x",
        "/files/%2e%2e/api/admin/x",
        "/files/..%2fapi/admin/x",
        "/files/%252e%252e%252fapi/admin/x",
        "/files/..;x=/api/admin/x",
        "/files/..%3b/api/admin/x",
        "/files/..\\api\\admin\\x",
        "/files/..%255capi/x",
        "/files/a%2fb/%2e%2e/%2e%2e/api/admin/x",
        "/files//..//../papers/x",
        "/files/../papers/x",
        "/papers/../files/x",
        "/public/../files/x",
        "/public//x",
        "//files/x",
        "/files;a/x",
        "/files%00/x",
        "/nowhere/../files/x",
        "/files/a;%zz",
    ] {
        assert_eq!(bench.say(get(target)).await[0].status, 400, "{target}");
    }
    assert!(bench.upstream.is_untouched());
    bench.lives().await;
}
