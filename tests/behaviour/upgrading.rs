//! Asking for another protocol: bytes that follow are not passed on before the upstream agreed, and what was joined ends
//! with the token.

use std::time::{Duration, Instant};

use tokio_tungstenite::tungstenite::Message;

use crate::harness::{
    bench::Bench,
    exchange::{Client, Wire},
    issuer::NOW,
    sockets::{Echo, Talk},
    soon, until,
    upstream::{Reply, Valve},
};

const HANDSHAKE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                         Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";

/// Asks for a WebSocket on an open route, in raw bytes, more of which may follow.
async fn asked(bench: &Bench, more: &str) -> Wire {
    let mut wire = bench.wire().await;
    let head = "GET /public/ws HTTP/1.1\r\nHost: gw.test\r\n";
    wire.send(format!("{head}{HANDSHAKE}\r\n{more}")).await;
    wire
}

#[tokio::test]
async fn bytes_behind_an_upgrade_nobody_agreed_to_are_a_request_of_their_own() {
    // UP-01
    let bench = Bench::start().await;
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    let hidden = "GET /api/admin/x HTTP/1.1\r\nHost: gw.test\r\nConnection: close\r\n\r\n";
    let head = "GET /public/a HTTP/1.1\r\nHost: gw.test\r\n";
    let replies = bench.say(format!("{head}{upgrade}{hidden}")).await;
    assert_eq!(replies.len(), 1, "{replies:?}");
    assert_eq!(replies[0].header("connection"), Some("close"));
    let targets: Vec<String> = bench
        .upstream
        .requests()
        .into_iter()
        .map(|seen| seen.target)
        .collect();
    assert!(
        targets.iter().all(|target| target == "/public/a") && targets.len() <= 1,
        "{targets:?}"
    );
    bench.lives().await;
}

#[tokio::test]
async fn an_upgrade_to_plain_http2_is_ignored() {
    // UP-02
    let bench = Bench::start().await;
    let upgrade = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n";
    let mut wire = bench.wire().await;
    wire.send(format!(
        "GET /public/a HTTP/1.1\r\nHost: gw.test\r\n{upgrade}"
    ))
    .await;
    assert_ne!(wire.reply().await.unwrap().status, 101);
    for seen in bench.upstream.requests() {
        assert!(seen.all("upgrade").is_empty() && seen.all("http2-settings").is_empty());
    }
    bench.lives().await;
}

#[tokio::test]
async fn messages_pass_both_ways_and_the_upstream_learns_who_it_is() {
    let echo = Echo::start().await;
    let route = format!(
        "[upstream.echo]\nurl = \"{}\"\n[route.echo]\npath = \"/echo/**\"\nupstream = \"echo\"\nissuers = [\"a\"]\n\
         forward = {{ identity = {{ x-user-id = \"sub\" }} }}\n",
        echo.url()
    );
    let bench = Bench::with(&route).await;
    let token = format!("Bearer {}", bench.token().sign());
    let fields = [("authorization", token.as_str()), ("x-user-id", "root")];
    let mut talk = Talk::open(&bench.gateway, "gw.test", "/echo/a?b=1", &fields).await;
    for text in ["hello", &"x".repeat(300_000), ""] {
        talk.say(text).await;
        assert_eq!(talk.hear().await, text);
    }
    let (target, seen) = echo.asked().pop().unwrap();
    assert_eq!(target, "/echo/a?b=1");
    assert_eq!(seen["x-user-id"], "u1");
    assert_eq!(
        (&seen["connection"], &seen["upgrade"]),
        (&"upgrade".parse().unwrap(), &"websocket".parse().unwrap())
    );
    assert!(!seen.contains_key("authorization"));
    talk.send(Message::Close(None)).await;
    assert!(talk.closed().await.is_none());
    drop(talk);
    let client = Client::plain(bench.gateway.admin_address());
    let line = "http_response_status_code=\"101\"";
    let counted = async {
        loop {
            let page = client.get("/metrics").send().await.text();
            let mut lines = page.lines();
            let found = lines.find(|found| found.contains(line) && found.contains("_count"));
            if let Some(found) = found {
                return found.rsplit(' ').next().unwrap().to_owned();
            }
        }
    };
    let count = soon("the record of the WebSocket", counted).await;
    assert_eq!(count, "1");
}

#[tokio::test]
async fn not_a_byte_is_passed_on_before_the_upstream_agrees() {
    // UP-01
    let bench = Bench::start().await;
    let valve = Valve::new();
    bench
        .upstream
        .next(Reply::switch("websocket").behind(&valve));
    let mut wire = asked(&bench, "first words").await;
    bench.upstream.received(1).await;
    assert!(bench.upstream.bytes().ends_with(b"\r\n\r\n"));
    valve.open();
    let reply = wire.reply().await.unwrap();
    assert_eq!(reply.status, 101);
    assert_eq!(reply.header("upgrade"), Some("websocket"));
    assert_eq!(reply.header("connection"), Some("upgrade"));
    wire.until("first words").await;
    wire.send("more").await;
    wire.until("more").await;
    wire.finish().await;
    wire.closes_silently().await;
    bench.upstream.abandoned().await;
    bench.lives().await;
}

#[tokio::test]
async fn a_token_is_demanded_as_for_any_other_request() {
    let bench = Bench::start().await;
    let mut wire = bench.wire().await;
    let hidden = "GET /public/smuggled HTTP/1.1\r\nHost: gw.test\r\n\r\n";
    wire.send(format!(
        "GET /ws HTTP/1.1\r\nHost: gw.test\r\n{HANDSHAKE}\r\n{hidden}"
    ))
    .await;
    let replies = wire.replies().await;
    assert_eq!(replies.len(), 1, "{replies:?}");
    assert_eq!(replies[0].status, 401);
    assert!(bench.upstream.is_untouched());
    bench.lives().await;
}

#[tokio::test]
async fn an_upstream_that_declines_is_heard_and_its_connection_used_for_nothing_else() {
    let bench = Bench::start().await;
    bench.lives().await;
    bench
        .upstream
        .next(Reply::text(403, "text/plain", "not you"));
    let mut wire = asked(
        &bench,
        "GET /public/smuggled HTTP/1.1\r\nHost: gw.test\r\n\r\n",
    )
    .await;
    let replies = wire.replies().await;
    assert_eq!(replies.len(), 1, "{replies:?}");
    assert_eq!(
        (replies[0].status, replies[0].text().as_str()),
        (403, "not you")
    );
    until("the connection to the upstream was closed", || {
        bench
            .upstream
            .connections()
            .get(1)
            .is_some_and(|connection| connection.closed)
            .then_some(())
    })
    .await;
    bench.lives().await;
    let used: Vec<_> = bench
        .upstream
        .requests()
        .iter()
        .map(|seen| seen.connection)
        .collect();
    assert_eq!(
        used.iter().filter(|number| **number == 1).count(),
        1,
        "{used:?}"
    );
}

#[tokio::test]
async fn an_upstream_that_switches_to_something_else_is_no_upstream() {
    let bench = Bench::start().await;
    for reply in [
        Reply::switch("h2c"),
        Reply::switch("websocket, h2c"),
        Reply::raw("HTTP/1.1 101 Go\r\n\r\n"),
    ] {
        bench.upstream.next(reply);
        let replies = asked(&bench, "").await.replies().await;
        assert_eq!(replies.len(), 1, "{replies:?}");
        assert_eq!(replies[0].status, 502);
    }
    bench.upstream.abandoned().await;
}

#[tokio::test]
async fn only_a_get_without_a_body_can_ask() {
    let bench = Bench::start().await;
    for (line, body) in [
        ("POST /public/ws HTTP/1.1", "Content-Length: 2\r\n\r\nhi"),
        ("GET /public/ws HTTP/1.1", "Content-Length: 2\r\n\r\nhi"),
        ("POST /public/ws HTTP/1.1", "\r\n"),
    ] {
        let mut wire = bench.wire().await;
        wire.send(format!("{line}\r\nHost: gw.test\r\n{HANDSHAKE}{body}"))
            .await;
        assert_eq!(wire.reply().await.unwrap().status, 200);
        let seen = bench.upstream.last();
        assert!(seen.all("upgrade").is_empty() && seen.all("connection").is_empty());
    }
}

#[tokio::test]
async fn a_route_may_know_no_websockets() {
    let bench = Bench::changed(
        &[(
            "path = \"/public/**\"\n",
            "path = \"/public/**\"\nsocket = \"off\"\n",
        )],
        "",
    )
    .await;
    bench.upstream.next(Reply::ok());
    let reply = asked(&bench, "").await.reply().await.unwrap();
    assert_eq!(reply.status, 200);
    assert!(bench.upstream.only().all("upgrade").is_empty());
}

#[tokio::test]
async fn what_was_joined_ends_with_the_token() {
    let bench = Bench::start().await;
    bench.upstream.next(Reply::switch("websocket"));
    // The clocks of other issuers may differ from ours by half a minute.
    let token = bench.token().with("exp", NOW - 29).sign();
    let mut wire = bench.wire().await;
    let began = Instant::now();
    // The clock of the gateway stands still; what flows is timed from the moment it was admitted.
    wire.send(format!(
        "GET /ws HTTP/1.1\r\nHost: gw.test\r\nAuthorization: Bearer {token}\r\n{HANDSHAKE}\r\n"
    ))
    .await;
    assert_eq!(wire.reply().await.unwrap().status, 101);
    wire.send("hello").await;
    wire.until("hello").await;
    wire.closes_silently().await;
    assert!(began.elapsed() >= Duration::from_secs(1));
    bench.upstream.abandoned().await;
}

#[tokio::test]
async fn what_was_joined_ends_when_nothing_moves() {
    let bench = Bench::changed(
        &[(
            "[upstream.u1]\n",
            "[upstream.u1]\ntimeouts = { stream = \"1s\" }\n",
        )],
        "",
    )
    .await;
    bench.upstream.next(Reply::switch("websocket"));
    let mut wire = asked(&bench, "").await;
    assert_eq!(wire.reply().await.unwrap().status, 101);
    wire.closes_silently().await;
    bench.upstream.abandoned().await;
}

#[tokio::test]
async fn stopping_lets_what_was_joined_come_to_its_end() {
    let bench = Bench::start().await;
    bench.upstream.next(Reply::switch("websocket"));
    let mut wire = asked(&bench, "").await;
    assert_eq!(wire.reply().await.unwrap().status, 101);
    let address = bench.gateway.address("public");
    let gateway = bench.gateway;
    let ((), ()) = tokio::join!(gateway.stop(), async {
        until("nobody new is let in", || {
            std::net::TcpStream::connect(address).err()
        })
        .await;
        wire.send("still here").await;
        wire.until("still here").await;
        wire.finish().await;
        wire.closes_silently().await;
    });
}
