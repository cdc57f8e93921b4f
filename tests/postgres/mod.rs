//! A PostgreSQL server of the tests' own: installed if it is missing, started on first use, reached by a socket in a
//! temporary folder, and gone when the test process is.
//!
//! One server serves a whole test program; each test takes a database of its own from it.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    programs: PathBuf,
    folder: PathBuf,
    keeper: Mutex<Keeper>,
    databases: AtomicU32,
}

/// The process that starts and ends the server, and the lines to and from it.
#[derive(Debug)]
struct Keeper {
    orders: Option<ChildStdin>,
    reports: BufReader<ChildStdout>,
    process: Child,
}

impl Server {
    /// The server of this test program. It does not wait for the disk.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Server> = OnceLock::new();
        SHARED.get_or_init(|| Self::start("off"))
    }

    /// A server of its own that loses nothing it has acknowledged.
    pub(crate) fn durable() -> Self {
        Self::start("on")
    }

    fn start(fsync: &str) -> Self {
        let programs = programs();
        // Not in `TMPDIR`: the name of a socket may be no longer than about 100 bytes.
        let folder = tempfile::Builder::new()
            .prefix("tollgate-pg-")
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir_in("/tmp")
            .unwrap()
            .keep();
        let mut process = Command::new("sh")
            .args(["-c", include_str!("keeper.sh"), "keeper"])
            .args([programs.as_os_str(), folder.as_os_str()])
            .arg(fsync)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let keeper = Keeper {
            orders: process.stdin.take(),
            reports: BufReader::new(process.stdout.take().unwrap()),
            process,
        };
        let server = Self {
            programs,
            folder,
            keeper: Mutex::new(keeper),
            databases: AtomicU32::new(0),
        };
        server.wait(&mut server.keeper.lock().unwrap());
        server
    }

    /// The address of a new and empty database.
    pub(crate) fn database(&self) -> String {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("test{number}");
        self.run("createdb", &[&name]);
        format!(
            "postgres://tollgate@localhost/{name}?host={}",
            self.folder.display()
        )
    }

    /// Stops the server as if the machine had stopped, and starts it again.
    pub(crate) fn crash(&self) {
        let mut keeper = self.keeper.lock().unwrap();
        keeper
            .orders
            .as_mut()
            .unwrap()
            .write_all(b"again\n")
            .unwrap();
        self.wait(&mut keeper);
    }

    /// Runs one of PostgreSQL's own programs against the server, and gives what it writes.
    pub(crate) fn run(&self, program: &str, words: &[&str]) -> String {
        let output = Command::new(self.programs.join(program))
            .args(["-h".as_ref(), self.folder.as_os_str(), "-U".as_ref()])
            .arg("tollgate")
            .args(words)
            .output()
            .unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {words:?}: {complaint}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn wait(&self, keeper: &mut Keeper) {
        let mut line = String::new();
        keeper.reports.read_line(&mut line).unwrap();
        assert_eq!(
            line,
            "ready\n",
            "PostgreSQL does not start:\n{}\n{}",
            fs::read_to_string(self.folder.join("log")).unwrap_or_default(),
            fs::read_to_string(self.folder.join("server.log")).unwrap_or_default(),
        );
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let keeper = self.keeper.get_mut().unwrap();
        keeper.orders = None;
        let _ = keeper.process.wait();
    }
}

/// The folder of PostgreSQL's programs. Installs them if there are none.
fn programs() -> PathBuf {
    // Test programs that run at the same time install it once.
    let turn = File::create("/tmp/tollgate-tests-install.lock").unwrap();
    turn.lock().unwrap();
    if let Some(found) = installed() {
        return found;
    }
    assert_eq!(
        fs::metadata("/proc/self").unwrap().uid(),
        0,
        "the tests need PostgreSQL and only root can install it: run `apt-get install -y postgresql` as root"
    );
    if !apt(&["install", "-y", "--no-install-recommends", "postgresql"]) {
        apt(&["update"]);
        apt(&["install", "-y", "--no-install-recommends", "postgresql"]);
    }
    let found = installed();
    assert!(
        found.is_some(),
        "the tests need PostgreSQL, and it could not be installed: run `apt-get install -y postgresql` and see why"
    );
    found.unwrap()
}

fn installed() -> Option<PathBuf> {
    let has_programs = |folder: &PathBuf| folder.join("initdb").exists();
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let packaged = versions
        .filter_map(Result::ok)
        .map(|entry| entry.path().join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let others: Vec<_> = std::env::split_paths(&path).collect();
    packaged
        .filter(has_programs)
        .max_by_key(|folder| version(folder))
        .or_else(|| others.into_iter().find(has_programs))
}

fn version(programs: &Path) -> u32 {
    let folder = programs.parent().and_then(Path::file_name);
    let number = folder.and_then(|name| name.to_str()?.parse().ok());
    number.unwrap_or(0)
}

fn apt(words: &[&str]) -> bool {
    let status = Command::new("apt-get")
        .args(words)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}
