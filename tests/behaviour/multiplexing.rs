//! HTTP/2, spoken wrongly: what no library would send is refused, and harms nobody else.

use crate::harness::{
    authority::authority,
    bench::{Bench, SMUGGLED},
    exchange::{
        Wire,
        frames::{END_HEADERS, END_STREAM, Outcome, frame, head, kind, next, outcome, preface},
    },
    upstream::{Reply, Valve},
};

const GET: [(&str, &str); 4] = [
    (":method", "GET"),
    (":scheme", "https"),
    (":authority", "gw.test"),
    (":path", "/public/a"),
];
const POST: [(&str, &str); 4] = [
    (":method", "POST"),
    (":scheme", "https"),
    (":authority", "gw.test"),
    (":path", "/public/e"),
];

/// A connection that speaks HTTP/2, its preface sent.
async fn connection(bench: &Bench) -> Wire {
    let config = authority().client(&["h2"]);
    let mut wire = Wire::tls(bench.gateway.address("public"), "gw.test", config).await;
    wire.send(preface()).await;
    wire
}

/// Sends one head and wants it refused: the stream broken, or 400, and nothing passed on.
async fn is_refused(bench: &Bench, fields: &[(&str, &str)]) {
    let before = bench.upstream.bytes().len();
    let mut wire = connection(bench).await;
    wire.send(frame(
        kind::HEADERS,
        END_HEADERS | END_STREAM,
        1,
        &head(fields),
    ))
    .await;
    let outcome = outcome(&mut wire, 1).await;
    assert!(
        matches!(outcome, Outcome::Broken | Outcome::Replied(0x8c)),
        "{fields:?}: {outcome:?}"
    );
    assert_eq!(
        bench.upstream.bytes().len(),
        before,
        "{fields:?} reached the upstream"
    );
}

#[tokio::test]
async fn frames_written_by_hand_are_understood() {
    let bench = Bench::start().await;
    let mut wire = connection(&bench).await;
    wire.send(frame(
        kind::HEADERS,
        END_HEADERS | END_STREAM,
        1,
        &head(&GET),
    ))
    .await;
    assert_eq!(outcome(&mut wire, 1).await, Outcome::Replied(0x88));
    assert_eq!(bench.upstream.only().target, "/public/a");
}

#[tokio::test]
async fn fields_that_would_break_the_next_hop_are_refused() {
    // H2-03
    let bench = Bench::start().await;
    let with = |name, value| [&GET[..], &[(name, value)]].concat();
    for (name, value) in [
        ("x-a", "a\r\nX-User-Id: admin"),
        ("x-a", "a\nb"),
        ("x-a", "a\0b"),
        ("x-a: b", "c"),
        ("X-Upper", "a"),
        ("", "a"),
        ("x a", "b"),
        ("connection", "close"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "websocket"),
        ("keep-alive", "timeout=5"),
        ("te", "gzip"),
        (":late", "a"),
    ] {
        is_refused(&bench, &with(name, value)).await;
    }
    bench.lives().await;
}

#[tokio::test]
async fn targets_that_would_break_the_next_hop_are_refused() {
    // H2-03
    let bench = Bench::start().await;
    for path in [
        "/public/a HTTP/1.1\r\nX: y",
        "/public/a b",
        "",
        "public/a",
        "/public/../api/x",
        "/public/a\0",
        "*",
    ] {
        is_refused(&bench, &[GET[0], GET[1], GET[2], (":path", path)]).await;
    }
    is_refused(
        &bench,
        &[GET[0], GET[1], (":authority", "gw.test\r\nX: y"), GET[3]],
    )
    .await;
    is_refused(&bench, &[(":method", "GE T"), GET[1], GET[2], GET[3]]).await;
    is_refused(&bench, &[GET[1], GET[2], GET[3]]).await;
    is_refused(&bench, &[GET[0], GET[1], GET[3]]).await;
    is_refused(&bench, &[&GET[..], &[(":path", "/api/x")]].concat()).await;
    is_refused(&bench, &[&GET[..], &[("host", "b.test")]].concat()).await;
    bench.lives().await;
}

#[tokio::test]
async fn a_body_longer_than_it_said_is_never_passed_on_whole() {
    // H2-04
    let bench = Bench::start().await;
    let mut wire = connection(&bench).await;
    let fields = [&POST[..], &[("content-length", "5")]].concat();
    wire.send(frame(kind::HEADERS, END_HEADERS, 1, &head(&fields)))
        .await;
    wire.send(frame(
        kind::DATA,
        END_STREAM,
        1,
        format!("hello{SMUGGLED}").as_bytes(),
    ))
    .await;
    let outcome = outcome(&mut wire, 1).await;
    assert!(!matches!(outcome, Outcome::Replied(0x88)), "{outcome:?}");
    assert!(
        bench.upstream.requests().iter().all(|seen| !seen.complete),
        "{:?}",
        bench.upstream.requests()
    );
    bench.lives().await;
}

#[tokio::test]
async fn a_head_without_an_end_is_given_up() {
    // H2-02, the short form
    let bench = Bench::start().await;
    let mut wire = connection(&bench).await;
    wire.send(frame(kind::HEADERS, END_STREAM, 1, &head(&GET)))
        .await;
    let more = frame(
        kind::CONTINUATION,
        0,
        1,
        &head(&[("x-more", &"m".repeat(16_000))]),
    );
    let mut sent = 0;
    while sent < 200 && wire.try_send(&more).await.is_ok() {
        sent += 1;
    }
    while let Some((kind, ..)) = next(&mut wire).await {
        if kind == kind::GOAWAY {
            break;
        }
    }
    assert!(bench.upstream.is_untouched());
    bench.lives().await;
}

#[tokio::test]
async fn streams_that_are_opened_and_reset_do_not_pile_up() {
    // H2-01, the short form
    let bench = Bench::start().await;
    let valve = Valve::new();
    bench.upstream.answer_with({
        let valve = valve.clone();
        move |seen| {
            if seen.target == "/public/live" {
                Reply::ok()
            } else {
                Reply::ok().behind(&valve)
            }
        }
    });
    let mut wire = connection(&bench).await;
    for number in 0..5_000_u32 {
        let stream = number * 2 + 1;
        let mut frames = frame(kind::HEADERS, END_HEADERS | END_STREAM, stream, &head(&GET));
        frames.extend(frame(kind::RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
        if wire.try_send(frames).await.is_err() {
            break;
        }
    }
    let open = bench
        .upstream
        .connections()
        .iter()
        .filter(|connection| !connection.closed)
        .count();
    assert!(open <= 100, "{open} requests are open at the upstream");
    bench.lives().await;
}
