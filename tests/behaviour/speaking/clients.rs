//! The published clients of an API, as they are, driven by Node.js against a gateway.

use std::{
    fs,
    io::{BufRead, BufReader, ErrorKind, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};

use crate::harness::{exchange::Client, tollgate::Tollgate, upstream::Upstream};

const FILE: &str = r#"
[server]
public_url = "https://localhost"
worker_threads = 2
shutdown = { announce = "0s", grace = "10s" }

[listener.public]
address = "127.0.0.1:0"
tls = { mode = "files", cert = "gateway.pem", key = { file = "gateway.key" } }

[admin]
address = "127.0.0.1:0"

[telemetry]
access_log = { enabled = false }

[upstream.up]
url = "@up@"

[dialect.hub]
speak = "nexushub"
path = "/auth"
register = "open"

[route.socket]
path = "/ws"
upstream = "up"
socket = "bridge"

[route.api]
path = "/**"
upstream = "up"
forward = { identity = { x-user-id = "uid" } }

[route.orders]
path = "/orders/**"
upstream = "up"
require = { scope = "write_orders_warframe" }
"#;

/// NH-W1, NH-W2, NH-W4: `nexushub-client` and `cubic-client` from the registry, unmodified.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_published_clients_log_in_refresh_and_call() {
    let up = Upstream::start().await;
    up.echo();
    let gateway = Tollgate::start(&FILE.replace("@up@", &up.url())).await;
    let client = gateway.client().named("localhost");
    let key = register(&client).await;
    let mut driven = Driven::start(&gateway, &key);

    let refused = json!({
        "statusCode": 401, "error": "Unauthorized.", "reason": "Expected user credentials.",
    });
    assert_eq!(driven.next("anonymous"), refused);
    let got = driven.next("get");
    assert_eq!(
        (&got["method"], &got["target"]),
        (&json!("GET"), &json!("/users/1?full=yes"))
    );
    assert_eq!(got["headers"]["x-user-id"], json!(["ada"]));
    assert!(got["headers"].get("authorization").is_none());
    let posted = driven.next("post");
    assert_eq!(posted["body"], r#"{"name":"Ada"}"#);
    let forbidden = json!({
        "statusCode": 403, "error": "Unauthorized", "reason": "Expected write_orders_warframe, got .",
    });
    assert_eq!(driven.next("forbidden"), forbidden);
    let together: Vec<_> = (0..30).map(|n| format!("/n/{n}")).collect();
    assert_eq!(driven.next("together"), json!(together));
    let token = driven.next("refresh_token");
    assert!(token.as_str().unwrap().starts_with(&key), "{token}");

    assert_eq!(driven.next("pause"), Value::Null);
    gateway.advance(Duration::from_secs(3601));
    driven.go_on();
    let after = driven.next("after");
    assert_eq!(
        (&after["target"], &after["headers"]["x-user-id"]),
        (&json!("/users/2"), &json!(["ada"]))
    );
    assert_eq!(driven.next("renewed"), json!(true));
    driven.ends();
    assert!(up.faults().is_empty());
}

async fn register(client: &Client) -> String {
    let body = json!({ "user_id": "ada", "user_secret": "s3cret-one" });
    let answer = client.post("/auth/register").json(&body).send().await;
    answer.json()["user_key"].as_str().unwrap().to_owned()
}

/// The script that drives the clients.
struct Driven {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Driven {
    fn start(gateway: &Tollgate, key: &str) -> Self {
        let folder = installed();
        let here = format!("wss://localhost:{}", gateway.address("public").port());
        let mut child = Command::new("node")
            .arg("drive.js")
            .args([format!("{here}/ws"), format!("{here}/auth/ws")])
            .args([key, "s3cret-one"])
            .env("NODE_EXTRA_CA_CERTS", gateway.folder().join("ca.pem"))
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}", missing("node", &error)));
        Self {
            input: child.stdin.take().unwrap(),
            output: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    /// What came of the next step.
    fn next(&mut self, step: &str) -> Value {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line)
            .unwrap_or_else(|_| panic!("the clients ended before {step:?}: {line:?}"));
        assert_eq!(said["step"], step, "{said}");
        said["what"].clone()
    }

    fn go_on(&mut self) {
        self.input.write_all(b"\n").unwrap();
    }

    fn ends(&mut self) {
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Driven {
    fn drop(&mut self) {
        // One that has ended needs no ending.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The folder with the clients in the versions that the lock file names, installed once.
fn installed() -> PathBuf {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/npm");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("npm");
    fs::create_dir_all(&folder).unwrap();
    for name in ["package.json", "package-lock.json", "drive.js"] {
        fs::copy(fixtures.join(name), folder.join(name)).unwrap();
    }
    let lock = fs::read(fixtures.join("package-lock.json")).unwrap();
    let stamp = folder.join("installed");
    if fs::read(&stamp).is_ok_and(|installed| installed == lock) {
        return folder;
    }
    let output = Command::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(&folder)
        .output()
        .unwrap_or_else(|error| panic!("{}", missing("npm", &error)));
    assert!(
        output.status.success(),
        "npm could not install the clients: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    fs::write(&stamp, lock).unwrap();
    folder
}

fn missing(program: &str, error: &std::io::Error) -> String {
    if error.kind() == ErrorKind::NotFound {
        format!(
            "{program} is not installed: this test drives published clients and needs Node.js 18 or newer with npm"
        )
    } else {
        format!("{program} cannot be started: {error}")
    }
}
