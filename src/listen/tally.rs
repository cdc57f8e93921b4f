//! What one listener counts.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

/// The counters of one listener. None of them is touched by a request that fits: only by connections.
#[derive(Debug)]
pub struct Tally {
    listener: Arc<str>,
    open: AtomicI64,
    handshakes: [AtomicU64; 3],
    timeouts: AtomicU64,
    oversized: AtomicU64,
}

/// How a TLS handshake ended.
#[derive(Clone, Copy, Debug)]
pub(super) enum Handshake {
    Done,
    Failed,
    Late,
}

/// The counters of all listeners, as metrics.
#[derive(Clone, Debug)]
pub struct Tallies(pub Vec<Arc<Tally>>);

impl Tally {
    pub(super) fn new(listener: Arc<str>) -> Self {
        Self {
            listener,
            open: AtomicI64::new(0),
            handshakes: Default::default(),
            timeouts: AtomicU64::new(0),
            oversized: AtomicU64::new(0),
        }
    }

    /// How many connections are open now.
    pub fn open(&self) -> i64 {
        self.open.load(Relaxed)
    }

    pub(super) fn opened(&self) {
        self.open.fetch_add(1, Relaxed);
    }

    pub(super) fn closed(&self) {
        self.open.fetch_sub(1, Relaxed);
    }

    pub(super) fn handshake(&self, ended: Handshake) {
        if let Some(count) = self.handshakes.get(ended as usize) {
            count.fetch_add(1, Relaxed);
        }
    }

    /// A connection was closed as its peer took too long, otherwise than by being idle.
    pub(super) fn timed_out(&self) {
        self.timeouts.fetch_add(1, Relaxed);
    }

    /// The head of a request was too large and was answered without being looked at. A head of HTTP/2 with too many
    /// bytes is not among them: the library answers it and says nothing.
    pub(super) fn oversized(&self) {
        self.oversized.fetch_add(1, Relaxed);
    }
}

impl Collector for Tallies {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut open = encoder.encode_descriptor(
            "tollgate_connections",
            "Connections that are open",
            None,
            MetricType::Gauge,
        )?;
        for tally in &self.0 {
            open.encode_family(&[("listener", &*tally.listener)])?
                .encode_gauge(&tally.open())?;
        }
        let mut handshakes = encoder.encode_descriptor(
            "tollgate_tls_handshakes",
            "TLS handshakes, by how they ended",
            None,
            MetricType::Counter,
        )?;
        for tally in &self.0 {
            for (outcome, count) in ["done", "failed", "late"].iter().zip(&tally.handshakes) {
                handshakes
                    .encode_family(&[("listener", &*tally.listener), ("outcome", outcome)])?
                    .encode_counter::<NoLabelSet, u64, u64>(&count.load(Relaxed), None)?;
            }
        }
        let mut timeouts = encoder.encode_descriptor(
            "tollgate_connection_timeouts",
            "Connections closed as the peer was too slow",
            None,
            MetricType::Counter,
        )?;
        for tally in &self.0 {
            timeouts
                .encode_family(&[("listener", &*tally.listener)])?
                .encode_counter::<NoLabelSet, u64, u64>(&tally.timeouts.load(Relaxed), None)?;
        }
        let mut oversized = encoder.encode_descriptor(
            "tollgate_oversized_heads",
            "Requests refused as their head was too large, as far as HTTP/2 lets it be known",
            None,
            MetricType::Counter,
        )?;
        for tally in &self.0 {
            oversized
                .encode_family(&[("listener", &*tally.listener)])?
                .encode_counter::<NoLabelSet, u64, u64>(&tally.oversized.load(Relaxed), None)?;
        }
        Ok(())
    }
}
