//! Where one message ends and the next begins (RFC 9112 §6): whatever could be read in two ways is read in none.

use crate::harness::{
    bench::{Bench, SMUGGLED},
    upstream::Reply,
};

const POST: &str = "POST /public/e HTTP/1.1\r\nHost: gw.test\r\n";

#[tokio::test]
async fn both_framing_headers_never_travel_on() {
    // FR-01
    let bench = Bench::start().await;
    let both = "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG";
    let mut wire = bench.wire().await;
    wire.send(format!("{POST}{both}")).await;
    wire.send("GET /public/a HTTP/1.1\r\nHost: gw.test\r\n\r\n")
        .await;
    let replies = wire.replies().await;
    assert!(
        replies.len() <= 1,
        "the connection closes after the first reply"
    );
    let requests = bench.upstream.requests();
    assert!(requests.len() <= replies.len(), "{requests:#?}");
    assert!(
        requests.iter().all(|seen| seen.method == "POST"),
        "{requests:#?}"
    );
    assert!(
        bench.upstream.faults().is_empty(),
        "{:?}",
        bench.upstream.faults()
    );
    bench.lives().await;
}

#[tokio::test]
async fn both_framing_headers_smuggle_nothing_behind_a_last_chunk() {
    // FR-01, the same class the other way round
    let bench = Bench::start().await;
    let both =
        format!("Transfer-Encoding: chunked\r\nContent-Length: 53\r\n\r\n0\r\n\r\n{SMUGGLED}");
    bench.passes_safely(format!("{POST}{both}")).await;
}

#[tokio::test]
async fn two_lengths_are_refused() {
    // FR-02
    let bench = Bench::start().await;
    bench
        .rejects(format!(
            "{POST}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"
        ))
        .await;
    bench
        .rejects(format!("{POST}Content-Length: 5, 6\r\n\r\nhello!"))
        .await;
}

#[tokio::test]
async fn odd_lengths_are_refused() {
    // FR-02, further spellings
    let bench = Bench::start().await;
    for length in ["+5", "-5", "0x5", "5a", "", "18446744073709551617"] {
        bench
            .rejects(format!("{POST}Content-Length: {length}\r\n\r\nhello"))
            .await;
    }
}

#[tokio::test]
async fn a_coding_other_than_chunked_is_refused() {
    // FR-03
    let bench = Bench::start().await;
    bench
        .rejects(format!(
            "{POST}Transfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        ))
        .await;
    bench
        .rejects(format!(
            "{POST}Transfer-Encoding: chunked, gzip\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        ))
        .await;
    bench
        .rejects(format!(
            "{POST}Transfer-Encoding: xchunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        ))
        .await;
    bench
        .rejects(format!(
            "{POST}Transfer-Encoding: chunked, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        ))
        .await;
}

#[tokio::test]
async fn two_codings_are_refused() {
    // FR-04
    let bench = Bench::start().await;
    bench
        .rejects(format!(
            "{POST}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n"
        ))
        .await;
    bench
        .rejects(format!(
            "{POST}Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        ))
        .await;
}

#[tokio::test]
async fn a_folded_line_is_refused() {
    // FR-05
    let bench = Bench::start().await;
    bench
        .rejects(format!(
            "{POST}Transfer-Encoding:\r\n chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"
        ))
        .await;
    bench
        .rejects(format!(
            "{POST}X-Long: a\r\n b\r\nContent-Length: 0\r\n\r\n"
        ))
        .await;
    bench
        .rejects(format!("{POST}Content-Length : 5\r\n\r\nhello"))
        .await;
}

#[tokio::test]
async fn a_chunk_size_beyond_counting_is_never_passed_on() {
    // FR-06
    let bench = Bench::start().await;
    bench
        .aborts(format!(
            "{POST}Transfer-Encoding: chunked\r\n\r\n10000000000000001\r\nA\r\n0\r\n\r\n"
        ))
        .await;
}

#[tokio::test]
async fn a_bare_line_feed_does_not_end_a_chunk_extension() {
    // FR-07
    let bench = Bench::start().await;
    bench
        .aborts(format!(
            "{POST}Transfer-Encoding: chunked\r\n\r\n5;\nhello\r\n0\r\n\r\n"
        ))
        .await;
}

#[tokio::test]
async fn a_chunk_that_is_longer_than_it_says_is_never_passed_on() {
    // FR-07, its neighbours
    for chunk in [
        "5\r\nhelloX\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5 x\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
    ] {
        let bench = Bench::start().await;
        bench
            .aborts(format!("{POST}Transfer-Encoding: chunked\r\n\r\n{chunk}"))
            .await;
    }
}

#[tokio::test]
async fn trailers_cannot_become_identity() {
    // FR-08
    let bench = Bench::start().await;
    let head = format!(
        "POST /api/x HTTP/1.1\r\nHost: gw.test\r\nAuthorization: Bearer {}\r\n",
        bench.token().sign()
    );
    let body = "5\r\nhello\r\n0\r\nX-User-Id: admin\r\nAuthorization: Bearer z\r\n\r\n";
    let mut wire = bench.wire().await;
    wire.send(format!("{head}Transfer-Encoding: chunked\r\n\r\n{body}"))
        .await;
    let status = wire.reply().await.map(|answer| answer.status);
    assert!(matches!(status, Some(200 | 400)), "{status:?}");
    for seen in bench.upstream.requests() {
        assert_eq!(seen.alike("x-user-id"), ["u1"]);
        let reserved = |name: &str| {
            ["x-user-id", "authorization"].contains(&name.to_ascii_lowercase().as_str())
        };
        assert!(
            !seen.trailers.iter().any(|(name, _)| reserved(name)),
            "{:?}",
            seen.trailers
        );
    }
    bench.lives().await;
}

#[tokio::test]
async fn the_body_of_a_refused_request_is_not_a_request() {
    // FR-09
    let bench = Bench::start().await;
    let head = format!(
        "POST /api/x HTTP/1.1\r\nHost: gw.test\r\nContent-Length: {}\r\n\r\n",
        SMUGGLED.len()
    );
    let replies = bench.say(format!("{head}{SMUGGLED}")).await;
    assert_eq!(
        replies
            .iter()
            .map(|answer| answer.status)
            .collect::<Vec<_>>(),
        [401]
    );
    assert!(bench.upstream.is_untouched());
    bench.lives().await;
}

#[tokio::test]
async fn a_chunked_body_of_a_refused_request_is_not_a_request() {
    // FR-09, chunked
    let bench = Bench::start().await;
    let head = "POST /api/x HTTP/1.1\r\nHost: gw.test\r\nTransfer-Encoding: chunked\r\n\r\n";
    let replies = bench
        .say(format!(
            "{head}{:x}\r\n{SMUGGLED}\r\n0\r\n\r\n",
            SMUGGLED.len()
        ))
        .await;
    assert_eq!(
        replies
            .iter()
            .map(|answer| answer.status)
            .collect::<Vec<_>>(),
        [401]
    );
    assert!(bench.upstream.is_untouched());
    bench.lives().await;
}

#[tokio::test]
async fn an_old_protocol_cannot_be_chunked() {
    // FR-10
    let bench = Bench::start().await;
    let head = "POST /public/e HTTP/1.0\r\nHost: gw.test\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n";
    bench
        .rejects(format!("{head}5\r\nhello\r\n0\r\n\r\n"))
        .await;
}

#[tokio::test]
async fn an_answer_nobody_asked_for_reaches_nobody() {
    // FR-11
    let bench = Bench::start().await;
    let evil = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL";
    bench.upstream.next(Reply::raw(evil));
    assert_eq!(bench.get("/public/a").send().await.text(), "ok");
    bench.upstream.next(Reply::text(200, "text/plain", "mine"));
    assert_eq!(bench.get("/public/b").send().await.text(), "mine");
    let connections: Vec<usize> = bench
        .upstream
        .requests()
        .iter()
        .map(|seen| seen.connection)
        .collect();
    assert_eq!(
        connections,
        [0, 1],
        "a connection with bytes left over is not used again"
    );
    bench.lives().await;
}

#[tokio::test]
async fn a_body_travels_on_with_exactly_one_framing() {
    let bench = Bench::start().await;
    let mut wire = bench.wire().await;
    wire.send(format!("{POST}Content-Length: 5\r\n\r\nhello"))
        .await;
    assert_eq!(wire.reply().await.unwrap().status, 200);
    wire.send(format!(
        "{POST}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    ))
    .await;
    assert_eq!(wire.reply().await.unwrap().status, 200);
    let bodies: Vec<Vec<u8>> = bench
        .upstream
        .requests()
        .into_iter()
        .map(|seen| seen.body)
        .collect();
    assert_eq!(bodies, [b"hello", b"abcde"]);
    assert!(bench.upstream.faults().is_empty());
}
