//! Asking for another protocol: bytes that follow are not passed on before the upstream agreed.

use crate::harness::bench::Bench;

#[tokio::test]
async fn bytes_behind_an_upgrade_nobody_agreed_to_are_a_request_of_their_own() {
    // UP-01
    let bench = Bench::start().await;
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    let hidden = "GET /api/admin/x HTTP/1.1\r\nHost: gw.test\r\nConnection: close\r\n\r\n";
    let head = "GET /public/a HTTP/1.1\r\nHost: gw.test\r\n";
    let replies = bench.say(format!("{head}{upgrade}{hidden}")).await;
    assert!(
        replies.iter().skip(1).all(|answer| answer.status == 401),
        "{replies:?}"
    );
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
