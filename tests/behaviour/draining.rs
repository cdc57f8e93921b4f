//! Stopping without dropping: what is under way is finished, what waits is sent away, and nobody new comes in.

use crate::harness::{
    bench::Bench,
    exchange::Request,
    until,
    upstream::{Reply, Valve},
};

#[tokio::test]
async fn a_request_in_flight_is_answered_before_the_end() {
    // RL-04
    let bench = Bench::start().await;
    let valve = Valve::new();
    bench.upstream.always(Reply::ok().behind(&valve));
    let requests: Vec<_> = (0..20).map(|_| bench.get("/public/slow")).collect();
    let in_flight = futures_util::future::join_all(requests.into_iter().map(Request::send));
    let address = bench.gateway.address("public");
    let (answers, ()) = tokio::join!(in_flight, async {
        bench.upstream.received(20).await;
        let ((), ()) = tokio::join!(bench.gateway.stop(), async {
            until("nobody new is let in", || {
                std::net::TcpStream::connect(address).err()
            })
            .await;
            valve.open();
        });
    });
    assert!(
        answers
            .iter()
            .all(|answer| answer.status == 200 && answer.complete)
    );
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    // RL-04
    let bench = Bench::start().await;
    let mut idle = bench.wire().await;
    idle.send("GET /public/x HTTP/1.1\r\nHost: gw.test\r\n\r\n")
        .await;
    assert_eq!(idle.reply().await.unwrap().status, 200);
    let client = bench.client().http2();
    let mut session = client.session().await;
    assert_eq!(session.send(client.get("/public/x")).await.status, 200);
    bench.gateway.stop().await;
    idle.closes_silently().await;
    until("the idle session was closed", || {
        session.is_closed().then_some(())
    })
    .await;
}
