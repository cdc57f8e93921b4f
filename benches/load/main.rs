//! What the gate costs and how long its callers wait: the real executable under load.
//!
//! `cargo bench --bench load -- [--rate N] [--secs S] [--connections C] [--calls]`
//!
//! Two measurements, on 127.0.0.1 alone, with an upstream inside this process:
//!
//! 1. **The mix**: requests arrive at a fixed rate over keep-alive connections, whether or not earlier ones were
//!    answered, and each one's latency counts from the moment it was due. A gate that stalls is therefore charged
//!    for everybody who would have waited. Most tokens were seen before, some are new, some are forged, and some
//!    requests go to a route that demands nothing.
//! 2. **The price of a token**: the same request with a token seen before and without any, in short slices by
//!    turns, each connection sending as soon as it is answered. Only the gate's own processor time is compared, so
//!    it matters little whether this process keeps up.
//!
//! Any answer with another status than the expected one fails the run, and so does a token that costs too much.
//!
//! With `--calls` it measures neither, but runs the gate under `strace` and counts its system calls per request: hardly
//! anything moves that figure but the gate itself, so it tells of one flush or read too many on any machine.

#[path = "../bed/mod.rs"]
mod bed;
mod calls;
mod client;
mod gate;
mod options;
mod report;
mod stock;
mod tally;
mod upstream;

use std::error::Error;
use std::time::{Duration, Instant};

use crate::client::Fleet;
use crate::gate::Gate;
use crate::options::Options;
use crate::stock::{Kind, Stock};
use crate::tally::Tally;

/// Slices of the second measurement: without, with, with, without, .. so that drift falls on both alike.
const SLICES: [Kind; 12] = [
    Kind::Public,
    Kind::Hit,
    Kind::Hit,
    Kind::Public,
    Kind::Public,
    Kind::Hit,
    Kind::Hit,
    Kind::Public,
    Kind::Public,
    Kind::Hit,
    Kind::Hit,
    Kind::Public,
];

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::from_args(std::env::args().skip(1))?;
    // One thread for upstream and callers: it never sleeps while requests are due, which is finer than any timer.
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(run(&options))
}

async fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let issuer = bed::Issuer::new()?;
    let stock = Stock::new(&issuer, options)?;
    let upstream = upstream::start().await?;
    if options.calls {
        return calls::count(&stock, upstream.port(), &issuer.jwks(), options).await;
    }
    let gate = Gate::start(upstream.port(), &issuer.jwks()).await?;

    let mix = mixed_load(&gate, &stock, options).await?;
    report::mix(&mix, options)?;
    let (public, hit) = price_of_a_token(&gate, &stock, options).await?;
    let ratio = report::price(&public, &hit);
    report::verdict([&mix, &public, &hit], ratio)
}

/// One measurement: what the callers saw and what the gate spent on it.
pub(crate) struct Outcome {
    /// What the callers saw.
    pub(crate) tally: Tally,
    /// Processor time of the gate, user and system.
    pub(crate) cpu: Duration,
    /// From the first request to the last answer.
    pub(crate) took: Duration,
}

async fn mixed_load(
    gate: &Gate,
    stock: &Stock,
    options: &Options,
) -> Result<Outcome, Box<dyn Error>> {
    let mut fleet = Fleet::connect(gate.port(), options.connections).await?;
    fleet.warm(stock).await?;
    let (cpu, started) = (gate.cpu()?, Instant::now());
    let tally = fleet
        .open_loop(stock.mix(), options.rate, options.duration)
        .await?;
    Ok(Outcome {
        tally,
        cpu: gate.cpu()?.saturating_sub(cpu),
        took: started.elapsed(),
    })
}

async fn price_of_a_token(
    gate: &Gate,
    stock: &Stock,
    options: &Options,
) -> Result<(Outcome, Outcome), Box<dyn Error>> {
    let nothing = || {
        Ok::<_, Box<dyn Error>>(Outcome {
            tally: Tally::new()?,
            cpu: Duration::ZERO,
            took: Duration::ZERO,
        })
    };
    let (mut public, mut hit) = (nothing()?, nothing()?);
    let mut fleet = Fleet::connect(gate.port(), options.connections).await?;
    fleet.warm(stock).await?;
    for kind in SLICES {
        let side = if kind == Kind::Hit {
            &mut hit
        } else {
            &mut public
        };
        let (cpu, started) = (gate.cpu()?, Instant::now());
        let tally = fleet
            .closed_loop(stock.only(kind), options.slice(SLICES.len()))
            .await?;
        side.cpu += gate.cpu()?.saturating_sub(cpu);
        side.took += started.elapsed();
        side.tally.add(&tally)?;
    }
    Ok((public, hit))
}
