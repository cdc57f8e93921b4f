//! Every way to a token and to lose one, at the most talkative level: whatever was secret in it is written nowhere.
//!
//! Secrets that we choose are canaries, each unique; those that the gateway makes are noted as they come.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use k256::ecdsa::SigningKey;
use rustix::process::Signal;
use serde_json::{Value, json};
use sha3::{Digest as _, Keccak256};
use tollgate::token::TimeSource;

use crate::telling::{free_address, plain};
use crate::tollgate::{Place, answer, hello, notes};
use crate::trail::trail;
use crate::wire::{Reply, Request, Upstream};

const MORE: &str = r#"
[passwords]
memory = "64KiB"
passes = 1

[dialect.oauth]
speak = "oauth2"
path = "/oauth"

[dialect.hub]
speak = "nexushub"
path = "/hub"
register = "open"

[dialect.spaces]
speak = "nexudus"
path = "/spaces"

[dialect.crew]
speak = "hubler"
path = "/crew"

[dialect.blue]
speak = "bluenexus"
path = "/blue"
register = "open"

[client.app]
secret = { file = "app.secret" }
grants = ["authorization_code", "refresh_token"]
scopes = ["orders:read"]
redirect_uris = ["https://app.test/cb"]

[client.job]
secret = { file = "job.secret" }
scopes = ["orders:read"]

[client.w]
secret = { file = "w.secret" }
grants = ["refresh_token"]
scopes = ["account"]
wallets = { domains = ["app.test"] }
handoff = { redirect_uris = ["https://app.test/cb"] }
"#;

const PASSWORD: &str = "canary-password-3Kd";
const WRONG: &str = "canary-wrong-password-3Kd";
const APP: &str = "canary-app-secret-3Kd-0123456789abcdefghij";
const W: &str = "canary-wallet-secret-3Kd-0123456789abcdefg";
const JOB: &str = "canary-job-secret-3Kd-0123456789abcdefghij";
const WRONG_SECRET: &str = "canary-wrong-secret-3Kd";
const REFRESH: &str = "canary-refresh-token-3Kd";
const CODE: &str = "canary-code-3Kd";
const BEARER: &str = "canary-bearer-3Kd";
const COOKIE: &str = "canary-cookie-3Kd";
const DATABASE: &str = "canary-database-3Kd";
const CANARIES: [&str; 10] = [
    PASSWORD,
    WRONG,
    APP,
    JOB,
    W,
    WRONG_SECRET,
    REFRESH,
    CODE,
    BEARER,
    COOKIE,
];
const ACCOUNT: &str = "5723073937d63a18396a1bae";

/// A gateway that speaks every dialect, with people and programs.
fn place() -> Place {
    let file = hello().replace(
        "path = \"/orders/**\"",
        "path = \"/orders/**\"\nissuers = [\"oauth\", \"hub\", \"spaces\", \"crew\", \"blue\"]",
    );
    let place = Place::with(&(file + MORE));
    keep(&place, "app.secret", APP);
    keep(&place, "job.secret", JOB);
    keep(&place, "w.secret", W);
    for (mount, name) in [
        ("oauth", "ada"),
        ("spaces", "ada@space.test"),
        ("crew", ACCOUNT),
    ] {
        let words = [
            "user",
            "add",
            name,
            "--mount",
            mount,
            "--scope",
            "orders:read",
            "-vv",
        ];
        let output = place.obey_with(&words, &format!("{PASSWORD}\n"));
        assert_eq!(output.status.code(), Some(0), "{}", notes(&output));
        assert!(!(notes(&output) + &answer(&output)).contains(PASSWORD));
    }
    place
}

fn keep(place: &Place, name: &str, secret: &str) {
    let path = place.path().join(name);
    std::fs::write(&path, secret).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// Somebody who remembers every secret and every refusal.
struct Caller {
    address: SocketAddr,
    authority: PathBuf,
    cookie: String,
    secrets: Vec<String>,
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

    /// Sends what must succeed, and gives these members of the answer, which are secret from now on.
    fn gets<const N: usize>(&mut self, request: Request, names: [&str; N]) -> [String; N] {
        let reply = self.send(request);
        assert!(matches!(reply.status, 200 | 201), "{}", reply.body);
        let body = reply.json();
        names.map(|name| {
            let secret = body[name]
                .as_str()
                .unwrap_or_else(|| panic!("{name}: {body}"));
            self.secrets.push(secret.to_owned());
            secret.to_owned()
        })
    }

    fn fails(&mut self, request: Request) {
        let reply = self.send(request);
        assert!(reply.status >= 400, "{} {}", reply.status, reply.body);
    }

    /// A protected route, with a good token and with two bad ones.
    fn calls(&mut self, token: &str) {
        for (token, status) in [(token, 200), (&*format!("{token}x"), 401), (BEARER, 401)] {
            let request = Request::get("/orders/7").bearer(token);
            let reply = self.send(request.with("Cookie", COOKIE));
            // One that may not do this has been verified too.
            let passed = [status, 403].contains(&reply.status);
            assert!(passed, "{} {}", reply.status, reply.body);
        }
    }

    /// A page, or the answer to a form, as a browser asks for it.
    fn browses(&mut self, request: Request) -> Reply {
        let cookie = self.cookie.clone();
        let reply = self.send(request.with("Cookie", &cookie));
        if let Some(kept) = reply.header("set-cookie") {
            let kept = kept.split(';').next().unwrap();
            let (_, value) = kept.split_once('=').unwrap();
            self.secrets.push(value.to_owned());
            kept.clone_into(&mut self.cookie);
        }
        reply
    }

    fn fills_in(&mut self, page: &Reply, name: &str, fields: &[(&str, &str)]) -> Reply {
        let (action, mark) = form(page, name);
        let mut all = vec![("form", name), ("mark", &*mark)];
        all.extend(fields);
        let reply = self.browses(Request::form(&action, &all));
        self.secrets.push(mark);
        reply
    }

    /// Signs in at the pages, agrees, and is given a code.
    fn agrees(&mut self) -> String {
        let door = "/oauth/authorize?response_type=code&client_id=app&state=s\
                    &redirect_uri=https%3A%2F%2Fapp.test%2Fcb";
        let page = self.browses(Request::get(door));
        let wrong = [("name", "ada"), ("password", WRONG)];
        let refused = self.fills_in(&page, "sign_in", &wrong);
        let page = self.browses(Request::get(refused.header("location").unwrap()));
        let right = [("name", "ada"), ("password", PASSWORD)];
        let signed_in = self.fills_in(&page, "sign_in", &right);
        assert_eq!(signed_in.status, 303, "{}", signed_in.body);
        let question = self.browses(Request::get(signed_in.header("location").unwrap()));
        let answer = self.fills_in(&question, "consent", &[("answer", "allow")]);
        // Once more: the same code; and one form that nobody was shown.
        self.fills_in(&question, "consent", &[("answer", "allow")]);
        self.fails(Request::form(
            door,
            &[("form", "consent"), ("mark", COOKIE)],
        ));
        self.leaves();
        let back = answer.header("location").unwrap();
        let (_, query) = back.split_once('?').unwrap();
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        let code = pairs
            .find(|(name, _)| name == "code")
            .unwrap()
            .1
            .into_owned();
        self.secrets.push(code.clone());
        code
    }

    /// Is asked once more and does not agree, and signs out.
    fn leaves(&mut self) {
        let door = "/oauth/authorize?response_type=code&client_id=app&state=s&prompt=consent\
                    &redirect_uri=https%3A%2F%2Fapp.test%2Fcb";
        let question = self.browses(Request::get(door));
        let denied = self.fills_in(&question, "consent", &[("answer", "deny")]);
        assert_eq!(denied.status, 303, "{}", denied.body);
        let gone = self.fills_in(&question, "sign_out", &[]);
        assert_eq!(gone.status, 303, "{}", gone.body);
    }

    fn token(path: &str, fields: &[(&str, &str)], client: (&str, &str)) -> Request {
        Request::form(path, fields).basic(client.0, client.1)
    }

    fn oauth(&mut self) {
        let code = self.agrees();
        let token = "/oauth/token";
        let redeem = |code: &str| {
            [
                ("grant_type", "authorization_code".to_owned()),
                ("redirect_uri", "https://app.test/cb".to_owned()),
                ("code", code.to_owned()),
            ]
        };
        let with = |code: &str, secret: &str| {
            let fields = redeem(code);
            let fields = fields
                .each_ref()
                .map(|(name, value)| (*name, value.as_str()));
            Self::token(token, &fields, ("app", secret))
        };
        self.fails(with(CODE, APP));
        self.fails(with(&code, WRONG_SECRET));
        let [access, refresh] = self.gets(with(&code, APP), ["access_token", "refresh_token"]);
        self.calls(&access);
        self.renews(token, &refresh, ("app", APP));
        for path in ["/oauth/introspect", "/oauth/revoke"] {
            for shown in [&*access, REFRESH] {
                let asked = Self::token(path, &[("token", shown)], ("app", APP));
                let jwt = "application/token-introspection+jwt";
                let reply = self.send(asked.with("Accept", jwt));
                assert_eq!(reply.status, 200, "{}", reply.body);
            }
            self.fails(Self::token(
                path,
                &[("token", &access)],
                ("app", WRONG_SECRET),
            ));
        }
        // Used before: what it began has ended.
        self.fails(with(&code, APP));
        self.is_not_heard();
    }

    /// Asks for what is not even looked at, and shows a token of somebody else.
    fn is_not_heard(&mut self) {
        let own = [("grant_type", "client_credentials")];
        let [token] = self.gets(
            Self::token("/oauth/token", &own, ("job", JOB)),
            ["access_token"],
        );
        let shown = [("token", &*token)];
        let reply = self.send(Self::token("/oauth/revoke", &shown, ("app", APP)));
        assert_eq!(reply.status, 200, "{}", reply.body);
        let twice = [("grant_type", "password"), ("code", CODE), ("code", CODE)];
        self.fails(Self::token("/oauth/token", &twice, ("app", APP)));
        self.fails(Request::get("/oauth/token"));
    }

    /// A renewal, its repetition, and one of nothing.
    fn renews(&mut self, path: &str, refresh: &str, client: (&str, &str)) {
        let with = |token: &str| {
            let fields = [("grant_type", "refresh_token"), ("refresh_token", token)];
            Self::token(path, &fields, client)
        };
        let [_, next] = self.gets(with(refresh), ["access_token", "refresh_token"]);
        self.gets(with(&next), ["access_token"]);
        self.fails(with(REFRESH));
        self.send(with(refresh));
    }

    fn hub(&mut self) {
        let post = |path: &str, body: Value| Request::json(&format!("/hub{path}"), &body);
        let john = json!({ "user_id": "john", "user_secret": PASSWORD });
        let [key] = self.gets(post("/register", john.clone()), ["user_key"]);
        let login = |secret: &str| json!({ "user_key": key, "user_secret": secret });
        self.fails(post("/authenticate", login(WRONG)));
        let tokens = ["access_token", "refresh_token"];
        let [access, refresh] = self.gets(post("/authenticate", login(PASSWORD)), tokens);
        self.calls(&access);
        let renewal = |token: &str| post("/refresh", json!({ "refresh_token": token }));
        self.gets(renewal(&refresh), ["access_token"]);
        self.fails(renewal(REFRESH));
        self.gets(post("/userkey", john), ["user_key"]);
        self.fails(post(
            "/userkey",
            json!({ "user_id": "john", "user_secret": WRONG }),
        ));
    }

    fn spaces(&mut self) {
        let with = |fields: &[(&str, &str)]| {
            Request::form("/spaces/token", fields).with("client_id", "desk")
        };
        let login = |password: &str| {
            with(&[
                ("grant_type", "password"),
                ("username", "ada@space.test"),
                ("password", password),
            ])
        };
        self.fails(login(WRONG));
        let [access, refresh] = self.gets(login(PASSWORD), ["access_token", "refresh_token"]);
        self.calls(&access);
        let other = Request::get("/orders/7").with("Bearer", &access);
        self.send(other);
        let renewal =
            |token: &str| with(&[("grant_type", "refresh_token"), ("refresh_token", token)]);
        self.gets(renewal(&refresh), ["access_token", "refresh_token"]);
        self.fails(renewal(&refresh));
        self.fails(renewal(REFRESH));
    }

    fn crew(&mut self) {
        let post = |secret: &str| {
            Request::json("/crew/", &json!({ "account": ACCOUNT, "secret": secret }))
        };
        self.fails(post(WRONG));
        let [token] = self.gets(post(PASSWORD), ["token"]);
        self.calls(&token);
    }

    fn blue(&mut self) {
        let auth = |path: &str| format!("/blue/api/v1/auth/{path}");
        let proof = signed_message();
        self.secrets
            .push(proof["signature"].as_str().unwrap().to_owned());
        let login = |secret: &str| Request::json(&auth("authenticate"), &proof).basic("w", secret);
        self.fails(login(WRONG_SECRET));
        let [access, refresh] = self.gets(login(W), ["access_token", "refresh_token"]);
        self.fails(login(W));
        self.calls(&access);
        let wanted = json!({ "redirectUri": "https://app.test/cb", "intent": "connections" });
        let init = Request::json(&auth("handoff/init"), &wanted);
        let [code] = self.gets(init.bearer(&access), ["code"]);
        self.fails(Request::json(&auth("handoff/init"), &wanted).bearer(BEARER));
        let redeem = |code: &str| {
            let body = json!({ "code": code, "clientId": "w" });
            Request::json(&auth("handoff/redeem"), &body)
        };
        assert_eq!(self.send(redeem(&code)).status, 200);
        self.fails(redeem(&code));
        self.fails(redeem(CODE));
        self.renews(&auth("token"), &refresh, ("w", W));
        let body = json!({ "redirect_uris": ["https://desk.test/cb"] });
        let register = Request::json(&auth("register"), &body);
        let names = [
            "registration_client_uri",
            "client_secret",
            "registration_access_token",
        ];
        let [uri, _, token] = self.gets(register, names);
        // Where it is, is no secret.
        self.secrets.retain(|secret| *secret != uri);
        let path = &uri[uri.find("/blue/").unwrap()..];
        assert_eq!(self.send(Request::get(path).bearer(&token)).status, 200);
        self.fails(Request::get(path).bearer(BEARER));
        let gone = Request::get(path).called("DELETE").bearer(&token);
        assert_eq!(self.send(gone).status, 204);
    }
}

/// Where a form of a page goes, and its mark.
fn form(page: &Reply, name: &str) -> (String, String) {
    let marker = format!("name=\"form\" value=\"{name}\"");
    let mut forms = page.body.split("<form ").skip(1);
    let form = forms.find(|form| form.contains(&marker));
    let form = form.unwrap_or_else(|| panic!("no form {name} in {}", page.body));
    let between = |before: &str| {
        let (_, rest) = form.split_once(before).unwrap();
        let (value, _) = rest.split_once('"').unwrap();
        value.replace("&amp;", "&").replace("&#38;", "&")
    };
    (between("action=\""), between("name=\"mark\" value=\""))
}

/// A message that a wallet signed just now (EIP-4361).
fn signed_message() -> Value {
    let key = SigningKey::from_slice(&[7; 32]).unwrap();
    let point = key.verifying_key().to_sec1_point(false);
    let address = hex(&Keccak256::digest(&point.as_bytes()[1..])[12..]);
    let now = TimeSource::Wall.now();
    let text = format!(
        "app.test wants you to sign in with your Ethereum account:\n0x{address}\n\n\nURI: https://app.test/\n\
         Version: 1\nChain ID: 1\nNonce: canaries0\nIssued At: {now}"
    );
    let marked = format!("\x19Ethereum Signed Message:\n{}{text}", text.len());
    let digest = Keccak256::digest(marked.as_bytes());
    let (signature, recovery) = key.sign_prehash_recoverable(&digest);
    let which = recovery.to_byte() + 27;
    let signature = format!("0x{}{which:02x}", hex(&signature.to_bytes()));
    json!({ "message": text, "signature": signature })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// The secret files of a folder, line by line: keys, secrets, the master key.
fn kept_secrets(place: &Place) -> Vec<String> {
    let data = place.path().join("tollgate-data");
    let mut all = Vec::new();
    let mut folders = vec![place.path().to_owned(), data];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if name.contains("key") || name.ends_with(".secret") {
                let text = std::fs::read_to_string(&path).unwrap_or_default();
                let lines = text.lines().filter(|line| !line.starts_with("-----"));
                all.extend(lines.filter(|line| line.len() >= 16).map(str::to_owned));
            }
        }
    }
    assert!(all.len() >= 4, "{all:?}");
    all
}

/// LG-02, XD-3: pages, wallets, handoffs, registrations, and every dialect's login and renewal, well and badly.
#[test]
fn lg_02_xd_3_no_secret_of_any_dialect_or_page_is_written_anywhere() {
    let (place, upstream, admin) = (place(), Upstream::start(), free_address());
    let mut gateway = place.start(&[
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
    ]);
    let mut caller = Caller {
        address: gateway.address(),
        authority: gateway.authority(),
        cookie: String::new(),
        secrets: CANARIES.map(str::to_owned).to_vec(),
        refusals: Vec::new(),
    };
    for _ in 0..20 {
        upstream.answer();
    }
    caller.oauth();
    caller.hub();
    caller.spaces();
    caller.crew();
    caller.blue();
    caller.secrets.extend(kept_secrets(&place));

    let (title, metrics) = (gateway.title(), plain(admin, "/metrics"));
    gateway.signal(Signal::TERM);
    let ended = gateway.ended();
    assert!(caller.refusals.len() > 30, "{:?}", caller.refusals);
    let refusals = caller.refusals.join("\n");
    for (place, text) in [
        ("standard output", &ended.stdout),
        ("standard error", &ended.stderr),
        ("the metrics", &metrics),
        ("the title of the process", &title),
        ("a refusal", &refusals),
    ] {
        for secret in &caller.secrets {
            assert!(
                !text.contains(secret.as_str()),
                "{secret} in {place}:\n{text}"
            );
        }
    }
    assert!(ended.stderr.contains("\"DEBUG\""), "{}", ended.stderr);
    is_told_of_everybody(&trail(&ended.stderr));
}

/// What the audit log tells of all that, and from where it was asked.
fn is_told_of_everybody(trail: &[Value]) {
    for event in EVENTS {
        let told = trail.iter().any(|line| line["event"] == event);
        assert!(told, "{event} is not in\n{trail:?}");
    }
    for line in trail {
        assert_eq!(line["remote"], "127.0.0.1", "{line}");
    }
    // Neither came as far as the mint.
    for reason in ["invalid_request", "method_not_allowed"] {
        let is_it = |line: &Value| line["event"] == "ask.refused" && line["reason"] == reason;
        assert!(trail.iter().any(is_it), "no {reason} in\n{trail:?}");
    }
}

const EVENTS: [&str; 20] = [
    "token.issued",
    "token.introspected",
    "token.not_revoked",
    "ask.refused",
    "session.opened",
    "session.replayed",
    "session.ended",
    "tokens.revoked",
    "client.changed",
    "page.signed_in",
    "page.sign_in_refused",
    "page.signed_out",
    "page.refused",
    "consent.given",
    "consent.denied",
    "code.given",
    "account.registered",
    "account.key_recovered",
    "handoff.begun",
    "handoff.redeemed",
];

/// LG-02: the address of a database, and the password for it, when it cannot be reached.
#[test]
fn lg_02_the_way_to_the_database_is_told_without_its_password() {
    let url = format!("postgres://tollgate:{DATABASE}@127.0.0.1:1/x");
    let password =
        "url = \"postgres://tollgate@127.0.0.1:1/x\"\npassword = { file = \"db.secret\" }";
    let whole = "url_from = { file = \"db.secret\" }";
    for (store, secret) in [(password, DATABASE), (whole, url.as_str())] {
        let place = Place::with(&format!("{}[store]\n{store}\n", hello()));
        keep(&place, "db.secret", secret);
        for words in [
            &["run", "-vv"][..],
            &["check", "--json"],
            &["store", "status"],
        ] {
            let output = place.obey(words);
            let said = notes(&output) + &answer(&output);
            assert!(!said.contains(DATABASE), "{words:?}: {said}");
            let reached = output.status.success();
            assert_eq!(reached, words[0] == "check", "{words:?}: {said}");
        }
    }
}
