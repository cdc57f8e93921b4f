//! What the operator does to people and programs, and the trail it leaves in the audit log.

use std::process::Output;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::tollgate::{Place, answer, hello, notes};
use crate::wire::{Reply, Request, Upstream};

const SPACES: &str = "[passwords]\nmemory = \"64KiB\"\npasses = 1\n\
                      [dialect.spaces]\nspeak = \"nexudus\"\npath = \"/spaces\"\n";

/// NX: `must_reset_password`, from the day they were brought along until the day they have another password.
#[test]
fn a_reset_that_is_required_lasts_until_there_is_another_password() {
    let (place, upstream) = (Place::with(&(hello() + SPACES)), Upstream::start());
    let mut gateway = place.run(upstream.address);
    let (address, authority) = (gateway.address(), gateway.authority());
    let obey = |words: &[&str], input: &str| {
        let output = place.obey_with(words, input);
        assert_eq!(output.status.code(), Some(0), "{}", notes(&output));
        answer(&output)
    };
    let login = |password: &str| {
        let fields = [
            ("grant_type", "password"),
            ("username", "ada@space.test"),
            ("password", password),
        ];
        Request::form("/spaces/token", &fields).send(address, &authority)
    };
    let must_reset = |reply: &Reply| {
        let expected = json!({ "error": "must_reset_password" });
        assert_eq!((reply.status, reply.json()), (400, expected));
    };
    let hash = obey(&["user", "password", "hash"], "pw-one\n");
    let ada = json!({ "name": "ada@space.test", "hash": hash, "must_reset": true });
    obey(&["user", "import", "-"], &ada.to_string());
    must_reset(&login("pw-one"));

    let passwd = ["user", "passwd", "ada@space.test"];
    obey(&passwd, "pw-two\n");
    let first = login("pw-two");
    assert_eq!(first.status, 200, "{}", first.body);

    obey(&["user", "require-reset", "ada@space.test"], "");
    must_reset(&login("pw-two"));
    let refresh = first.json()["refresh_token"].as_str().unwrap().to_owned();
    let fields = [("grant_type", "refresh_token"), ("refresh_token", &refresh)];
    let renewal = Request::form("/spaces/token", &fields).send(address, &authority);
    assert_eq!(renewal.status, 400, "{}", renewal.body);
    obey(&passwd, "pw-three\n");
    assert_eq!(login("pw-three").status, 200);

    let nobody = place.obey(&["user", "require-reset", "nobody"]);
    assert_eq!(nobody.status.code(), Some(1), "{}", notes(&nobody));
}

/// The lines of the audit log in what was written to standard error.
pub(crate) fn trail(text: &str) -> Vec<Value> {
    let lines = text.lines().filter(|line| line.starts_with('{'));
    let lines = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines
        .filter(|line| line["target"] == "tollgate::audit")
        .collect()
}

/// Events, each with what more it says of what happened.
fn events(text: &str) -> Vec<(String, String)> {
    let said = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let details = ["change", "reason", "state", "revoked.kind", "grant"];
    let event = |line: Value| {
        let detail = details.iter().find_map(|name| line.get(*name));
        (said(&line["event"]), detail.map(said).unwrap_or_default())
    };
    trail(text).into_iter().map(event).collect()
}

fn has(output: &Output, event: &str, detail: &str) {
    let (said, wanted) = (notes(output), (event.to_owned(), detail.to_owned()));
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(events(&said).contains(&wanted), "no {wanted:?} in\n{said}");
}

#[test]
fn whatever_the_operator_does_leaves_a_line_without_being_asked_for_it() {
    let place = Place::with(&(hello() + SPACES));
    for (words, input, event, detail) in [
        ("user add bob", "pw-one\n", "account.registered", ""),
        (
            "user import -",
            r#"{"name":"eve"}"#,
            "accounts.imported",
            "",
        ),
        ("user passwd bob", "pw-two\n", "account.changed", "password"),
        ("user scope bob a", "", "account.changed", "scope"),
        (
            "user require-reset bob",
            "",
            "account.changed",
            "reset required",
        ),
        (
            "user reset-refresh bob",
            "",
            "account.changed",
            "refresh tokens revoked",
        ),
        (
            "user totp enable bob",
            "",
            "account.changed",
            "second factor enabled",
        ),
        ("user disable bob", "", "account.changed", "disabled"),
        ("user disable bob", "", "tokens.revoked", "subject"),
        ("user enable bob -q", "", "account.changed", "enabled"),
        ("client add cart --scope a", "", "client.changed", "added"),
        (
            "client rotate-secret cart",
            "",
            "client.changed",
            "secret rotated",
        ),
        ("client disable cart", "", "client.changed", "disabled"),
        ("client remove cart", "", "client.changed", "removed"),
        (
            "session revoke --client shop",
            "",
            "tokens.revoked",
            "client",
        ),
        ("token mint --subject bob", "", "token.issued", "operator"),
        ("token revoke --id a-token", "", "tokens.revoked", "token"),
        ("key rotate", "", "key.made", ""),
        ("key rotate --now", "", "key.moved", "active"),
    ] {
        let words: Vec<&str> = words.split(' ').collect();
        let output = place.obey_with(&words, input);
        has(&output, event, detail);
        tells_no_secret(&output);
    }
}

/// What a person is given, or gave, stands beside the audit log and not in it.
fn tells_no_secret(output: &Output) {
    let told = format!("{:?}", trail(&notes(output)));
    // A key to log in with, a second factor, or a token; the name of a signing key is none.
    let is_secret = |line: &str| {
        ["bob-", "otpauth:", "."]
            .iter()
            .any(|mark| line.contains(mark))
    };
    let given = answer(output);
    let given = given.lines().filter(|line| is_secret(line));
    for secret in ["pw-one", "pw-two"].into_iter().chain(given) {
        assert!(!told.contains(secret), "{secret} in {told}");
    }
}

#[test]
fn the_audit_log_is_written_at_every_level_unless_it_is_named() {
    let (place, upstream) = (Place::hello(), Upstream::start());
    let upstream = format!("upstream.orders.url=http://{}", upstream.address);
    let ran = |more: &[&str]| {
        let settings = [
            "listener.public.address=127.0.0.1:0",
            "admin.address=127.0.0.1:0",
        ];
        let settings = settings
            .into_iter()
            .chain(["server.shutdown.announce=0s", &*upstream]);
        let words = settings.flat_map(|setting| ["--set", setting]);
        place.start(
            &["run"]
                .into_iter()
                .chain(more.iter().copied())
                .chain(words)
                .collect::<Vec<_>>(),
        )
    };
    // The first start makes a key.
    ran(&["-q"]).says(&["key.made"]);

    for (level, is_told) in [
        (
            "warn,tollgate::listen=info,tollgate::server=info,tollgate::cli=info",
            true,
        ),
        ("info,tollgate::audit=off", false),
    ] {
        let level = format!("telemetry.log.level={level}");
        let mut gateway = ran(&["--set", &level]);
        let (address, authority) = (gateway.address(), gateway.authority());
        let reply = Request::token("shop", "wr0ng").send(address, &authority);
        assert_eq!(reply.status, 401, "{}", reply.body);
        gateway.signal(Signal::TERM);
        let said = gateway.ended().stderr;
        let refused = ("ask.refused".to_owned(), "invalid_client".to_owned());
        assert_eq!(events(&said).contains(&refused), is_told, "{level}: {said}");
    }
}
