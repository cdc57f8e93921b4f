//! The handshake: modern versions only, HTTP/2 or HTTP/1.1 by choice, and rubbish that harms nobody.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::Arc,
    time::Duration,
};

use rustls::{ClientConfig, ClientConnection, StreamOwned, pki_types::ServerName};

use crate::harness::{
    authority::{Authority, authority},
    bench::Bench,
    exchange::Wire,
};

const GET: &str = "GET /public/x HTTP/1.1\r\nHost: gw.test\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn the_client_chooses_the_protocol() {
    let bench = Bench::start().await;
    let address = bench.gateway.address("public");
    for (offered, agreed) in [
        (vec!["h2", "http/1.1"], Some("h2")),
        (vec!["http/1.1"], Some("http/1.1")),
        (vec!["h2"], Some("h2")),
        (vec![], None),
    ] {
        let wire = Wire::tls(address, "gw.test", authority().client(&offered)).await;
        assert_eq!(wire.protocol().as_deref(), agreed, "{offered:?}");
    }
    assert!(
        Wire::try_tls(address, "gw.test", authority().client(&["spdy/3"]))
            .await
            .is_err()
    );
    assert_eq!(
        bench.client().http2().get("/public/x").send().await.status,
        200
    );
    bench.lives().await;
}

#[tokio::test]
async fn a_stranger_to_the_authority_does_not_connect() {
    let bench = Bench::start().await;
    let other = Authority::new().client(&["http/1.1"]);
    assert!(
        Wire::try_tls(bench.gateway.address("public"), "gw.test", other)
            .await
            .is_err()
    );
    bench.lives().await;
}

/// S12
#[tokio::test]
async fn plain_http_on_the_tls_port_is_not_served() {
    // TL-02
    let bench = Bench::start().await;
    let mut wire = Wire::plain(bench.gateway.address("public")).await;
    wire.send(GET).await;
    let said = wire.rest().await;
    assert!(
        !said.starts_with(b"HTTP/"),
        "{:?}",
        String::from_utf8_lossy(&said)
    );
    assert!(bench.upstream.is_untouched());
    bench.lives().await;
}

#[tokio::test]
async fn a_greeting_in_very_small_records_is_understood_or_refused() {
    // TL-02, RUSTSEC-2024-0399
    let bench = Bench::start().await;
    let address = bench.gateway.address("public");
    let config = authority().client(&["http/1.1"]);
    let said = tokio::task::spawn_blocking(move || {
        drip_handshake(TcpStream::connect(address).unwrap(), config)
    })
    .await
    .unwrap();
    assert!(
        said.is_empty() || said.starts_with("HTTP/1.1 200"),
        "{said}"
    );
    bench.lives().await;
}

#[tokio::test]
async fn rubbish_instead_of_a_greeting_harms_nobody() {
    // TL-02
    let bench = Bench::start().await;
    let huge = [&[22, 3, 1, 0xff, 0xff][..], &vec![1; 60 * 1024]].concat();
    for rubbish in [
        &b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"[..],
        &[0; 4096],
        &[0xff; 4096],
        b"\x15\x03\x03\x00\x02\x02\x28",
        &huge,
    ] {
        let mut wire = Wire::plain(bench.gateway.address("public")).await;
        wire.send(rubbish).await;
        wire.finish().await;
        assert!(!wire.rest().await.starts_with(b"HTTP/"));
    }
    bench.lives().await;
}

#[tokio::test]
async fn the_older_of_the_two_versions_is_still_spoken() {
    let bench = Bench::start().await;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority().der()).unwrap();
    let old = ClientConfig::builder_with_protocol_versions(&[&rustls::version::TLS12])
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut wire = Wire::tls(bench.gateway.address("public"), "gw.test", Arc::new(old)).await;
    wire.send(GET).await;
    assert_eq!(wire.reply().await.unwrap().status, 200);
}

/// Sends the first message in records of one byte each and goes on as usual; gives the reply, or nothing if refused.
fn drip_handshake(mut stream: TcpStream, config: Arc<ClientConfig>) -> String {
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let mut connection =
        ClientConnection::new(config, ServerName::try_from("gw.test").unwrap()).unwrap();
    let mut hello = Vec::new();
    connection.write_tls(&mut hello).unwrap();
    let (head, message) = hello.split_at(5);
    for byte in message {
        if stream
            .write_all(&[head[0], head[1], head[2], 0, 1, *byte])
            .is_err()
        {
            return String::new();
        }
    }
    let mut stream = StreamOwned::new(connection, stream);
    let mut said = Vec::new();
    let _ = stream.write_all(GET.as_bytes());
    let _ = stream.read_to_end(&mut said);
    String::from_utf8_lossy(&said).into_owned()
}
