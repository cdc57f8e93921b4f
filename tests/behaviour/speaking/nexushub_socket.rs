//! NexusHub over a WebSocket: on its own host, and on a route that is a bridge.

use std::time::Duration;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Message, protocol::frame::coding::CloseCode};

use super::nexushub::Hub;
use crate::harness::{
    sockets::Talk,
    upstream::{Reply, Valve},
};

impl Hub {
    /// A WebSocket at the token endpoints, after the greeting.
    async fn auth_socket(&self) -> Talk {
        greeted(Talk::open(&self.gateway, "auth.hub.test", "/ws", &[]).await).await
    }

    /// A WebSocket at the API, after the greeting.
    async fn api_socket(&self, path: &str, fields: &[(&str, &str)]) -> Talk {
        greeted(Talk::open(&self.gateway, "api.hub.test", path, fields).await).await
    }

    /// A WebSocket at the API with a token.
    async fn api_socket_of(&self, token: &str) -> Talk {
        let token = format!("bearer {token}");
        self.api_socket("/ws", &[("authorization", &token)]).await
    }
}

async fn greeted(mut talk: Talk) -> Talk {
    assert!(talk.learn().await.is_string());
    talk
}

/// Asks one thing and waits for its answer.
async fn ask(talk: &mut Talk, call: Value) -> Value {
    talk.tell(&call).await;
    let said = talk.learn().await;
    assert_eq!(said["id"], call["id"], "{said}");
    said
}

fn get(id: u32, url: &str) -> Value {
    json!({ "action": "GET", "id": id, "url": url })
}

#[tokio::test]
async fn nh_w1_the_first_message_is_a_json_string() {
    let hub = Hub::start().await;
    for host in ["auth.hub.test", "api.hub.test"] {
        let mut talk = Talk::open(&hub.gateway, host, "/ws", &[]).await;
        assert!(talk.learn().await.is_string());
    }
    assert!(hub.up.is_untouched());
}

#[tokio::test]
async fn nh_w2_a_login_is_answered_as_it_is_over_http() {
    let hub = Hub::start().await;
    let ada = hub.ada().await;
    let mut talk = hub.auth_socket().await;
    let body = json!({ "user_key": ada.key, "user_secret": "s3cret-one" });
    let call = json!({ "action": "POST", "id": 7, "url": "/authenticate", "body": body });
    let said = ask(&mut talk, call).await;
    assert_eq!(said.as_object().unwrap().len(), 4);
    assert_eq!(
        (&said["action"], &said["statusCode"]),
        (&json!("RES"), &json!(200))
    );
    assert_eq!(said["body"]["refresh_token"], ada.refresh);
    let token = said["body"]["access_token"].as_str().unwrap();
    let mut api = hub.api_socket_of(token).await;
    assert_eq!(ask(&mut api, get(1, "/x")).await["statusCode"], 200);

    let body = json!({ "refresh_token": ada.refresh });
    let call = json!({ "action": "POST", "id": 8, "url": "/refresh", "body": body });
    let said = ask(&mut talk, call).await;
    assert_eq!(said["body"].as_object().unwrap().len(), 1);
}

#[tokio::test]
async fn nh_w3_a_sign_of_life_is_asked_for_within_eleven_seconds() {
    let hub = Hub::start().await;
    let mut talk = hub.auth_socket().await;
    let ping = tokio::time::timeout(Duration::from_secs(11), talk.next_text()).await;
    let ping = ping.expect("a ping within 11 s").unwrap();
    let ping: String = serde_json::from_str(&ping).unwrap();
    let millis = ping.strip_prefix("primus::ping::").unwrap();
    assert!(millis.parse::<u64>().is_ok(), "{millis}");
    talk.tell(&json!(ping.replace("ping", "pong"))).await;
    assert_eq!(ask(&mut talk, get(1, "/x")).await["statusCode"], 404);
}

#[tokio::test]
async fn nh_w4_a_token_that_expires_is_refused_in_a_string_and_the_connection_stays() {
    let hub = Hub::start().await;
    let ada = hub.ada().await;
    let mut talk = hub.api_socket_of(&ada.access).await;
    assert_eq!(ask(&mut talk, get(1, "/x")).await["statusCode"], 200);
    hub.gateway.advance(Duration::from_secs(3601));
    let said = ask(&mut talk, get(2, "/x")).await;
    assert_eq!(said["statusCode"], 401);
    assert_eq!(said["body"]["error"], "Invalid Token.");
    let reason = said["body"]["reason"].as_str().unwrap();
    assert!(reason.contains("jwt expired"), "{reason}");
    assert!(!reason.contains(|c: char| c.is_ascii_digit()), "{reason}");
    assert_eq!(hub.up.requests().len(), 1);
    // The client reconnects with the same token before it has a new one.
    let mut again = hub.api_socket_of(&ada.access).await;
    assert_eq!(ask(&mut again, get(1, "/x")).await["statusCode"], 401);
}

/// V07, over a connection that is a bridge: each message is judged, and the connection stays.
#[tokio::test]
async fn a_token_that_was_taken_back_is_refused_for_the_next_message() {
    let hub = Hub::start().await;
    let ada = hub.ada().await;
    let mut talk = hub.api_socket_of(&ada.access).await;
    assert_eq!(ask(&mut talk, get(1, "/x")).await["statusCode"], 200);
    hub.gateway.disable("hub", "ada").await;
    for id in 2..4 {
        assert_eq!(ask(&mut talk, get(id, "/x")).await["statusCode"], 401);
    }
    assert_eq!(hub.up.requests().len(), 1);
}

#[tokio::test]
async fn a_message_becomes_a_request_of_the_connections_token() {
    let hub = Hub::start().await;
    let ada = hub.ada().await;
    hub.up.echo();
    let mut talk = hub.api_socket_of(&ada.access).await;
    let body = json!({ "name": "Ada \u{1f642}" });
    let call = json!({ "action": "PATCH", "id": "a", "url": "/users/7?x=1", "body": body });
    let said = ask(&mut talk, call).await;
    assert_eq!(said["statusCode"], 200);
    let seen = hub.up.only();
    assert_eq!(
        (seen.method.as_str(), seen.target.as_str()),
        ("PATCH", "/users/7?x=1")
    );
    assert_eq!(seen.header("x-user-id"), Some("ada"));
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert_eq!(seen.header("authorization"), None);
    assert_eq!(seen.header("host"), Some("api.hub.test"));
    assert!(seen.all("upgrade").is_empty() && seen.all("sec-websocket-key").is_empty());
    assert_eq!(serde_json::from_slice::<Value>(&seen.body).unwrap(), body);
    assert_eq!(said["body"]["target"], "/users/7?x=1");
    assert!(hub.up.faults().is_empty());
}

/// B04: the contract has it so for a WebSocket, and for nothing else.
#[tokio::test]
async fn a_browser_brings_its_token_in_the_query_and_nobody_sees_it_there() {
    let hub = Hub::start().await;
    let ada = hub.ada().await;
    let mut talk = hub
        .api_socket(&format!("/ws?bearer={}", ada.access), &[])
        .await;
    assert_eq!(ask(&mut talk, get(1, "/x")).await["statusCode"], 200);
    assert_eq!(hub.up.only().header("x-user-id"), Some("ada"));
    let token = format!("Bearer {}", ada.access);
    let (path, fields) = ("/ws?bearer=a.b.c", [("authorization", token.as_str())]);
    let both = Talk::try_open(&hub.gateway, "api.hub.test", path, &fields).await;
    assert_eq!(both.err(), Some(400));
    // Anywhere else it is a parameter like any other, and no token.
    let path = format!("/x?bearer={}", ada.access);
    let client = hub.gateway.client().named("api.hub.test");
    assert_eq!(client.get(&path).send().await.status, 401);
}

#[tokio::test]
async fn without_a_token_every_message_is_judged_as_nobodys() {
    let hub = Hub::start().await;
    let mut talk = hub.api_socket("/ws", &[]).await;
    let said = ask(&mut talk, get(1, "/x")).await;
    assert_eq!(said["statusCode"], 401);
    let expected = json!({ "error": "Unauthorized.", "reason": "Expected user credentials." });
    assert_eq!(said["body"], expected);
    let said = ask(&mut talk, get(2, "/orders/7")).await;
    assert_eq!(said["statusCode"], 403);
    let expected =
        json!({ "error": "Unauthorized", "reason": "Expected write_orders_warframe, got ." });
    assert_eq!(said["body"], expected);
    let mut talk = hub.api_socket_of("rubbish").await;
    let said = ask(&mut talk, get(3, "/x")).await;
    assert_eq!(
        (&said["statusCode"], &said["body"]["reason"]),
        (&json!(401), &json!("jwt malformed"))
    );
    assert!(hub.up.is_untouched());
}

#[tokio::test]
async fn what_is_no_request_is_answered_and_goes_nowhere() {
    let hub = Hub::start().await;
    let ada = hub.ada().await;
    let mut talk = hub.api_socket_of(&ada.access).await;
    talk.tell(&json!({ "action": "GET", "url": "/x" })).await;
    let said = talk.learn().await;
    assert_eq!(
        (&said["statusCode"], &said["body"]["error"]),
        (&json!(400), &json!("Missing request id."))
    );
    for (action, status) in [("SUBSCRIBE", 501), ("UNSUBSCRIBE", 501), ("BREW", 400)] {
        let call = json!({ "action": action, "id": 1, "room": "/x", "url": "/x" });
        assert_eq!(ask(&mut talk, call).await["statusCode"], status);
    }
    for url in ["x", "http://other.test/x", "/a/../b", "//x", "/a%2fb"] {
        assert_eq!(
            ask(&mut talk, get(1, url)).await["statusCode"],
            400,
            "{url}"
        );
    }
    talk.say("{\"action\":").await;
    assert_eq!(talk.learn().await["statusCode"], 400);
    assert!(hub.up.is_untouched());
}

/// NH-19 over both ways at once.
#[tokio::test]
async fn limits_count_messages_and_requests_together() {
    let hub = Hub::start().await;
    let mut talk = hub.auth_socket().await;
    let call = json!({ "action": "POST", "id": 1, "url": "/refresh", "body": {} });
    for _ in 0..10 {
        assert_eq!(hub.post("/refresh", json!({})).await.status, 401);
        assert_eq!(ask(&mut talk, call.clone()).await["statusCode"], 401);
    }
    let said = ask(&mut talk, call).await;
    assert_eq!(said["statusCode"], 429);
    let reason = said["body"]["reason"].as_str().unwrap();
    assert!(reason.ends_with("ms to continue."), "{reason}");
    let runs = reason.split(|c: char| !c.is_ascii_digit());
    assert_eq!(runs.filter(|run| !run.is_empty()).count(), 1);
    assert_eq!(hub.post("/refresh", json!({})).await.status, 429);
}

#[tokio::test]
async fn a_reason_holds_no_digits_that_a_client_would_wait_for() {
    let hub = Hub::start().await;
    let mut talk = hub.auth_socket().await;
    let said = ask(&mut talk, get(1, "/v2/users/12345")).await;
    assert_eq!(
        (&said["statusCode"], &said["body"]["reason"]),
        (&json!(404), &json!("Couldn't find /v/users/."))
    );
}

#[tokio::test]
async fn an_upstreams_words_are_passed_on_and_an_empty_answer_is_an_empty_object() {
    let hub = Hub::start().await;
    let ada = hub.ada().await;
    let mut talk = hub.api_socket_of(&ada.access).await;
    for (reply, status, body) in [
        (
            Reply::json(409, &json!({ "reason": { "n": 7 } })),
            409,
            json!({ "reason": { "n": 7 } }),
        ),
        (Reply::text(200, "text/plain", "[7]"), 200, json!("[7]")),
        (
            Reply::raw("HTTP/1.1 204 No Content\r\n\r\n"),
            204,
            json!({}),
        ),
        (Reply::close(), 502, Value::Null),
    ] {
        hub.up.next(reply);
        let said = ask(&mut talk, get(1, "/x")).await;
        assert_eq!(said["statusCode"], status);
        if status != 502 {
            assert_eq!(said["body"], body);
        }
    }
    let long = format!("\"{}\"", "x".repeat(1 << 20));
    hub.up.next(Reply::text(200, "application/json", &long));
    assert_eq!(ask(&mut talk, get(1, "/x")).await["statusCode"], 502);
}

#[tokio::test]
async fn a_slow_request_holds_up_no_other_and_no_more_are_begun_than_there_is_room_for() {
    let hub = Hub::start().await;
    let ada = hub.ada().await;
    let valve = Valve::new();
    let slow = valve.clone();
    hub.up.answer_with(move |seen| {
        let reply = Reply::json(200, &json!({}));
        if seen.target == "/slow" {
            reply.behind(&slow)
        } else {
            reply
        }
    });
    let mut talk = hub.api_socket_of(&ada.access).await;
    for id in 1..=15 {
        talk.tell(&get(id, "/slow")).await;
    }
    assert_eq!(ask(&mut talk, get(16, "/quick")).await["statusCode"], 200);
    for id in 17..=40 {
        talk.tell(&get(id, "/slow")).await;
    }
    hub.up.received(17).await;
    assert_eq!(hub.up.requests().len(), 17);
    valve.open();
    let mut ids = Vec::new();
    while ids.len() < 39 {
        ids.push(talk.learn().await["id"].as_u64().unwrap());
    }
    ids.sort_unstable();
    assert_eq!(ids, (1..=15).chain(17..=40).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_message_that_is_too_long_or_no_text_ends_the_connection() {
    let hub = Hub::start().await;
    let ada = hub.ada().await;
    let long = json!({ "action": "POST", "id": 1, "url": "/x", "body": "x".repeat(65_000) });
    let mut talk = hub.api_socket_of(&ada.access).await;
    assert_eq!(ask(&mut talk, long).await["statusCode"], 200);
    for (message, code) in [
        (Message::text("x".repeat(65_537)), CloseCode::Size),
        (Message::binary(&b"{}"[..]), CloseCode::Unsupported),
    ] {
        let mut talk = hub.api_socket_of(&ada.access).await;
        talk.send(message).await;
        assert_eq!(talk.closed().await.map(|frame| frame.code), Some(code));
    }
}

#[tokio::test]
async fn a_handshake_that_is_none_is_refused_and_the_path_is_nothing_otherwise() {
    let hub = Hub::start().await;
    let auth = hub.gateway.client().named("auth.hub.test");
    assert_eq!(auth.get("/ws").send().await.status, 404);
    let ask = |version: &str, key: &str| {
        format!(
            "GET /ws HTTP/1.1\r\nHost: auth.hub.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: {version}\r\nSec-WebSocket-Key: {key}\r\n\r\nGET / HTTP/1.1\r\n\r\n"
        )
    };
    for (version, key) in [("8", "dGhlIHNhbXBsZSBub25jZQ=="), ("13", "short")] {
        let config = crate::harness::authority::authority().client(&["http/1.1"]);
        let address = hub.gateway.address("public");
        let mut wire = crate::harness::exchange::Wire::tls(address, "auth.hub.test", config).await;
        wire.send(ask(version, key)).await;
        let replies = wire.replies().await;
        assert_eq!(replies.len(), 1, "{replies:?}");
        assert_eq!(replies[0].status, 400);
    }
}

#[tokio::test]
async fn stopping_answers_what_was_asked_and_says_goodbye() {
    let hub = Hub::start().await;
    let ada = hub.ada().await;
    let valve = Valve::new();
    hub.up.always(Reply::json(200, &json!({})).behind(&valve));
    let mut talk = hub.api_socket_of(&ada.access).await;
    talk.tell(&get(1, "/slow")).await;
    hub.up.received(1).await;
    let address = hub.gateway.address("public");
    let gateway = hub.gateway;
    let ((), ()) = tokio::join!(gateway.stop(), async {
        crate::harness::until("nobody new is let in", || {
            std::net::TcpStream::connect(address).err()
        })
        .await;
        valve.open();
        assert_eq!(talk.learn().await["statusCode"], 200);
        let code = talk.closed().await.map(|frame| frame.code);
        assert_eq!(code, Some(CloseCode::Away));
    });
}
