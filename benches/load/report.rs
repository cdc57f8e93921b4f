//! What is printed.
#![expect(clippy::print_stdout, reason = "the report is what the bench is for")]
#![expect(
    clippy::cast_precision_loss,
    reason = "counts far below 2^53, shown with two digits"
)]

use std::error::Error;

use hdrhistogram::Histogram;

use crate::Outcome;
use crate::calls::Calls;
use crate::options::Options;

/// A token seen before may make a request dearer by this factor at most.
const DEAREST: f64 = 1.15;

/// Percentiles by kind, rate and cost of the mix.
pub(crate) fn mix(outcome: &Outcome, options: &Options) -> Result<(), Box<dyn Error>> {
    println!(
        "the mix: {} requests/s asked, latency from the moment each was due, µs\n",
        options.rate
    );
    println!(
        "{:<20}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}{:>7}",
        "", "requests", "p50", "p90", "p99", "p99.9", "max", "wrong"
    );
    for (kind, latency, wrong) in outcome.tally.rows() {
        row(kind.name(), latency, wrong);
    }
    let requests = outcome.tally.requests();
    row("all", &outcome.tally.all()?, outcome.tally.wrong());
    println!(
        "\nachieved {:.0} requests/s; gate {:.1} CPU-µs per request",
        requests as f64 / outcome.took.as_secs_f64(),
        cost(outcome)
    );
    Ok(())
}

/// What a token costs; returns how many times as much a request with one costs.
pub(crate) fn price(public: &Outcome, hit: &Outcome) -> f64 {
    println!(
        "\nthe price of a token, in slices by turns, {} and {} requests",
        public.tally.requests(),
        hit.tally.requests()
    );
    println!(
        "no token needed {:.2}, token seen before {:.2} CPU-µs per request",
        cost(public),
        cost(hit)
    );
    let ratio = cost(hit) / cost(public);
    println!("ratio {ratio:.3} (at most {DEAREST})");
    ratio
}

/// An error if any answer had the wrong status, or a token costs too much.
pub(crate) fn verdict(outcomes: [&Outcome; 3], ratio: f64) -> Result<(), Box<dyn Error>> {
    let wrong = outcomes.iter().map(|outcome| outcome.tally.wrong());
    match wrong.sum::<u64>() {
        0 if ratio <= DEAREST => Ok(()),
        0 => Err(format!("a token makes a request dearer by {ratio:.3}, not {DEAREST}").into()),
        wrong => Err(format!("{wrong} answers with an unexpected status").into()),
    }
}

/// Why nothing was counted.
pub(crate) fn no_tracer() {
    println!("strace is not installed: system calls are NOT counted");
}

/// How many system calls a request of one kind took, in all and by name; returns whether that is no more than `most`.
pub(crate) fn calls(title: &str, calls: &Calls, requests: u32, most: f64) -> bool {
    let each = |count: u64| count as f64 / f64::from(requests);
    let all = each(calls.values().sum());
    println!("{title}: {all:.2} system calls per request (at most {most:.1})");
    let mut by_name: Vec<_> = calls
        .iter()
        .map(|(name, count)| (each(*count), name))
        .collect();
    by_name.sort_by(|one, other| other.0.total_cmp(&one.0));
    for (count, name) in by_name.iter().take_while(|(count, _)| *count >= 0.01) {
        println!("{count:>9.2} {name}");
    }
    all <= most
}

fn row(name: &str, latency: &Histogram<u64>, wrong: u64) {
    let at = |quantile| latency.value_at_quantile(quantile);
    let (requests, max) = (latency.len(), latency.max());
    println!(
        "{name:<20}{requests:>9}{:>9}{:>9}{:>9}{:>9}{max:>9}{wrong:>7}",
        at(0.5),
        at(0.9),
        at(0.99),
        at(0.999)
    );
}

fn cost(outcome: &Outcome) -> f64 {
    outcome.cpu.as_secs_f64() * 1e6 / outcome.tally.requests().max(1) as f64
}
