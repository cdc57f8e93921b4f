//! The language of the WebSocket: `{"action":"POST","id":1,"url":"/authenticate","body":{..}}` and its answers.
//!
//! The official client looks for `jwt expired` in a `reason` with a function of strings, so a reason of ours is always a
//! string here; and it takes an answer without a body for none, and asks again for ever, so there always is a body.

use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::dialect::{Answered, Call, Heard, Socket};
use crate::token::Timestamp;

/// What the official clients expect of a server.
pub(super) static SOCKET: Socket = Socket {
    path: "/ws",
    greeting: "\"Cubic hello!\"",
    heartbeat: Duration::from_secs(10),
    patience: Duration::from_secs(30),
    idle: Duration::from_hours(1),
    ping,
    read,
    write,
};

fn ping(now: Timestamp) -> String {
    json!(format!("{PING}{}", now.millis())).to_string()
}

const PING: &str = "primus::ping::";
const PONG: &str = "primus::pong::";

/// A message of the client.
#[derive(Deserialize)]
struct Message<'a> {
    #[serde(default)]
    action: Option<String>,
    #[serde(default)]
    id: Value,
    #[serde(default)]
    url: Option<String>,
    #[serde(borrow, default)]
    body: Option<&'a RawValue>,
}

fn read(text: &str) -> Heard {
    if let Ok(word) = serde_json::from_str::<String>(text) {
        return heard_word(&word);
    }
    let Ok(message) = serde_json::from_str::<Message<'_>>(text) else {
        return wrong(
            &Value::Null,
            "Malformed request.",
            "Expected a JSON object.",
        );
    };
    let action = message.action.as_deref().unwrap_or_default();
    if let "SUBSCRIBE" | "UNSUBSCRIBE" = action {
        let reason = "Subscriptions are not offered here.";
        return refused(
            StatusCode::NOT_IMPLEMENTED,
            &message.id,
            "Not Implemented.",
            reason,
        );
    }
    if !matches!(message.id, Value::Number(_) | Value::String(_)) {
        return wrong(
            &Value::Null,
            "Missing request id.",
            "Expected a number or a string.",
        );
    }
    let Some(method) = METHODS.into_iter().find(|known| known.as_str() == action) else {
        return wrong(&message.id, "Unknown action.", "Expected an HTTP method.");
    };
    let Some(path) = message.url.as_deref().and_then(path) else {
        return wrong(
            &message.id,
            "Malformed url.",
            "Expected a path on this host.",
        );
    };
    let body = message
        .body
        .map(|body| Bytes::copy_from_slice(body.get().as_bytes()));
    Heard::Call(Call {
        id: message.id,
        method,
        path,
        body: body.unwrap_or_default(),
    })
}

fn heard_word(word: &str) -> Heard {
    if word.starts_with(PONG) {
        Heard::Alive
    } else {
        wrong(
            &Value::Null,
            "Malformed request.",
            "Expected a JSON object.",
        )
    }
}

fn path(url: &str) -> Option<PathAndQuery> {
    url.starts_with('/').then(|| url.parse().ok()).flatten()
}

const METHODS: [Method; 7] = [
    Method::GET,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::HEAD,
    Method::OPTIONS,
];

/// An answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a, B> {
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<&'static str>,
    #[serde(skip_serializing_if = "Value::is_null")]
    id: &'a Value,
    status_code: u16,
    body: B,
}

fn write(call: &Call, answered: &Answered<'_>) -> String {
    let text = std::str::from_utf8(answered.body).ok();
    let raw = text
        .filter(|_| answered.is_json)
        .and_then(|text| serde_json::from_str::<&RawValue>(text).ok());
    match (raw, text) {
        _ if answered.body.is_empty() => worded(call, answered, json!({})),
        (Some(raw), _) if answered.is_ours => {
            let body = serde_json::from_str(raw.get()).unwrap_or_default();
            worded(call, answered, spoken(body, answered.status))
        }
        (Some(raw), _) => worded(call, answered, raw),
        (None, Some(text)) => worded(call, answered, text),
        (None, None) => worded(call, answered, String::from_utf8_lossy(answered.body)),
    }
}

fn worded(call: &Call, answered: &Answered<'_>, body: impl Serialize) -> String {
    said(Some("RES"), &call.id, answered.status, body)
}

fn said(
    action: Option<&'static str>,
    id: &Value,
    status: StatusCode,
    body: impl Serialize,
) -> String {
    let response = Response {
        action,
        id,
        status_code: status.as_u16(),
        body,
    };
    serde_json::to_string(&response).unwrap_or_default()
}

fn wrong(id: &Value, error: &str, reason: &str) -> Heard {
    refused(StatusCode::BAD_REQUEST, id, error, reason)
}

fn refused(status: StatusCode, id: &Value, error: &str, reason: &str) -> Heard {
    // Without an id this is no answer to anything, and the original does not call it one.
    let action = (!id.is_null()).then_some("RES");
    let body = json!({ "error": error, "reason": reason });
    Heard::Answer(said(action, id, status, body))
}

/// Makes the reason of a refusal a string without digits, unless they are those of the wait: clients join all of them and
/// wait so many milliseconds.
fn spoken(mut body: Value, status: StatusCode) -> Value {
    if let Some(reason) = body.get_mut("reason") {
        if let Some(message) = reason.get("message") {
            *reason = message.clone();
        }
        if let Value::String(text) = reason
            && status != StatusCode::TOO_MANY_REQUESTS
        {
            text.retain(|c| !c.is_ascii_digit());
        }
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(text: &str) -> Call {
        match read(text) {
            Heard::Call(call) => call,
            other => panic!("{other:?}"),
        }
    }

    fn answer(text: &str) -> Value {
        match read(text) {
            Heard::Answer(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn written(answered: &Answered<'_>) -> Value {
        let call = call(r#"{"action":"GET","id":7,"url":"/"}"#);
        serde_json::from_str(&write(&call, answered)).unwrap()
    }

    fn ours(status: u16, body: &Value) -> Value {
        let body = body.to_string();
        let answered = Answered {
            status: StatusCode::from_u16(status).unwrap(),
            is_json: true,
            body: body.as_bytes(),
            is_ours: true,
        };
        written(&answered)["body"].clone()
    }

    #[test]
    fn a_message_with_a_method_is_a_request() {
        let text = r#"{"action":"POST","id":7,"url":"/a?b=1","body":{"user_key":"ada"}}"#;
        let full = call(text);
        assert_eq!((full.method, full.id), (Method::POST, json!(7)));
        assert_eq!(full.path, "/a?b=1");
        assert_eq!(full.body, r#"{"user_key":"ada"}"#);
        // What comes twice in it is still there twice, for whoever reads it to refuse.
        let twice = call(r#"{"action":"POST","id":7,"url":"/","body":{"a":1,"a":2}}"#);
        assert_eq!(twice.body, r#"{"a":1,"a":2}"#);
        let bare = call(r#"{"action":"GET","id":"x","url":"/"}"#);
        assert_eq!((bare.id, bare.body.len()), (json!("x"), 0));
    }

    #[test]
    fn what_is_no_request_has_its_answer_at_once() {
        for id in [r#""x":1"#, r#""id":null"#, r#""id":{}"#] {
            let said = answer(&format!(r#"{{"action":"GET","url":"/",{id}}}"#));
            assert_eq!(said["statusCode"], 400);
            assert_eq!(said["body"]["error"], "Missing request id.");
            assert!(said.get("id").is_none() && said.get("action").is_none());
        }
        let twice = r#"{"action":"POST","id":1,"url":"/","body":{},"body":{}}"#;
        for text in [
            "{",
            "[]",
            "7",
            "\"hello\"",
            "",
            r#"{"url":7,"id":1}"#,
            twice,
        ] {
            assert_eq!(answer(text)["statusCode"], 400, "{text}");
        }
        let urls = [r#""orders""#, r#""http://a.test/""#, r#""""#, "null"];
        for url in urls {
            let said = answer(&format!(r#"{{"action":"GET","id":3,"url":{url}}}"#));
            assert_eq!((&said["statusCode"], &said["id"]), (&json!(400), &json!(3)));
        }
        let said = answer(r#"{"action":"CONNECT","id":3,"url":"/"}"#);
        assert_eq!(said["statusCode"], 400);
    }

    #[test]
    fn rooms_are_not_offered() {
        for action in ["SUBSCRIBE", "UNSUBSCRIBE"] {
            let said = answer(&format!(r#"{{"action":"{action}","room":"/x"}}"#));
            assert_eq!(said["statusCode"], 501);
        }
    }

    #[test]
    fn a_sign_of_life_is_asked_for_and_recognised() {
        let question = ping(Timestamp::from_millis(1_700_000_000_123));
        assert_eq!(question, r#""primus::ping::1700000000123""#);
        let reply = question.replace("ping", "pong");
        assert!(matches!(read(&reply), Heard::Alive));
    }

    #[test]
    fn an_answer_is_passed_on_as_it_is_and_is_never_empty() {
        let answered = |is_json, body| Answered {
            status: StatusCode::OK,
            is_json,
            body,
            is_ours: false,
        };
        let expected =
            |body: Value| json!({ "action": "RES", "id": 7, "statusCode": 200, "body": body });
        let json = br#"{"reason":{"message":"x 1"}}"#;
        let body = json!({ "reason": { "message": "x 1" } });
        assert_eq!(written(&answered(true, json)), expected(body));
        assert_eq!(written(&answered(false, b"[1]")), expected(json!("[1]")));
        assert_eq!(written(&answered(true, b"{")), expected(json!("{")));
        assert_eq!(written(&answered(true, b"")), expected(json!({})));
    }

    // NH-W4
    #[test]
    fn a_reason_of_ours_is_a_string_without_digits_except_those_of_the_wait() {
        let reason = json!({
            "name": "TokenExpiredError",
            "message": "jwt expired",
            "expiredAt": "2024-05-01T10:00:00.000Z",
        });
        let body = json!({ "error": "Invalid Token.", "reason": reason });
        let expected = json!({ "error": "Invalid Token.", "reason": "jwt expired" });
        assert_eq!(ours(401, &body), expected);
        let body = json!({ "error": "Not found.", "reason": "Couldn't find /v1/orders/7." });
        let expected = json!({ "error": "Not found.", "reason": "Couldn't find /v/orders/." });
        assert_eq!(ours(404, &body), expected);
        let body = json!({ "error": "Rate limit exceeded.", "reason": "wait 3500ms" });
        assert_eq!(ours(429, &body), body);
    }
}
