//! BlueNexus, row by row.
//!
//! Reading order: `login`, `tokens`, `codes`, `handoff`, `registering`.

mod codes;
mod handoff;
mod login;
mod registering;
mod tokens;

use std::{
    sync::atomic::{AtomicI64, AtomicU32, Ordering},
    time::Duration,
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::file;
use crate::harness::{
    authority::authority,
    exchange::{Answer, Client, Request, Wire},
    issuer::NOW,
    tollgate::{SHOP_SECRET, Tollgate},
    upstream::Upstream,
    wallet::{Message, Wallet, date},
};

const FILE: &str = r#"
[dialect.blue]
speak = "bluenexus"
hosts = ["auth.blue.test"]
register = "open"

[dialect.hub]
speak = "nexushub"
hosts = ["auth.hub.test"]
register = "open"

# white-label, confidential
[client.w]
secret = { file = "shop.secret" }
grants = ["authorization_code", "refresh_token"]
scopes = ["account", "connections"]
redirect_uris = ["https://app.test/cb"]
wallets = { domains = ["app.test"] }
handoff = { redirect_uris = ["https://app.test/cb", "yourapp://*"] }

# white-label, public, for one chain, without a page of its own
[client.m]
auth = "none"
grants = ["refresh_token"]
scopes = ["account"]
wallets = { domains = ["app.test", "dev.test:8443"], chains = [10] }

# third-party
[client.p]
secret = { file = "shop.secret" }
grants = ["authorization_code", "refresh_token"]
scopes = ["account", "connections"]
redirect_uris = ["https://third.test/cb"]

[route.api]
hosts = ["api.blue.test"]
path = "/**"
upstream = "up"
issuers = ["blue"]
forward = { identity = { x-user-id = "sub" } }

[route.agents]
hosts = ["api.blue.test"]
path = "/agents/**"
upstream = "up"
issuers = ["blue"]
require = { scope = "agents-all" }

[route.hub]
hosts = ["api.hub.test"]
path = "/**"
upstream = "up"
issuers = ["hub"]
"#;

/// A gateway that speaks as BlueNexus does, and an upstream behind it.
struct Blue {
    gateway: Tollgate,
    up: Upstream,
    /// What the gateway's clock shows, in seconds since its start.
    passed: AtomicI64,
}

/// What a login gives.
#[derive(Clone, Debug)]
struct Tokens {
    access: String,
    refresh: String,
    session: String,
}

impl Blue {
    async fn start() -> Self {
        Self::with(|file| file).await
    }

    async fn with(change: impl Fn(String) -> String) -> Self {
        let up = Upstream::start().await;
        let file = change(file(FILE, &up));
        Self {
            gateway: Tollgate::start(&file).await,
            up,
            passed: AtomicI64::new(0),
        }
    }

    fn auth(&self) -> Client {
        self.gateway.client().named("auth.blue.test")
    }

    /// A raw connection to where the tokens are given.
    async fn wire(&self) -> Wire {
        let config = authority().client(&["http/1.1"]);
        Wire::tls(self.gateway.address("public"), "auth.blue.test", config).await
    }

    fn post(&self, path: &str) -> Request {
        self.auth().post(&format!("/api/v1/auth/{path}"))
    }

    fn api(&self, path: &str) -> Request {
        self.gateway.client().named("api.blue.test").get(path)
    }

    fn advance(&self, seconds: i64) {
        self.passed.fetch_add(seconds, Ordering::Relaxed);
        let span = Duration::from_secs(u64::try_from(seconds).unwrap());
        self.gateway.advance(span);
    }

    /// Lets a minute pass, so that the limits are as good as new.
    fn rest(&self) {
        self.advance(60);
    }

    fn now(&self) -> i64 {
        NOW + self.passed.load(Ordering::Relaxed)
    }

    /// A message that would be accepted now.
    fn message(&self, wallet: &Wallet) -> Message {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        Message {
            domain: "app.test".into(),
            address: wallet.address(),
            uri: "https://app.test/login".into(),
            version: "1".into(),
            chain: "10".into(),
            nonce: format!("nonce{:06}", COUNT.fetch_add(1, Ordering::Relaxed)),
            issued_at: date(self.now()),
            rest: String::new(),
        }
    }

    /// A login of client W that would succeed now.
    fn signed(&self, wallet: &Wallet) -> Value {
        wallet.proof(&self.message(wallet))
    }

    async fn authenticate(&self, body: &Value) -> Answer {
        self.post("authenticate")
            .basic("w", SHOP_SECRET)
            .json(body)
            .send()
            .await
    }

    async fn login(&self, wallet: &Wallet) -> Tokens {
        Tokens::of(&self.authenticate(&self.signed(wallet)).await)
    }

    /// A login through the public client M.
    async fn login_publicly(&self, wallet: &Wallet) -> Tokens {
        let mut body = self.signed(wallet);
        body["client_id"] = "m".into();
        Tokens::of(&self.post("authenticate").json(&body).send().await)
    }

    async fn refresh(&self, token: &str) -> Answer {
        let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
        let request = self.post("token").basic("w", SHOP_SECRET);
        request.form(&form).send().await
    }

    async fn opens(&self, access: &str) {
        let answer = self.api("/x").bearer(access).send().await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// The session of both tokens has ended.
    async fn has_ended(&self, tokens: &Tokens) {
        let answer = self.api("/x").bearer(&tokens.access).send().await;
        says(&answer, 401, "SessionRevokedError");
        let answer = self.refresh(&tokens.refresh).await;
        says_oauth(&answer, "invalid_grant");
    }
}

impl Tokens {
    fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status, 200, "{}", answer.text());
        let body = answer.json();
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        Self {
            access: text("access_token"),
            refresh: text("refresh_token"),
            session: text("session_id"),
        }
    }
}

/// What logs a wallet in at the start of every test's time, for a site.
pub(super) fn proof_for(domain: &str) -> Value {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let wallet = Wallet::of(9);
    wallet.proof(&Message {
        domain: domain.to_owned(),
        address: wallet.address(),
        uri: format!("https://{domain}/"),
        version: "1".into(),
        chain: "1".into(),
        nonce: format!("across{:06}", COUNT.fetch_add(1, Ordering::Relaxed)),
        issued_at: date(NOW),
        rest: String::new(),
    })
}

/// The claims of a token.
fn claims(token: &str) -> Value {
    let part = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// The shape without OAuth: three members, and the name of the error.
fn says(answer: &Answer, status: u16, error: &str) {
    assert_eq!(answer.status, status, "{}", answer.text());
    let body = answer.json();
    let members: Vec<&String> = body.as_object().unwrap().keys().collect();
    assert_eq!(members.len(), 3, "{body}");
    assert_eq!(
        (&body["error"], &body["statusCode"]),
        (&json!(error), &json!(status))
    );
    assert!(!body["message"].as_str().unwrap().is_empty());
}

/// The shape of OAuth: 400 and four members.
fn says_oauth(answer: &Answer, error: &str) {
    assert_eq!(answer.status, 400, "{}", answer.text());
    let body = answer.json();
    assert_eq!(
        (&body["error"], &body["statusCode"]),
        (&json!(error), &json!(400))
    );
    assert!(!body["message"].as_str().unwrap().is_empty());
    assert_eq!(body["message"], body["error_description"]);
    assert_eq!(body.as_object().unwrap().len(), 4, "{body}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(body.get("access_token").is_none());
}
