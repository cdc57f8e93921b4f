//! Two gateways that share one PostgreSQL, each at the end of a wire of its own that can be cut.

use std::{path::Path, time::Duration};

use futures_util::future::join_all;
use tollgate::token::{Scope, Secret};

use crate::{
    harness::{
        exchange::{Answer, Client, Request, Session},
        flaky::Flaky,
        issuer::Issuer,
        keys,
        person::{Person, location, told},
        tollgate::{SHOP_SECRET, Tollgate},
        upstream::Upstream,
        wallet::{Message, Wallet, date},
    },
    postgres::Server,
};

/// What both nodes are told; `@store@` differs.
const FILE: &str = r#"
[server]
public_url = "https://gw.test"
worker_threads = 2
master_key = { literal = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" }
shutdown = { announce = "0s", grace = "10s" }

[listener.public]
address = "127.0.0.1:0"
tls = { mode = "files", cert = "gateway.pem", key = { file = "gateway.key" } }

[admin]
address = "127.0.0.1:0"

[telemetry]
access_log = { enabled = false }

[store]
url = "@store@"

[upstream.u1]
url = "@upstream@"

[issuer.a]
kind = "jwt"
issuer = "@a@"
audiences = ["api"]

[dialect.oauth]
speak = "oauth2"
path = "/oauth"
hosts = ["gw.test"]
limit = { attempts = 10000, within = "1s" }

[dialect.blue]
speak = "bluenexus"
hosts = ["auth.blue.test"]
limit = { attempts = 10000, within = "1s" }

[client.app]
auth = "none"
grants = ["authorization_code", "refresh_token"]
scopes = ["orders:read", "orders:write"]
redirect_uris = ["https://c.test/cb"]

[client.shop]
secret = { file = "shop.secret" }
grants = ["client_credentials", "refresh_token"]
scopes = ["orders:read", "orders:write"]

[client.w]
secret = { file = "shop.secret" }
grants = ["authorization_code", "refresh_token"]
scopes = ["account", "connections"]
redirect_uris = ["https://app.test/cb"]
wallets = { domains = ["app.test"] }
handoff = { redirect_uris = ["https://app.test/cb"] }

[route.o]
hosts = ["gw.test"]
path = "/public/**"
upstream = "u1"
auth = "public"

[route.p]
hosts = ["gw.test"]
path = "/api/**"
upstream = "u1"
issuers = ["a"]

[route.orders]
hosts = ["gw.test"]
path = "/orders/**"
upstream = "u1"
issuers = ["oauth"]
"#;

/// What makes everybody but the first hear a no.
pub(crate) const STRICT: (&str, &str) = (
    "speak = \"oauth2\"\n",
    "speak = \"oauth2\"\nrefresh = { race = \"0s\", lost = \"0s\", on_replay = \"refuse\" }\n",
);

const PASSWORD: &str = "correct horse battery";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const AUTHORIZE: &str = "/oauth/authorize?response_type=code&client_id=app&redirect_uri=https%3A%2F%2Fc.test%2Fcb\
    &scope=orders%3Aread&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";

/// Two gateways and what surrounds them.
pub(crate) struct Nodes {
    both: [Node; 2],
    /// Behind every route.
    pub(crate) upstream: Upstream,
    /// An issuer that is not us.
    pub(crate) a: Issuer,
}

/// A gateway, and its wire to the store.
pub(crate) struct Node {
    /// The gateway.
    pub(crate) gateway: Tollgate,
    /// The wire.
    pub(crate) wire: Flaky,
}

/// The two tokens of a session.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub(crate) access: String,
    pub(crate) refresh: String,
}

impl Nodes {
    /// Two nodes with a new database.
    pub(crate) async fn start() -> Self {
        Self::changed(&[]).await
    }

    /// The same with parts of their file replaced.
    pub(crate) async fn changed(changes: &[(&str, &str)]) -> Self {
        let upstream = Upstream::start().await;
        let a = Issuer::start(keys::a()).await;
        let mut file = FILE
            .replace("@upstream@", &upstream.url())
            .replace("@a@", &a.url());
        for (from, to) in changes {
            assert!(file.contains(from), "the file has no {from:?}");
            file = file.replace(from, to);
        }
        let database = Server::shared().database();
        let both = [
            Node::start(&file, &database).await,
            Node::start(&file, &database).await,
        ];
        Self { both, upstream, a }
    }

    /// The first.
    pub(crate) fn one(&self) -> &Node {
        &self.both[0]
    }

    /// The second.
    pub(crate) fn other(&self) -> &Node {
        &self.both[1]
    }

    /// Both.
    pub(crate) fn each(&self) -> &[Node; 2] {
        &self.both
    }

    /// Moves both clocks on.
    pub(crate) fn advance(&self, by: Duration) {
        for node in &self.both {
            node.gateway.advance(by);
        }
    }

    /// Makes an account, as the operator does beside the first node.
    pub(crate) async fn register(&self, name: &str) {
        let gateway = &self.one().gateway;
        let accounts = &gateway.kept().accounts;
        let made = accounts.register("oauth", name, Secret::new(PASSWORD), gateway.now());
        let account = made.await.unwrap();
        let scope = Scope::parse("orders:read orders:write").unwrap();
        let given = accounts.set_scope("oauth", &account.name, scope);
        assert!(given.await.unwrap());
    }
}

impl Node {
    async fn start(file: &str, database: &str) -> Self {
        let (address, folder) = database.split_once("?host=").unwrap();
        let (_, name) = address.rsplit_once('/').unwrap();
        let wire = Flaky::before_socket(&Path::new(folder).join(".s.PGSQL.5432")).await;
        let through = format!(
            "postgres://tollgate@{}/{name}?sslmode=disable",
            wire.address()
        );
        Self {
            gateway: Tollgate::start(&file.replace("@store@", &through)).await,
            wire,
        }
    }

    /// A client for `gw.test`.
    pub(crate) fn client(&self) -> Client {
        self.gateway.client()
    }

    /// A client for where wallets sign in.
    pub(crate) fn blue(&self) -> Client {
        self.client().named("auth.blue.test")
    }

    /// Asks with one of our own tokens, and gives the status.
    pub(crate) async fn status(&self, access: &str) -> u16 {
        let request = self.client().get("/orders/1").bearer(access);
        request.send().await.status
    }

    /// What a probe is told.
    pub(crate) async fn probe(&self) -> Answer {
        let client = Client::plain(self.gateway.admin_address());
        client.get("/readyz").send().await
    }

    /// A token of the client `shop` by its own right.
    pub(crate) async fn token(&self) -> String {
        let request = self.client().post("/oauth/token");
        let request = request.form(&[("grant_type", "client_credentials")]);
        let answer = request.basic("shop", SHOP_SECRET).send().await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    /// Lets somebody sign in, and redeems the code.
    pub(crate) async fn log_in(&self, name: &str) -> Pair {
        let code = self.code(&mut Person::new(self.client()), name).await;
        Pair::of(&redeeming(&self.client(), &code).send().await)
    }

    /// A code for the public client, from somebody who may be signed in already.
    pub(crate) async fn code(&self, person: &mut Person, name: &str) -> String {
        let mut answer = person.goes(AUTHORIZE).await;
        if answer.status == 200 && answer.text().contains("value=\"sign_in\"") {
            let signed_in = person.signs_in(&answer, name, PASSWORD).await;
            answer = person.goes(location(&signed_in)).await;
        }
        if answer.status == 200 {
            answer = person.answers(&answer, "allow").await;
        }
        told(&answer, "code").unwrap_or_else(|| panic!("no code in {}", location(&answer)))
    }

    /// What a wallet shows to sign in, with a nonce of its own.
    pub(crate) fn proof(&self, wallet: &Wallet, nonce: &str) -> serde_json::Value {
        wallet.proof(&Message {
            domain: "app.test".into(),
            address: wallet.address(),
            uri: "https://app.test/login".into(),
            version: "1".into(),
            chain: "10".into(),
            nonce: nonce.into(),
            issued_at: date(self.gateway.seconds()),
            rest: String::new(),
        })
    }

    /// A code that hands over the session of a wallet's token.
    pub(crate) async fn handoff(&self, access: &str) -> String {
        let request = self.blue().post("/api/v1/auth/handoff/init");
        let wanted =
            serde_json::json!({ "redirectUri": "https://app.test/cb", "intent": "connections" });
        let answer = request.bearer(access).json(&wanted).send().await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["code"].as_str().unwrap().to_owned()
    }
}

impl Pair {
    /// What a token endpoint has given.
    pub(crate) fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status, 200, "{}", answer.text());
        let body = answer.json();
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        Self {
            access: text("access_token"),
            refresh: text("refresh_token"),
        }
    }
}

/// The request of the public client that redeems a code.
pub(crate) fn redeeming(client: &Client, code: &str) -> Request {
    client.post("/oauth/token").form(&[
        ("grant_type", "authorization_code"),
        ("client_id", "app"),
        ("code", code),
        ("redirect_uri", "https://c.test/cb"),
        ("code_verifier", VERIFIER),
    ])
}

/// The request of the public client that renews its tokens.
pub(crate) fn renewing(client: &Client, refresh: &str) -> Request {
    client.post("/oauth/token").form(&[
        ("grant_type", "refresh_token"),
        ("client_id", "app"),
        ("refresh_token", refresh),
    ])
}

/// The request that signs a wallet in.
pub(crate) fn signing_in(client: &Client, proof: &serde_json::Value) -> Request {
    let request = client.post("/api/v1/auth/authenticate");
    request.basic("w", SHOP_SECRET).json(proof)
}

/// The request that redeems a code of a handoff.
pub(crate) fn taking_over(client: &Client, code: &str) -> Request {
    let request = client.post("/api/v1/auth/handoff/redeem");
    request.json(&serde_json::json!({ "code": code, "clientId": "w" }))
}

/// Connections that stand, half of them at each node.
pub(crate) struct Runners {
    gate: Vec<(Client, Session)>,
    blue: Vec<(Client, Session)>,
}

impl Runners {
    /// Connects.
    pub(crate) async fn ready(nodes: &Nodes) -> Self {
        let (mut gate, mut blue) = (Vec::new(), Vec::new());
        // Several connections at each, so that all of its threads serve some.
        for number in 0..CONNECTIONS {
            let node = &nodes.each()[number % 2];
            let client = node.client().http2();
            gate.push((client.clone(), client.session().await));
            let client = node.blue().http2();
            blue.push((client.clone(), client.session().await));
        }
        Self { gate, blue }
    }

    /// Sends the same request fifty times at once to `gw.test`.
    pub(crate) async fn run(&self, request: impl Fn(&Client) -> Request) -> Vec<Answer> {
        run(&self.gate, request).await
    }

    /// The same to where wallets sign in.
    pub(crate) async fn run_at_blue(&self, request: impl Fn(&Client) -> Request) -> Vec<Answer> {
        run(&self.blue, request).await
    }
}

async fn run(lanes: &[(Client, Session)], request: impl Fn(&Client) -> Request) -> Vec<Answer> {
    let runners = (0..RUNNERS).map(|number| {
        let (client, session) = &lanes[number % CONNECTIONS];
        let (mut session, request) = (session.share(), request(client));
        async move { session.send(request).await }
    });
    join_all(runners).await
}

/// How many run.
pub(crate) const RUNNERS: usize = 50;
const CONNECTIONS: usize = 10;
