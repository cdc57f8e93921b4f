//! The dialects, each by the rows of its contract.

mod across;
mod bluenexus;
mod clients;
mod hubler;
mod nexudus;
mod nexushub;
mod nexushub_socket;
mod secrets;

use crate::harness::upstream::Upstream;

/// The gateway's file: what every dialect is shown with, and these mounts and routes.
fn file(rest: &str, up: &Upstream) -> String {
    format!("{HEAD}{rest}").replace("@up@", &up.url())
}

const HEAD: &str = r#"
[server]
public_url = "https://gw.test"
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
"#;
