//! How many system calls a request costs.
//!
//! `strace` counts from the start of a process to its end, so each measurement takes two gates: one that is only warmed
//! up, and one that then answers the requests. What the second called oftener, the requests did.

use std::collections::BTreeMap;
use std::error::Error;
use std::process::{Command, Stdio};

use crate::client::Fleet;
use crate::gate::Gate;
use crate::options::Options;
use crate::report;
use crate::stock::{Kind, Stock};

/// How often each system call was made, by its name.
pub(crate) type Calls = BTreeMap<String, u64>;

/// Requests of one measurement: enough that a chore of the gate beside them does not show.
const REQUESTS: u32 = 20_000;
/// Streams on the one connection of HTTP/2.
const STREAMS: usize = 100;
/// The most calls that a request with a token seen before may take.
const MOST: [(Wire, f64); 2] = [(Wire::Http1, 4.5), (Wire::Http2, 3.0)];

/// How requests reach the gate.
#[derive(Clone, Copy)]
enum Wire {
    /// HTTP/1.1 over many connections, in the clear.
    Http1,
    /// HTTP/2 over one connection with TLS.
    Http2,
}

/// Counts, reports, and is an error if a request takes too many.
pub(crate) async fn count(
    stock: &Stock,
    upstream: u16,
    jwks: &str,
    options: &Options,
) -> Result<(), Box<dyn Error>> {
    if !is_there() {
        report::no_tracer();
        return Ok(());
    }
    let mut good = true;
    for (wire, most) in MOST {
        let mut counted = Vec::new();
        for requests in [0, REQUESTS] {
            let gate = Gate::traced(upstream, jwks).await?;
            let mut fleet = wire.fleet(&gate, options).await?;
            fleet.warm(stock).await?;
            let tally = fleet.times(stock.only(Kind::Hit), requests).await?;
            if tally.wrong() > 0 {
                return Err(format!("{} answers with an unexpected status", tally.wrong()).into());
            }
            drop(fleet);
            counted.push(read(&gate.summary()?)?);
        }
        let [idle, busy] = &counted[..] else {
            return Err("two gates were traced".into());
        };
        good &= report::calls(wire.title(), &more(idle, busy), REQUESTS, most);
    }
    if good {
        Ok(())
    } else {
        Err("a request takes too many system calls".into())
    }
}

impl Wire {
    fn title(self) -> &'static str {
        match self {
            Self::Http1 => "HTTP/1.1, token seen before",
            Self::Http2 => "HTTP/2 over TLS, token seen before",
        }
    }

    async fn fleet(self, gate: &Gate, options: &Options) -> Result<Fleet, Box<dyn Error>> {
        match self {
            Self::Http1 => Fleet::connect(gate.port(), options.connections).await,
            Self::Http2 => Fleet::multiplexed(gate.secure_port(), &gate.authority(), STREAMS).await,
        }
    }
}

fn is_there() -> bool {
    let mut strace = Command::new("strace");
    let asked = strace.arg("-V").stdout(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

/// Reads a summary: a row has time, seconds, microseconds per call, calls, errors if there were any, and the name.
fn read(summary: &str) -> Result<Calls, Box<dyn Error>> {
    let mut calls = Calls::new();
    for line in summary.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        let [share, _, _, count, .., name] = words[..] else {
            continue;
        };
        if share.parse::<f64>().is_ok() && name != "total" {
            calls.insert(name.to_owned(), count.parse()?);
        }
    }
    if calls.is_empty() {
        return Err(format!("the tracer counted nothing:\n{summary}").into());
    }
    Ok(calls)
}

/// What was called oftener, and by how much.
fn more(idle: &Calls, busy: &Calls) -> Calls {
    let before = |name: &String| idle.get(name).copied().unwrap_or_default();
    let rows = busy.iter();
    rows.map(|(name, count)| (name.clone(), count.saturating_sub(before(name))))
        .collect()
}
