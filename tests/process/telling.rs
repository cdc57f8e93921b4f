//! What the program writes while it is at its most talkative: every line is a record, and none of them holds a secret.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::tollgate::{Place, Running, hello};
use crate::wire::{Reply, Request, Upstream};

/// Each is unique, so that wherever it turns up, it leaked.
const PASSWORD: &str = "canary-password-7Qx";
const WRONG: &str = "canary-wrong-password-7Qx";
const SECRET: &str = "canary-client-secret-7Qx";
const REFRESH: &str = "canary-refresh-token-7Qx";
const CODE: &str = "canary-code-7Qx";
const BEARER: &str = "canary-bearer-7Qx";
const COOKIE: &str = "canary-cookie-7Qx";
const QUERY: &str = "canary-query-7Qx";
const CANARIES: [&str; 8] = [
    PASSWORD, WRONG, SECRET, REFRESH, CODE, BEARER, COOKIE, QUERY,
];

/// The README's gateway with people, at its most talkative.
fn place() -> Place {
    let hub = "[dialect.hub]\nspeak = \"nexushub\"\npath = \"/hub\"\nregister = \"open\"\n[dialect.oauth]\nspeak = \"oauth2\"\npath = \"/oauth\"\n";
    let file = hello().replace(
        "path = \"/orders/**\"",
        "path = \"/orders/**\"\nissuers = [\"oauth\"]",
    );
    Place::with(
        &(file
            + hub
            + "[route.open]\npath = \"/public/**\"\nupstream = \"orders\"\nauth = \"public\"\n"),
    )
}

/// The gateway at its most talkative, with its admin listener there.
fn start(place: &Place, upstream: &Upstream, admin: SocketAddr) -> Running {
    place.start(&[
        "run",
        "-vv",
        "--set",
        "listener.public.address=127.0.0.1:0",
        "--set",
        &format!("admin.address={admin}"),
        "--set",
        "server.shutdown.announce=0s",
        "--set",
        &format!("upstream.orders.url=http://{}", upstream.address),
    ])
}

/// Somebody who remembers every refusal.
struct Caller {
    address: SocketAddr,
    authority: PathBuf,
    refusals: Vec<String>,
}

impl Caller {
    fn send(&mut self, request: Request) -> Reply {
        let reply = request.send(self.address, &self.authority);
        if reply.status >= 400 {
            self.refusals.push(reply.body.clone());
        }
        reply
    }

    fn hub(&mut self, path: &str, body: &Value) -> Reply {
        self.send(Request::json(&format!("/hub{path}"), body))
    }

    /// Signs up, logs in and renews; gives every secret that came of it.
    fn arrive(&mut self) -> Vec<String> {
        let ada = json!({ "user_id": "ada", "user_secret": PASSWORD });
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let key = text(&self.hub("/register", &ada).json()["user_key"]);
        let login = json!({ "user_key": key, "user_secret": PASSWORD });
        let both = self.hub("/authenticate", &login).json();
        let refresh = text(&both["refresh_token"]);
        let again = self
            .hub("/refresh", &json!({ "refresh_token": refresh }))
            .json();
        assert_eq!(self.hub("/userkey", &ada).status, 200);
        let (first, second) = (text(&both["access_token"]), text(&again["access_token"]));
        vec![key, refresh, first, second]
    }

    /// Says every secret there is in all the wrong places.
    fn blunder(&mut self, access: &str) {
        for (path, body) in [
            (
                "/authenticate",
                json!({ "user_key": "ada-x", "user_secret": WRONG }),
            ),
            ("/refresh", json!({ "refresh_token": REFRESH })),
            ("/refresh", json!({ "token": REFRESH, REFRESH: 1 })),
            ("/register", json!({ "user_id": "", "user_secret": WRONG })),
            ("/nothing", json!({ "user_secret": WRONG })),
        ] {
            self.hub(path, &body);
        }
        self.send(Request::token("shop", SECRET));
        let bearers = [
            BEARER.to_owned(),
            format!("{access}x"),
            format!("a.{BEARER}.c"),
        ];
        for token in bearers {
            self.send(
                Request::get("/orders/7")
                    .bearer(&token)
                    .with("Cookie", COOKIE),
            );
        }
        let basic = format!("Basic {BEARER}");
        self.send(Request::get("/orders/7").with("Authorization", &basic));
        for path in ["/nowhere", "/public/x"] {
            let path = format!("{path}?code={CODE}&q={QUERY}");
            self.send(Request::get(&path).with("Cookie", COOKIE));
        }
    }
}

/// LG-02
#[test]
fn lg_02_no_secret_is_written_anywhere_at_the_most_talkative_level() {
    let (place, upstream, admin) = (place(), Upstream::start(), free_address());
    let mut gateway = start(&place, &upstream, admin);
    let mut caller = Caller {
        address: gateway.address(),
        authority: gateway.authority(),
        refusals: Vec::new(),
    };
    let mut secrets = caller.arrive();
    let access = secrets.last().unwrap().clone();
    upstream.answer();
    caller.blunder(&access);

    let metrics = plain(admin, "/metrics");
    gateway.signal(Signal::TERM);
    let ended = gateway.ended();
    let shop = std::fs::read_to_string(place.path().join("shop.secret")).unwrap();
    secrets.push(shop.trim().to_owned());
    secrets.extend(CANARIES.map(str::to_owned));
    let refusals = caller.refusals.join("\n");
    for (place, text) in [
        ("standard output", &ended.stdout),
        ("standard error", &ended.stderr),
        ("the metrics", &metrics),
        ("a refusal", &refusals),
    ] {
        for secret in &secrets {
            assert!(
                !text.contains(secret.as_str()),
                "{secret} in {place}:\n{text}"
            );
        }
    }
    assert!(caller.refusals.len() > 8, "{refusals}");
    assert!(
        ended.stderr.contains("token.issued"),
        "it was not talkative"
    );
}

/// LG-01
#[test]
fn lg_01_what_strangers_write_makes_no_record_of_its_own() {
    let (place, upstream) = (place(), Upstream::start());
    let mut gateway = place.run(upstream.address);
    let (address, authority) = (gateway.address(), gateway.authority());
    let name = "x\",\"level\":\"info\",\"user\":\"admin\n{\"a\":1}\u{1b}[2J\u{9b}";
    let mut requests = vec![
        Request::json(
            "/hub/register",
            &json!({ "user_id": name, "user_secret": "x" }),
        ),
        Request::json(
            "/hub/userkey",
            &json!({ "user_id": name, "user_secret": "x" }),
        ),
        Request::get("/public/%0a%1b[31m"),
        Request::get("/public/%22,%22a%22:%22").with("User-Agent", "\u{9b}2J\u{9d}0;p\",\"x\":\"y"),
    ];
    let count = requests.len();
    upstream.answer();
    for request in requests.drain(..) {
        request.send(address, &authority);
    }
    // What clears a screen and names its window, byte for byte: no field may hold it (RFC 9110 §5.5), so it is no
    // request, and nobody behind hears of it.
    let raw = Request::get("/public/raw").with("User-Agent", "\u{1b}[2J\u{1b}]0;p\u{7}");
    assert_eq!(raw.send(address, &authority).status, 400);
    gateway.signal(Signal::TERM);
    let ended = gateway.ended();
    for text in [&ended.stdout, &ended.stderr] {
        for line in text.lines() {
            let record: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
            assert!(record.is_object(), "{line}");
            assert!(!line.contains(|c: char| c.is_control()), "{line:?}");
        }
    }
    let records = ended.stdout.lines();
    assert_eq!(records.count(), count, "{}", ended.stdout);
}

/// LG-03
#[test]
fn lg_03_a_form_of_another_site_changes_nothing_at_the_admin_listener() {
    let (place, upstream, admin) = (place(), Upstream::start(), free_address());
    let mut gateway = start(&place, &upstream, admin);
    gateway.address();
    let post = |path: &str, from: &str| {
        let form = format!(
            "POST {path} HTTP/1.1\r\nHost: {admin}\r\n{from}Content-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: 3\r\nConnection: close\r\n\r\na=b"
        );
        let reply = exchange(admin, &form);
        reply.split(' ').nth(1).unwrap_or_default().to_owned()
    };
    let (afar, evil) = (
        "Sec-Fetch-Site: cross-site\r\n",
        "Origin: https://evil.test\r\n",
    );
    for path in ["/shutdown", "/reload", "/drain", "/livez", "/metrics", "/"] {
        for from in [&*format!("{evil}{afar}"), afar, evil] {
            assert_eq!(post(path, from), "403", "{path}: {from}");
        }
    }
    // Whoever is no browser, or is here already, hears that there is nothing to send.
    for from in ["", &*format!("Origin: http://{admin}\r\n")] {
        assert_eq!(post("/livez", from), "405", "{from}");
    }
    assert!(plain(admin, "/livez").contains("alive"));
}

pub(crate) fn free_address() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

pub(crate) fn plain(admin: SocketAddr, path: &str) -> String {
    exchange(
        admin,
        &format!("GET {path} HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n"),
    )
}

fn exchange(to: SocketAddr, bytes: &str) -> String {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.write_all(bytes.as_bytes()).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    reply
}
