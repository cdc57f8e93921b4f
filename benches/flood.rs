//! What a flood of logins costs those who do not log in: the real executable, proxied requests at a fixed rate, first
//! alone and then beside logins.
//!
//! `cargo bench --bench flood -- [--rate N] [--secs S] [--logins L] [--rude]`
//!
//! Every login is for somebody who is not there, which takes as much work as for anybody. Who is told to come back
//! waits as long as told, unless it is `--rude`: then it asks again at once. The run fails if the 99th percentile of the
//! proxied requests is more than one and a half times what it was without the flood, if the gate took more memory than
//! before it by what the hashes take that run at a time and 64 MiB, or if a login was answered in any other way than a
//! refusal.

#[path = "bed/mod.rs"]
#[expect(dead_code, reason = "nobody forges here")]
mod bed;

use std::cell::RefCell;
use std::convert::Infallible;
use std::error::Error;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener as Blocking};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hdrhistogram::Histogram;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, RETRY_AFTER};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tempfile::TempDir;
use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinSet, LocalSet};
use tokio_util::sync::CancellationToken;

type Failure = Box<dyn Error>;
type Line = SendRequest<Full<Bytes>>;

/// How hard and how long.
struct Options {
    rate: u32,
    duration: Duration,
    logins: usize,
    rude: bool,
}

/// What became of the logins.
#[derive(Default)]
struct Logins {
    hashed: u64,
    surplus: u64,
    odd: u64,
    /// The longest that anybody was told to wait, in seconds.
    longest_wait: u64,
}

/// What the gate held, in KiB.
struct Memory {
    /// Before the flood.
    base: u64,
    /// At most, ever.
    most: u64,
}

impl Memory {
    /// The most it may have held: the hashes that run at a time, one for every other core, and room for the rest.
    fn allowed(&self) -> Result<u64, Failure> {
        let cores = thread::available_parallelism()?.get();
        let slots = u64::try_from((cores / 2).max(1))?;
        Ok(self.base + slots * HASH + ROOM)
    }
}

/// The memory of one hash, in KiB, as the settings of the gate say.
const HASH: u64 = 19 << 10;
/// For connections and whatever else a crowd needs, in KiB.
const ROOM: u64 = 64 << 10;

fn main() -> Result<(), Failure> {
    let options = Options::read(std::env::args().skip(1))?;
    here(run(&options))?
}

async fn run(options: &Options) -> Result<(), Failure> {
    let issuer = bed::Issuer::new()?;
    let upstream = upstream()?;
    let gate = Gate::start(upstream, &issuer.jwks()).await?;
    let token = issuer.token(1)?;
    // Connections, caches and the allocator warm up unseen.
    proxied(&gate, &token, options.rate, Duration::from_secs(1)).await?;

    let alone = proxied(&gate, &token, options.rate, options.duration).await?;
    let base = gate.memory("VmRSS")?;
    let flood = Flood::begin(options, gate.port);
    let beside = proxied(&gate, &token, options.rate, options.duration).await?;
    let logins = flood.end()?;
    let memory = Memory {
        base,
        most: gate.memory("VmHWM")?,
    };
    report(options, (&alone, &beside), &logins, &memory)
}

/// Runs on this thread alone.
fn here<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(LocalSet::new().block_on(&runtime, work))
}

/// Logins under way, on a thread of their own. Whoever floods a gate has machines of their own to do it with: here
/// that thread gives way to the gate and to those who are timed.
struct Flood {
    stop: CancellationToken,
    thread: JoinHandle<Result<Logins, String>>,
}

impl Flood {
    fn begin(options: &Options, port: u16) -> Self {
        let stop = CancellationToken::new();
        let (crowd, rude, ended) = (options.logins, options.rude, stop.clone());
        let thread = thread::spawn(move || {
            let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
            set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle)
                .map_err(|error| error.to_string())?;
            let seen = Rc::new(RefCell::new(Logins::default()));
            let logins = flood(port, (crowd, rude), Rc::clone(&seen));
            here(ended.run_until_cancelled(logins)).map_err(|error| error.to_string())?;
            Ok(seen.take())
        });
        Self { stop, thread }
    }

    fn end(self) -> Result<Logins, Failure> {
        self.stop.cancel();
        let ended = self.thread.join();
        Ok(ended.map_err(|_| "the flood broke off")??)
    }
}

/// A crowd, each of whom comes at a moment of their own within the first second.
async fn flood(port: u16, (crowd, rude): (usize, bool), seen: Rc<RefCell<Logins>>) {
    let mut logins = JoinSet::new();
    for number in 0..crowd {
        let seen = Rc::clone(&seen);
        logins.spawn_local(async move { login(port, number, rude, seen).await.is_ok() });
        tokio::time::sleep(Duration::from_secs(1) / u32::try_from(crowd).unwrap_or(u32::MAX)).await;
    }
    while let Some(ended) = logins.join_next().await {
        // Nobody leaves before the end.
        seen.borrow_mut().odd += u64::from(ended.is_ok());
    }
}

/// Requests at a fixed rate, each charged from the moment it was due.
async fn proxied(
    gate: &Gate,
    token: &str,
    rate: u32,
    duration: Duration,
) -> Result<Histogram<u64>, Failure> {
    let mut lines = Vec::new();
    for _ in 0..8 {
        lines.push(connect(gate.port).await?);
    }
    let mut seen = Histogram::new_with_bounds(1, 60_000_000, 3)?;
    let begun = Instant::now();
    let count = u64::from(rate) * duration.as_secs();
    for number in 0..count {
        let due = begun + Duration::from_secs(number) / rate;
        tokio::time::sleep_until(due.into()).await;
        let index = usize::try_from(number)? % lines.len();
        let line = lines.get_mut(index).ok_or("no connection")?;
        let request = Request::get("/api/x")
            .header(HOST, "localhost")
            .header(AUTHORIZATION, format!("Bearer {token}"))
            .body(Full::default())?;
        line.ready().await?;
        let response = line.send_request(request).await?;
        if response.status() != StatusCode::OK {
            return Err(format!("a proxied request got {}", response.status()).into());
        }
        response.into_body().collect().await?;
        seen.saturating_record(u64::try_from(due.elapsed().as_micros())?);
    }
    Ok(seen)
}

/// Somebody who tries to log in until the end of the run.
async fn login(
    port: u16,
    number: usize,
    rude: bool,
    seen: Rc<RefCell<Logins>>,
) -> Result<Infallible, Failure> {
    let mut line = connect(port).await?;
    let body = format!(r#"{{"user_key":"nobody-{number}","user_secret":"wrong"}}"#);
    loop {
        let request = Request::builder()
            .method(Method::POST)
            .uri("/hub/authenticate")
            .header(HOST, "localhost")
            .header(CONTENT_TYPE, "application/json")
            .body(Full::from(body.clone()))?;
        line.ready().await?;
        let response = line.send_request(request).await?;
        let (head, answer) = response.into_parts();
        answer.collect().await?;
        let wait = head.headers.get(RETRY_AFTER);
        let wait = wait.and_then(|wait| wait.to_str().ok()?.parse::<u64>().ok());
        {
            let mut seen = seen.borrow_mut();
            match head.status {
                StatusCode::FORBIDDEN => seen.hashed += 1,
                StatusCode::TOO_MANY_REQUESTS => seen.surplus += 1,
                _ => seen.odd += 1,
            }
            seen.longest_wait = seen.longest_wait.max(wait.unwrap_or_default());
        }
        if let Some(wait) = wait.filter(|_| !rude) {
            tokio::time::sleep(Duration::from_secs(wait)).await;
        }
    }
}

async fn connect(port: u16) -> Result<Line, Failure> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    stream.set_nodelay(true)?;
    let (line, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::task::spawn_local(async move { drop(connection.await) });
    Ok(line)
}

/// An upstream that answers at once, on a thread of its own.
fn upstream() -> Result<u16, Failure> {
    let listener = Blocking::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || here(serve(listener)).map_err(|error| error.to_string()));
    Ok(port)
}

async fn serve(listener: Blocking) -> std::io::Result<Infallible> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        let service = service_fn(async |_| {
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"made"))))
        });
        let serving = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service);
        tokio::task::spawn_local(async move { drop(serving.await) });
    }
}

#[expect(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a bench says what it has found, in round numbers"
)]
fn report(
    options: &Options,
    (alone, beside): (&Histogram<u64>, &Histogram<u64>),
    logins: &Logins,
    memory: &Memory,
) -> Result<(), Failure> {
    let allowed = memory.allowed()?;
    let at = |seen: &Histogram<u64>, quantile| seen.value_at_quantile(quantile) as f64 / 1000.0;
    for (name, seen) in [("alone", alone), ("beside the flood", beside)] {
        println!(
            "{name}: p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms, most {:.2} ms",
            at(seen, 0.5),
            at(seen, 0.99),
            at(seen, 0.999),
            seen.max() as f64 / 1000.0
        );
    }
    let ratio = at(beside, 0.99) / at(alone, 0.99);
    println!(
        "{} logins at a time: {} hashed, {} told to come back in at most {} s",
        options.logins, logins.hashed, logins.surplus, logins.longest_wait,
    );
    println!(
        "the gate took {} MiB before and {} MiB at most, of {} MiB it may",
        memory.base >> 10,
        memory.most >> 10,
        allowed >> 10
    );
    println!("p99 beside the flood is {ratio:.2} times that alone");
    if logins.odd > 0 || logins.hashed == 0 || logins.longest_wait > 2 {
        return Err("the flood was not answered as it should be".into());
    }
    if memory.most > allowed {
        return Err("the flood took more memory than the hashes that run at a time".into());
    }
    if ratio > 1.5 {
        return Err("the flood is felt by those who do not log in".into());
    }
    Ok(())
}

/// The gate under test; killed when dropped.
struct Gate {
    process: Child,
    port: u16,
    _folder: TempDir,
}

impl Gate {
    async fn start(upstream: u16, jwks: &str) -> Result<Self, Failure> {
        let folder = tempfile::tempdir()?;
        let port = Blocking::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port();
        fs::write(folder.path().join("jwks.json"), jwks)?;
        fs::write(
            folder.path().join("tollgate.toml"),
            settings(port, upstream),
        )?;
        let log = File::create(folder.path().join("log"))?;
        let process = Command::new(env!("CARGO_BIN_EXE_tollgate"))
            .arg("run")
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let gate = Self {
            process,
            port,
            _folder: folder,
        };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        for _ in 0..400 {
            if TcpStream::connect(address).await.is_ok() {
                return Ok(gate);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err("the gate does not listen".into())
    }

    /// The memory it holds (`VmRSS`), or the most it ever held (`VmHWM`), in KiB.
    fn memory(&self, which: &str) -> Result<u64, Failure> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let mut lines = status.lines().filter_map(|line| line.split_once(':'));
        let line = lines.find_map(|(name, rest)| (name == which).then_some(rest));
        let number = line.and_then(|line| line.split_whitespace().next());
        Ok(number.ok_or("no memory in the status")?.parse()?)
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn settings(port: u16, upstream: u16) -> String {
    format!(
        r#"
[server]
public_url = "http://127.0.0.1:{port}"
[listener.public]
address = "127.0.0.1:{port}"
[admin]
address = "127.0.0.1:0"
[telemetry]
access_log = {{ enabled = false }}
[passwords]
memory = "19MiB"
lockout = {{ enabled = false }}
[upstream.up]
url = "http://127.0.0.1:{upstream}"
[issuer.bench]
kind = "jwt"
issuer = "{issuer}"
audiences = ["{audience}"]
jwks = {{ file = "jwks.json" }}
[route.api]
path = "/api/**"
upstream = "up"
issuers = ["bench"]
[dialect.hub]
speak = "nexushub"
path = "/hub"
limit = {{ attempts = 10000, within = "1s" }}
"#,
        issuer = bed::ISSUER,
        audience = bed::AUDIENCE,
    )
}

impl Options {
    fn read(mut args: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut options = Self {
            rate: 200,
            duration: Duration::from_secs(15),
            logins: 500,
            rude: false,
        };
        while let Some(word) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{word} needs a value"));
            match word.as_str() {
                "--rate" => options.rate = value()?.parse()?,
                "--secs" => options.duration = Duration::from_secs(value()?.parse()?),
                "--logins" => options.logins = value()?.parse()?,
                "--rude" => options.rude = true,
                "--bench" => {}
                other => return Err(format!("unknown word {other}").into()),
            }
        }
        Ok(options)
    }
}
