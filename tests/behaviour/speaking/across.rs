//! What holds for every dialect, and between any two of them.

use http::Method;
use serde_json::{Value, json};
use tollgate::{issue::NewAccount, token::Secret};

use super::{bluenexus::proof_for, file};
use crate::harness::{
    exchange::{Answer, Request, pieces},
    tollgate::{SHOP_SECRET, Tollgate},
    upstream::Upstream,
};

const FILE: &str = r#"
[dialect.oauth]
speak = "oauth2"
hosts = ["gw.test"]

[dialect.hub]
speak = "nexushub"
hosts = ["auth.hub.test"]
register = "open"

[dialect.spaces]
speak = "nexudus"
hosts = ["spaces.test"]

[dialect.crew]
speak = "hubler"
hosts = ["crew.test"]

[dialect.blue]
speak = "bluenexus"
hosts = ["auth.blue.test"]

[client.w]
secret = { file = "shop.secret" }
wallets = { domains = ["app.test"] }

[client.shop]
secret = { file = "shop.secret" }

[route.oauth]
hosts = ["gw.test"]
path = "/x/**"
upstream = "up"
issuers = ["oauth"]

[route.hub]
hosts = ["api.hub.test"]
path = "/x/**"
upstream = "up"
issuers = ["hub"]

[route.spaces]
hosts = ["spaces.test"]
path = "/x/**"
upstream = "up"
issuers = ["spaces"]

[route.crew]
hosts = ["crew.test"]
path = "/x/**"
upstream = "up"
issuers = ["crew"]
forward = { identity = { x-account = "account" } }

[route.blue]
hosts = ["api.blue.test"]
path = "/x/**"
upstream = "up"
issuers = ["blue"]
"#;

const ACCOUNT: &str = "5723073937d63a18396a1bae";

/// One gateway that speaks every dialect, each with a token out.
struct World {
    gateway: Tollgate,
    up: Upstream,
}

/// A dialect: the host of its routes, and how an answer looks when it refuses a token.
struct Tongue {
    host: &'static str,
    refuses: fn(&Answer) -> bool,
}

const TONGUES: [Tongue; 5] = [
    Tongue {
        host: "gw.test",
        refuses: |answer| answer.header("content-type") == Some("application/problem+json"),
    },
    Tongue {
        host: "api.hub.test",
        refuses: |answer| answer.json()["error"] == "Invalid Token.",
    },
    Tongue {
        host: "spaces.test",
        refuses: |answer| answer.header("www-authenticate") == Some("Bearer"),
    },
    Tongue {
        host: "crew.test",
        refuses: |answer| answer.json()["error"] == "Validation",
    },
    Tongue {
        host: "api.blue.test",
        refuses: |answer| answer.json()["error"] == "InvalidTokenError",
    },
];

impl World {
    async fn start() -> Self {
        let up = Upstream::start().await;
        let gateway = Tollgate::start(&file(FILE, &up)).await;
        for (mount, name) in [("spaces", "ada@space.test"), ("crew", ACCOUNT)] {
            let account = NewAccount {
                name: name.to_owned(),
                password: Some(Secret::new("pw-1")),
                ..NewAccount::default()
            };
            gateway.add_account(mount, account).await;
        }
        Self { gateway, up }
    }

    fn post(&self, host: &str, path: &str) -> Request {
        self.gateway.client().named(host).post(path)
    }

    /// A good request at every token endpoint that gives one, in the order of the tongues.
    async fn logins(&self) -> [Answer; 5] {
        let hub = self.post("auth.hub.test", "/register");
        let hub = hub.json(&json!({ "user_id": "ada", "user_secret": "pw-1" }));
        let key = hub.send().await.json()["user_key"].clone();
        let oauth = self.post("gw.test", "/oauth/token");
        let hub = self.post("auth.hub.test", "/authenticate");
        let spaces = self.post("spaces.test", "/api/token");
        let crew = self.post("crew.test", "/public-api/auth/");
        let blue = self.post("auth.blue.test", "/api/v1/auth/authenticate");
        [
            oauth
                .basic("shop", SHOP_SECRET)
                .form(&[("grant_type", "client_credentials")])
                .send()
                .await,
            hub.json(&json!({ "user_key": key, "user_secret": "pw-1" }))
                .send()
                .await,
            spaces
                .form(&[
                    ("grant_type", "password"),
                    ("username", "ada@space.test"),
                    ("password", "pw-1"),
                ])
                .send()
                .await,
            crew.json(&json!({ "account": ACCOUNT, "secret": "pw-1" }))
                .send()
                .await,
            blue.basic("w", SHOP_SECRET)
                .json(&proof_for("app.test"))
                .send()
                .await,
        ]
    }

    async fn tokens(&self) -> [String; 5] {
        self.logins().await.map(|answer| {
            assert_eq!(answer.status, 200, "{}", answer.text());
            let body = answer.json();
            let token = [&body["access_token"], &body["token"]]
                .into_iter()
                .find_map(Value::as_str);
            token.unwrap().to_owned()
        })
    }
}

#[tokio::test]
async fn xd_01_no_dialect_takes_the_token_of_another() {
    let world = World::start().await;
    let tokens = world.tokens().await;
    for (whose, token) in tokens.iter().enumerate() {
        for (at, tongue) in TONGUES.iter().enumerate() {
            let before = world.up.requests().len();
            let client = world.gateway.client().named(tongue.host);
            let answer = client.get("/x/1").bearer(token).send().await;
            if whose == at {
                assert_eq!(answer.status, 200, "{}", answer.text());
                continue;
            }
            assert_eq!(answer.status, 401, "{whose} at {}", tongue.host);
            assert!((tongue.refuses)(&answer), "{}", answer.text());
            assert_eq!(world.up.requests().len(), before);
        }
    }
}

/// XD-2
#[tokio::test]
async fn xd_02_nobody_says_for_a_client_who_it_is_but_the_gateway() {
    let world = World::start().await;
    let [_, _, _, token, _] = world.tokens().await;
    let client = world.gateway.client().named("crew.test");
    let request = client.get("/x/1").bearer(&token).header("x-account", "eve");
    assert_eq!(request.send().await.status, 200);
    assert_eq!(world.up.only().alike("x-account"), [ACCOUNT]);
}

#[tokio::test]
async fn xd_03_no_answer_with_a_token_may_be_kept() {
    let world = World::start().await;
    for answer in world.logins().await {
        assert_eq!(answer.status, 200, "{}", answer.text());
        let kept = answer.header("cache-control").unwrap();
        assert!(["no-store", "no-cache"].contains(&kept), "{kept}");
    }
}

/// All that give or take a token and ask for none first.
const ENDPOINTS: [(&str, &str); 13] = [
    ("gw.test", "/oauth/token"),
    ("gw.test", "/oauth/introspect"),
    ("gw.test", "/oauth/revoke"),
    ("auth.hub.test", "/register"),
    ("auth.hub.test", "/authenticate"),
    ("auth.hub.test", "/refresh"),
    ("auth.hub.test", "/userkey"),
    ("spaces.test", "/api/token"),
    ("crew.test", "/public-api/auth/"),
    ("auth.blue.test", "/api/v1/auth/authenticate"),
    ("auth.blue.test", "/api/v1/auth/token"),
    ("auth.blue.test", "/api/v1/auth/revoke"),
    ("auth.blue.test", "/api/v1/auth/handoff/redeem"),
];

#[tokio::test]
async fn xd_04_a_body_that_is_too_large_is_not_read() {
    let world = World::start().await;
    for (host, path) in ENDPOINTS {
        for framing in ["Content-Length: 300000", "Transfer-Encoding: chunked"] {
            let mut wire = world.gateway.wire_to(host).await;
            let head = format!("POST {path} HTTP/1.1\r\nHost: {host}\r\n{framing}\r\n\r\n");
            let piece = "x".repeat(70_000);
            let body = if framing.ends_with("chunked") {
                format!("{:x}\r\n{piece}\r\n", piece.len())
            } else {
                piece
            };
            wire.send(head + &body).await;
            assert_eq!(wire.reply().await.unwrap().status, 413, "{host}{path}");
            assert!(wire.rest().await.is_empty());
        }
    }
    world.tokens().await;
}

/// XD-5: asked to wait, and of unknown length. The third way, with two lengths, is told of where framing is.
#[tokio::test]
async fn xd_05_bodies_come_in_pieces_and_after_a_pause() {
    let world = World::start().await;
    let form = "grant_type=password&username=ada%40space.test&password=pw-1";
    let json = json!({ "account": ACCOUNT, "secret": "pw-1" }).to_string();
    let asks = [
        (
            "spaces.test",
            "/api/token",
            "application/x-www-form-urlencoded",
            form,
        ),
        ("crew.test", "/public-api/auth/", "application/json", &json),
    ];
    for (host, path, kind, body) in asks {
        let (sender, chunked) = pieces();
        let (one, two) = body.as_bytes().split_at(7);
        sender.send(one.to_vec().into()).unwrap();
        sender.send(two.to_vec().into()).unwrap();
        drop(sender);
        let client = world.gateway.client().named(host);
        let request = client.request(Method::POST, path).pieces(chunked);
        let answer = request.header("content-type", kind).send().await;
        assert_eq!(answer.status, 200, "{}", answer.text());

        let mut wire = world.gateway.wire_to(host).await;
        let length = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\
             Expect: 100-continue\r\n\r\n"
        );
        wire.send(head).await;
        wire.until("HTTP/1.1 100 Continue\r\n\r\n").await;
        wire.send(body).await;
        let answer = wire.reply().await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

/// XD-3: whatever a client sends by mistake in a place where it is not looked for, no answer repeats it.
#[tokio::test]
async fn no_answer_repeats_a_secret() {
    let world = World::start().await;
    let secret = "hunter2-hunter2";
    for (host, path) in ENDPOINTS {
        for kind in [
            "application/json",
            "application/x-www-form-urlencoded",
            "text/plain",
        ] {
            for body in [
                format!(
                    "{{\"secret\":\"{secret}\",\"account\":\"{secret}\",\"user_secret\":\"{secret}\"}}"
                ),
                format!("grant_type={secret}&password={secret}&refresh_token={secret}"),
                format!("{{\"{secret}"),
            ] {
                let request = world.post(host, path).header("content-type", kind);
                let answer = request.body(body).send().await;
                assert!(!answer.text().contains(secret), "{}", answer.text());
            }
        }
    }
}
