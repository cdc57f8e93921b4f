//! The executable in a folder of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// How long anything may take that is expected to happen; only a test that fails spends it.
pub(crate) const DEADLINE: Duration = Duration::from_mins(1);

/// Runs the gateway on ports that the system chooses.
pub(crate) const RUN: [&str; 5] = [
    "run",
    "--set",
    "listener.public.address=127.0.0.1:0",
    "--set",
    "admin.address=127.0.0.1:0",
];

/// A folder with a configuration, in which commands are obeyed.
pub(crate) struct Place {
    folder: TempDir,
}

/// A running gateway. Killed when dropped.
pub(crate) struct Running {
    process: Child,
    stdout: Option<JoinHandle<String>>,
    stderr: Receiver<String>,
    /// What has been read of standard error.
    pub(crate) log: Vec<String>,
    folder: PathBuf,
}

/// What a gateway that has ended leaves: its exit status and all it wrote.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Place {
    /// A folder with this configuration.
    pub(crate) fn with(toml: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("tollgate.toml"), toml).unwrap();
        Self { folder }
    }

    /// The twelve lines of the README, as they stand there.
    pub(crate) fn hello() -> Self {
        Self::with(&hello())
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Obeys a command and waits for its end.
    pub(crate) fn obey(&self, words: &[&str]) -> Output {
        self.obey_with(words, "")
    }

    /// Obeys a command that reads this from standard input.
    pub(crate) fn obey_with(&self, words: &[&str], input: &str) -> Output {
        let mut process = self.command(words).stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = process.stdin.take().unwrap();
        let input = input.to_owned();
        let writer = std::thread::spawn(move || {
            // A command that does not read its input is none the worse for it.
            let _ = stdin.write_all(input.as_bytes());
        });
        let output = process.wait_with_output().unwrap();
        writer.join().unwrap();
        output
    }

    /// Starts the gateway on free ports before this upstream.
    pub(crate) fn run(&self, upstream: SocketAddr) -> Running {
        let upstream = format!("upstream.orders.url=http://{upstream}");
        let more = ["--set", "server.shutdown.announce=0s", "--set", &upstream];
        self.start(&[&RUN[..], &more].concat())
    }

    /// Starts a command that goes on until it is told to stop.
    pub(crate) fn start(&self, words: &[&str]) -> Running {
        self.started(self.command(words))
    }

    /// The same for a process that may have so many files and sockets open.
    pub(crate) fn start_with_descriptors(&self, count: u32, words: &[&str]) -> Running {
        let mut command = Command::new("sh");
        let limited = format!("ulimit -n {count}; exec \"$0\" \"$@\"");
        command.args(["-c", &limited, env!("CARGO_BIN_EXE_tollgate")]);
        self.started(self.at_home(command, words))
    }

    fn started(&self, mut command: Command) -> Running {
        let mut process = command.stdin(Stdio::null()).spawn().unwrap();
        let mut stdout = process.stdout.take().unwrap();
        let stdout = std::thread::spawn(move || {
            let mut text = String::new();
            stdout.read_to_string(&mut text).unwrap();
            text
        });
        let stderr = BufReader::new(process.stderr.take().unwrap());
        let (tell, told) = channel();
        std::thread::spawn(move || {
            for line in stderr.lines() {
                // Nobody reads on after the test.
                let _ = tell.send(line.unwrap());
            }
        });
        Running {
            process,
            stdout: Some(stdout),
            stderr: told,
            log: Vec::new(),
            folder: self.path().to_owned(),
        }
    }

    fn command(&self, words: &[&str]) -> Command {
        self.at_home(Command::new(env!("CARGO_BIN_EXE_tollgate")), words)
    }

    fn at_home(&self, mut command: Command, words: &[&str]) -> Command {
        command
            .args(words)
            .current_dir(self.path())
            .env("TMPDIR", self.path())
            .env_remove("STATE_DIRECTORY")
            .env_remove("RUST_LOG")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

impl Running {
    /// Reads on in standard error until a line with all of `words` comes.
    pub(crate) fn says(&mut self, words: &[&str]) -> String {
        let start = Instant::now();
        loop {
            let left = DEADLINE.saturating_sub(start.elapsed());
            let Ok(line) = self.stderr.recv_timeout(left) else {
                panic!("waited in vain for {words:?} in\n{}", self.log.join("\n"));
            };
            self.log.push(line.clone());
            if words.iter().all(|word| line.contains(word)) {
                return line;
            }
        }
    }

    /// What it has written to standard error so far.
    pub(crate) fn overheard(&mut self) -> String {
        self.log.extend(self.stderr.try_iter());
        self.log.join("\n")
    }

    /// Where the listener `public` listens.
    pub(crate) fn address(&mut self) -> SocketAddr {
        let line = self.says(&["listening", "\"public\""]);
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        line["address"].as_str().unwrap().parse().unwrap()
    }

    /// The certificate that vouches for it.
    pub(crate) fn authority(&self) -> PathBuf {
        self.folder.join("tollgate-data/dev-tls/ca.pem")
    }

    /// What everybody on the machine sees of it: its command line.
    pub(crate) fn title(&self) -> String {
        let path = format!("/proc/{}/cmdline", self.id());
        String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned()
    }

    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.id()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
    }

    /// Waits for its end.
    pub(crate) fn ended(mut self) -> Ended {
        let start = Instant::now();
        loop {
            match self
                .stderr
                .recv_timeout(DEADLINE.saturating_sub(start.elapsed()))
            {
                Ok(line) => self.log.push(line),
                // It wrote its last.
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("does not end:\n{}", self.log.join("\n")),
            }
        }
        let status = self.process.wait().unwrap();
        let stdout = self.stdout.take().unwrap().join().unwrap();
        let stderr = self.log.join("\n");
        Ended {
            status,
            stdout,
            stderr,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The first TOML of the README.
pub(crate) fn hello() -> String {
    let readme = include_str!("../../README.md");
    let (_, rest) = readme.split_once("```toml\n").unwrap();
    let (toml, _) = rest.split_once("```").unwrap();
    assert_eq!(toml.lines().count(), 12);
    assert_eq!(toml, include_str!("../../config/minimal.toml"));
    toml.to_owned()
}

/// What a command wrote to standard output, without the newline at the end.
pub(crate) fn answer(output: &Output) -> String {
    String::from_utf8(output.stdout.clone())
        .unwrap()
        .trim_end()
        .to_owned()
}

/// What a command wrote to standard error.
pub(crate) fn notes(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}
