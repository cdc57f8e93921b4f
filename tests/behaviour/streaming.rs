//! Bodies move while they are being made, in both directions, and one that broke off never looks complete.

use bytes::Bytes;
use http_body_util::BodyExt;

use crate::harness::{
    bench::Bench,
    exchange::{Client, pieces},
    soon,
    upstream::{Reply, Valve},
};

#[tokio::test]
async fn the_first_piece_of_an_answer_arrives_before_the_last_is_made() {
    let bench = Bench::start().await;
    let valve = Valve::new();
    bench.upstream.next(
        Reply::stream("text/event-stream")
            .chunk("data: one\n\n")
            .wait(&valve)
            .chunk("data: two\n\n")
            .and("0\r\n\r\n"),
    );
    let mut wire = bench.wire().await;
    wire.send("GET /public/events HTTP/1.1\r\nHost: gw.test\r\nConnection: close\r\n\r\n")
        .await;
    wire.until("data: one\n\n").await;
    valve.open();
    wire.until("data: two\n\n").await;
    wire.rest().await;
}

#[tokio::test]
async fn the_first_piece_of_an_answer_arrives_early_in_http2_too() {
    let bench = Bench::start().await;
    let valve = Valve::new();
    bench.upstream.next(
        Reply::stream("text/event-stream")
            .chunk("one")
            .wait(&valve)
            .chunk("two")
            .and("0\r\n\r\n"),
    );
    let client = bench.client().http2();
    let mut session = client.session().await;
    let mut body = session
        .open(client.get("/public/events"))
        .await
        .unwrap()
        .into_body();
    let mut frame = async || {
        soon("a piece", body.frame())
            .await
            .unwrap()
            .unwrap()
            .into_data()
            .unwrap()
    };
    assert_eq!(frame().await, "one");
    valve.open();
    assert_eq!(frame().await, "two");
}

#[tokio::test]
async fn the_first_piece_of_a_request_arrives_before_the_last_is_made() {
    for http2 in [false, true] {
        let bench = Bench::start().await;
        let client = if http2 {
            bench.client().http2()
        } else {
            bench.client()
        };
        let (sender, body) = pieces();
        sender.send(Bytes::from("first")).unwrap();
        let answer = client.post("/public/upload").pieces(body).send();
        let (answer, ()) = tokio::join!(answer, async {
            crate::harness::until("the first piece reached the upstream", || {
                let bytes = bench.upstream.bytes();
                bytes
                    .windows(5)
                    .any(|window| window == b"first")
                    .then_some(())
            })
            .await;
            assert!(!bench.upstream.only().complete);
            sender.send(Bytes::from("second")).unwrap();
            drop(sender);
        });
        assert_eq!(answer.status, 200);
        assert_eq!(bench.upstream.only().body, b"firstsecond");
    }
}

#[tokio::test]
async fn an_answer_cut_short_never_looks_complete() {
    // RL-07
    for http2 in [false, true] {
        let bench = Bench::start().await;
        let client = if http2 {
            bench.client().http2()
        } else {
            bench.client()
        };
        let chunked = Reply::stream("text/plain").chunk("half");
        for reply in [
            Reply::cut_in_half("0123456789"),
            chunked.clone().then_close(),
            chunked.then_reset(),
        ] {
            bench.upstream.next(reply);
            let answer = client.get("/public/x").try_send().await;
            assert!(
                answer.is_err()
                    || answer.is_ok_and(|answer| answer.status == 502 || !answer.complete)
            );
        }
        bench.lives().await;
    }
}

#[tokio::test]
async fn a_request_cut_short_never_looks_complete() {
    let bench = Bench::start().await;
    for framing in [
        "Content-Length: 100\r\n\r\nhalf",
        "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ] {
        let before = bench.upstream.requests().len();
        let mut wire = bench.wire().await;
        wire.send(format!(
            "POST /public/x HTTP/1.1\r\nHost: gw.test\r\n{framing}"
        ))
        .await;
        bench.upstream.received(before + 1).await;
        drop(wire);
        bench.upstream.abandoned().await;
        assert!(!bench.upstream.last().complete);
    }
    bench.lives().await;
}

#[tokio::test]
async fn trailers_end_here_and_the_body_before_them_arrives() {
    for client in [Client::http2, Client::clone] {
        let bench = Bench::start().await;
        let reply = Reply::chunked(&["ab", "c"], &[("x-check", "7"), ("x-user-id", "eve")]);
        bench.upstream.next(reply);
        let answer = client(&bench.client()).get("/public/x").send().await;
        assert!(answer.complete && answer.trailers.is_empty());
        assert_eq!(answer.text(), "abc");
    }
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_request_is_passed_on() {
    let bench = Bench::start().await;
    bench
        .upstream
        .next(Reply::text(403, "text/plain", "no").early().then_close());
    let mut wire = bench.wire().await;
    wire.send("POST /public/x HTTP/1.1\r\nHost: gw.test\r\nContent-Length: 1000000\r\n\r\nstart")
        .await;
    let answer = wire.reply().await.unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (403, "no"));
    wire.rest().await;
    bench.lives().await;
}

#[tokio::test]
async fn a_large_body_passes_both_ways_unharmed() {
    let bench = Bench::start().await;
    let body: Vec<u8> = (0..3_000_000_u32)
        .map(|at| u8::try_from(at % 251).unwrap())
        .collect();
    bench.upstream.answer_with(|seen| {
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
            seen.body.len()
        );
        Reply::raw([head.as_bytes(), &seen.body].concat())
    });
    for client in [bench.client(), bench.client().http2()] {
        let answer = client.post("/public/x").body(body.clone()).send().await;
        assert!(
            answer.complete && answer.body == body,
            "{} bytes came back",
            answer.body.len()
        );
    }
}

#[tokio::test]
async fn a_client_that_waits_for_100_is_let_on() {
    let bench = Bench::start().await;
    let mut wire = bench.wire().await;
    wire.send("POST /public/x HTTP/1.1\r\nHost: gw.test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n").await;
    assert_eq!(wire.reply_head().await.unwrap().status, 100);
    wire.send("hello").await;
    assert_eq!(wire.reply().await.unwrap().status, 200);
    assert_eq!(bench.upstream.only().body, b"hello");
}

#[tokio::test]
async fn a_client_that_waits_for_100_is_refused_before_it_sends() {
    let bench = Bench::start().await;
    let mut wire = bench.wire().await;
    wire.send("POST /api/x HTTP/1.1\r\nHost: gw.test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n").await;
    assert_eq!(wire.reply_head().await.unwrap().status, 401);
    assert!(bench.upstream.is_untouched());
}

#[tokio::test]
async fn many_requests_over_one_http2_connection_do_not_wait_for_each_other() {
    let bench = Bench::start().await;
    let valve = Valve::new();
    bench.upstream.answer_with({
        let valve = valve.clone();
        move |seen| {
            if seen.target.ends_with("slow") {
                Reply::ok().behind(&valve)
            } else {
                Reply::ok()
            }
        }
    });
    let client = bench.client().http2();
    let mut session = client.session().await;
    let mut other = session.share();
    let slow = session.send(client.get("/public/slow"));
    let (slow, ()) = tokio::join!(slow, async {
        for _ in 0..20 {
            assert_eq!(other.send(client.get("/public/fast")).await.status, 200);
        }
        valve.open();
    });
    assert_eq!(slow.status, 200);
}
