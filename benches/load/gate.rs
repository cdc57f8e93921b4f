//! The gate under test: the executable that cargo built for this run, in a folder of its own.

use std::error::Error;
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::bed::{AUDIENCE, ISSUER};

const GATE: &str = env!("CARGO_BIN_EXE_tollgate");
/// Where a tracer writes, beside the gate's own files.
const SUMMARY: &str = "calls";
/// How often to look whether the gate listens, and how many times.
const LOOK: (Duration, u32) = (Duration::from_millis(50), 200);

/// A running gate; killed when dropped.
pub(crate) struct Gate {
    /// The gate, or who traces it.
    process: Child,
    /// The gate itself.
    pid: Pid,
    port: u16,
    secure_port: u16,
    folder: TempDir,
}

impl Gate {
    /// Writes its file and its key set, starts it with one worker, and waits until it listens.
    pub(crate) async fn start(upstream: u16, jwks: &str) -> Result<Self, Box<dyn Error>> {
        Self::run(Command::new(GATE), upstream, jwks).await
    }

    /// The same under `strace`, which writes down at the end how often each system call was made.
    pub(crate) async fn traced(upstream: u16, jwks: &str) -> Result<Self, Box<dyn Error>> {
        let mut strace = Command::new("strace");
        strace.args(["-f", "-c", "-o", SUMMARY, GATE]);
        let mut gate = Self::run(strace, upstream, jwks).await?;
        // The tracer's one child.
        let tracer = gate.process.id();
        let children = fs::read_to_string(format!("/proc/{tracer}/task/{tracer}/children"))?;
        let child = children.split_whitespace().next().unwrap_or_default();
        gate.pid = Pid::from_raw(child.parse()?).ok_or("the tracer has no child")?;
        Ok(gate)
    }

    async fn run(mut command: Command, upstream: u16, jwks: &str) -> Result<Self, Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let (port, secure_port) = (free_port()?, free_port()?);
        fs::write(folder.path().join("jwks.json"), jwks)?;
        let file = folder.path().join("tollgate.toml");
        fs::write(&file, settings([port, secure_port], upstream))?;
        let log = File::create(folder.path().join("log"))?;
        let process = command
            .args(["run", "-c"])
            .arg(&file)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let pid = Pid::from_raw(i32::try_from(process.id())?).ok_or("a process has a number")?;
        let mut gate = Self {
            process,
            pid,
            port,
            secure_port,
            folder,
        };
        gate.listening().await?;
        Ok(gate)
    }

    /// Stops it in an orderly way, and gives what its tracer wrote down.
    pub(crate) fn summary(mut self) -> Result<String, Box<dyn Error>> {
        kill_process(self.pid, Signal::TERM)?;
        self.process.wait()?;
        Ok(fs::read_to_string(self.folder.path().join(SUMMARY))?)
    }

    /// Where it listens on 127.0.0.1 with TLS.
    pub(crate) fn secure_port(&self) -> u16 {
        self.secure_port
    }

    /// The certificate that vouches for it there.
    pub(crate) fn authority(&self) -> PathBuf {
        self.folder.path().join("tollgate-data/dev-tls/ca.pem")
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
            let (plain, secure) = tokio::join!(is_open(self.port), is_open(self.secure_port));
            if plain && secure {
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
        if matches!(self.process.try_wait(), Ok(None)) {
            // First the gate: it would outlive its tracer.
            let _ = kill_process(self.pid, Signal::KILL);
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }
}

async fn is_open(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port))
        .await
        .is_ok()
}

fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}

fn settings([port, secure_port]: [u16; 2], upstream: u16) -> String {
    format!(
        r#"
[server]
worker_threads = 1
shutdown = {{ announce = "0s" }}

[listener.bench]
address = "127.0.0.1:{port}"

[listener.secure]
address = "127.0.0.1:{secure_port}"
tls = "dev"

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
