//! What the callers saw.

use std::error::Error;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::stock::Kind;

/// The longest latency told apart from longer ones, in microseconds.
const LONGEST: u64 = 60_000_000;

/// Latencies in microseconds, and how many answers had another status than the expected one, by kind of request.
pub(crate) struct Tally {
    latency: [Histogram<u64>; Kind::ALL.len()],
    wrong: [u64; Kind::ALL.len()],
}

impl Tally {
    /// Nothing seen yet.
    pub(crate) fn new() -> Result<Self, Box<dyn Error>> {
        let latency = [empty()?, empty()?, empty()?, empty()?];
        Ok(Self {
            latency,
            wrong: Default::default(),
        })
    }

    /// One answer.
    pub(crate) fn count(&mut self, kind: Kind, latency: Duration, right: bool) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        if let Some(latency) = self.latency.get_mut(kind as usize) {
            latency.saturating_record(micros);
        }
        if let Some(wrong) = self.wrong.get_mut(kind as usize) {
            *wrong += u64::from(!right);
        }
    }

    /// Another run's answers.
    pub(crate) fn add(&mut self, other: &Self) -> Result<(), Box<dyn Error>> {
        for (mine, theirs) in self.latency.iter_mut().zip(&other.latency) {
            mine.add(theirs)?;
        }
        for (mine, theirs) in self.wrong.iter_mut().zip(other.wrong) {
            *mine += theirs;
        }
        Ok(())
    }

    /// Latencies and wrong answers of each kind.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (Kind, &Histogram<u64>, u64)> {
        Kind::ALL
            .into_iter()
            .zip(&self.latency)
            .zip(self.wrong)
            .map(|((kind, latency), wrong)| (kind, latency, wrong))
    }

    /// Latencies of all kinds together.
    pub(crate) fn all(&self) -> Result<Histogram<u64>, Box<dyn Error>> {
        let mut all = empty()?;
        for latency in &self.latency {
            all.add(latency)?;
        }
        Ok(all)
    }

    /// Answers in all.
    pub(crate) fn requests(&self) -> u64 {
        self.latency.iter().map(Histogram::len).sum()
    }

    /// Wrong answers in all.
    pub(crate) fn wrong(&self) -> u64 {
        self.wrong.iter().sum()
    }
}

fn empty() -> Result<Histogram<u64>, Box<dyn Error>> {
    Ok(Histogram::new_with_bounds(1, LONGEST, 3)?)
}
