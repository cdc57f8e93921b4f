//! The gate under test: the executable that cargo built for this run, in a folder of its own.

use std::error::Error;
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::bed::{AUDIENCE, ISSUER};

/// How often to look whether the gate listens, and how many times.
const LOOK: (Duration, u32) = (Duration::from_millis(50), 200);

/// A running gate; killed when dropped.
pub(crate) struct Gate {
    process: Child,
    port: u16,
    folder: TempDir,
}

impl Gate {
    /// Writes its file and its key set, starts it with one worker, and waits until it listens.
    pub(crate) async fn start(upstream: u16, jwks: &str) -> Result<Self, Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let port = free_port()?;
        fs::write(folder.path().join("jwks.json"), jwks)?;
        let file = folder.path().join("tollgate.toml");
        fs::write(&file, settings(port, upstream))?;
        let log = File::create(folder.path().join("log"))?;
        let process = Command::new(env!("CARGO_BIN_EXE_tollgate"))
            .args(["run", "-c"])
            .arg(&file)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let mut gate = Self {
            process,
            port,
            folder,
        };
        gate.listening().await?;
        Ok(gate)
    }

    /// Where it listens on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Processor time of all its threads so far. The scheduler's own account is used, in nanoseconds: `utime` and
    /// `stime` of `/proc/PID/stat` are its value in steps of 10 ms.
    pub(crate) fn cpu(&self) -> Result<Duration, Box<dyn Error>> {
        let mut total = 0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.process.id()))? {
            let account = fs::read_to_string(thread?.path().join("schedstat"))?;
            total += account
                .split(' ')
                .next()
                .unwrap_or_default()
                .parse::<u64>()?;
        }
        Ok(Duration::from_nanos(total))
    }

    async fn listening(&mut self) -> Result<(), Box<dyn Error>> {
        for _ in 0..LOOK.1 {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))
                .await
                .is_ok()
            {
                return Ok(());
            }
            if self.process.try_wait()?.is_some() {
                break;
            }
            tokio::time::sleep(LOOK.0).await;
        }
        let log = fs::read_to_string(self.folder.path().join("log"))?;
        Err(format!("the gate does not listen:\n{log}").into())
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}

fn settings(port: u16, upstream: u16) -> String {
    format!(
        r#"
[server]
worker_threads = 1

[listener.bench]
address = "127.0.0.1:{port}"

[admin]
address = "127.0.0.1:0"

[upstream.echo]
url = "http://127.0.0.1:{upstream}"

[issuer.bench]
kind = "jwt"
issuer = "{ISSUER}"
audiences = ["{AUDIENCE}"]
jwks = {{ file = "jwks.json" }}

[route.open]
path = "/open/**"
upstream = "echo"
auth = "public"

[route.guarded]
path = "/guarded/**"
upstream = "echo"
issuers = ["bench"]
forward = {{ identity = {{ "x-user" = "sub" }} }}
"#
    )
}
