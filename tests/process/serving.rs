//! `tollgate run`: from the first request to the last signal.

use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::time::Instant;

use rustix::process::Signal;
use serde_json::Value;

use crate::tollgate::{DEADLINE, Place, RUN};
use crate::wire::{Reply, Request, Upstream};

#[test]
fn p19_twelve_lines_protect_an_api_and_every_request_leaves_one_record() {
    let (place, upstream) = (Place::hello(), Upstream::start());
    let mut gateway = place.run(upstream.address);
    let (address, authority) = (gateway.address(), gateway.authority());

    let reply = Request::get("/orders/7?key=sesame").send(address, &authority);
    assert_eq!(
        (reply.status, reply.json()["code"].as_str()),
        (401, Some("missing_token"))
    );

    let secret = std::fs::read_to_string(place.path().join("shop.secret")).unwrap();
    let reply = Request::token("shop", secret.trim()).send(address, &authority);
    assert_eq!(reply.status, 200, "{}", reply.body);
    let token = reply.json()["access_token"].as_str().unwrap().to_owned();

    upstream.answer();
    let reply = Request::get("/orders/7")
        .bearer(&token)
        .send(address, &authority);
    assert_eq!((reply.status, reply.body.as_str()), (200, "made"));

    let forged = format!("{}A", &token[..token.len() - 1]);
    let reply = Request::get("/orders/7\u{1}")
        .bearer(&forged)
        .send(address, &authority);
    assert_eq!(reply.status, 400, "{}", reply.body);
    let reply = Request::get("/elsewhere")
        .bearer(&forged)
        .send(address, &authority);
    assert_eq!(reply.status, 404, "{}", reply.body);

    gateway.signal(Signal::TERM);
    let ended = gateway.ended();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);

    let lines = ended.stdout.lines();
    let mut records: Vec<Value> = lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    // Each worker writes in its own time; the name of a request begins with when it came.
    records.sort_by_key(|record| record["request_id"].to_string());
    let statuses: Vec<_> = records
        .iter()
        .filter_map(|record| record["status"].as_u64())
        .collect();
    // A path with a control character is no HTTP: the library that reads it answers, and there is no record.
    assert_eq!(statuses, [401, 200, 200, 404], "{}", ended.stdout);
    assert!(records.iter().all(|record| record["event"] == "request"));
    assert_eq!(records[2]["client_id"], "shop");
    for line in ended.stderr.lines() {
        serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("not JSON: {line}"));
    }
    let master = std::fs::read_to_string(place.path().join("tollgate-data/master.key")).unwrap();
    for told in [&ended.stdout, &ended.stderr] {
        for secret in [secret.trim(), master.trim(), &token, &forged, "sesame"] {
            assert!(!told.contains(secret), "a secret was told:\n{told}");
        }
    }
}

#[test]
fn the_first_signal_waits_for_what_has_begun() {
    let (place, upstream) = (Place::with(OPEN), Upstream::start());
    let mut gateway = place.run(upstream.address);
    let (address, authority) = (gateway.address(), gateway.authority());
    let begun = Request::get("/orders/7").begin(address, &authority);
    upstream.is_asked();

    gateway.signal(Signal::TERM);
    gateway.says(&["draining"]);
    while TcpStream::connect(address).is_ok() {
        std::thread::yield_now();
    }
    upstream.answer();
    let reply = Reply::from(begun);
    assert_eq!((reply.status, reply.body.as_str()), (200, "made"));
    let ended = gateway.ended();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    assert_eq!(ended.stdout.lines().count(), 1);
}

#[test]
fn the_second_signal_does_not_wait() {
    let (place, upstream) = (Place::with(OPEN), Upstream::start());
    let mut gateway = place.run(upstream.address);
    let (address, authority) = (gateway.address(), gateway.authority());
    let _begun = Request::get("/orders/7").begin(address, &authority);
    upstream.is_asked();

    gateway.signal(Signal::INT);
    gateway.says(&["draining"]);
    gateway.signal(Signal::TERM);
    let ended = gateway.ended();
    assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
    assert_eq!(
        ended.stdout.lines().count(),
        1,
        "what was cut has its record too"
    );
}

const OPEN: &str = r#"
[listener.public]
address = "127.0.0.1:8443"
tls = "dev"
[upstream.orders]
url = "http://127.0.0.1:3000"
[route.orders]
path = "/orders/**"
upstream = "orders"
auth = "public"
"#;

#[test]
fn a_process_out_of_descriptors_turns_people_away_and_serves_on() {
    let upstream = Upstream::start();
    let place = Place::hello();
    let behind = format!("upstream.orders.url=http://{}", upstream.address);
    let words = [&RUN[..], &["--set", &behind]].concat();
    let mut gateway = place.start_with_descriptors(100, &words);
    let (address, authority) = (gateway.address(), gateway.authority());
    let crowd: Vec<TcpStream> = (0..150)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect();
    gateway.says(&["could not accept a connection"]);
    let begun = Instant::now();
    while !crowd.iter().any(was_turned_away) {
        assert!(begun.elapsed() < DEADLINE, "nobody was turned away");
    }
    drop(crowd);
    let reply = Request::get("/orders/7").send(address, &authority);
    assert_eq!(reply.status, 401);
}

/// Whether the other side has closed a connection over which nobody said anything.
fn was_turned_away(mut stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    match stream.read(&mut [0]) {
        Ok(count) => count == 0,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}
