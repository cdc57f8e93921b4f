//! Ten thousand who stay: each costs little, and none of them stands in the way of the next.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::thread;

use crate::executable::tollgate::{Place, RUN};
use crate::executable::wire::{Connection, Request, Upstream, connect};

/// RS-04
#[test]
fn five_hundred_who_stay_are_in_nobodys_way() {
    gather(500);
}

/// RS-04
#[test]
#[ignore = "takes minutes"]
fn ten_thousand_who_stay_are_in_nobodys_way() {
    gather(9_999);
}

/// What one may cost, in KiB.
const EACH: u64 = 64;

/// So many connect, ask once and stay; one more is served, and the next waits until somebody goes.
#[expect(
    clippy::print_stdout,
    reason = "what each costs is asked for with the proof"
)]
fn gather(count: u64) {
    let upstream = Upstream::start();
    let place = Place::hello();
    let mut words = RUN.to_vec();
    let most = format!("listener.public.max_connections={}", count + 1);
    let behind = format!("upstream.orders.url=http://{}", upstream.address);
    for setting in [
        "listener.public.timeouts.idle=10m",
        "telemetry.access_log.enabled=false",
        &most,
        &behind,
    ] {
        words.extend(["--set", setting]);
    }
    let mut gateway = place.start(&words);
    let (address, authority) = (gateway.address(), gateway.authority());
    let before = memory(gateway.id());
    let mut crowd: Vec<_> = (0..count).map(|_| stays(address, &authority)).collect();
    let each = memory(gateway.id()).saturating_sub(before) / count;
    println!("{count} who stay: {each} KiB each");
    assert!(each <= EACH, "{each} KiB each");

    let ask = || Request::get("/orders/7").send(address, &authority).status;
    assert_eq!(ask(), 401);
    crowd.push(stays(address, &authority));
    thread::scope(|scope| {
        let next = scope.spawn(ask);
        crowd.pop();
        assert_eq!(next.join().unwrap(), 401);
    });
    drop(crowd);
    assert_eq!(ask(), 401);
}

/// Somebody who has been answered once.
fn stays(address: SocketAddr, authority: &Path) -> Connection {
    let mut connection = connect(address, authority);
    connection
        .write_all(b"HEAD /orders/7 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        connection.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 401"));
    connection
}

/// The memory a process has, in KiB.
fn memory(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.unwrap().parse().unwrap()
}
