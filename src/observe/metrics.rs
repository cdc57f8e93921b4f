//! Every metric: name, labels, meaning, in one list.
//!
//! Hot counters are kept per worker, so that no two threads meet over one; a scrape adds them up. Label values come
//! from the operator's file or from closed lists, so the number of series is bounded.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{Method, Version};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::Record;

/// What is counted, per worker.
#[derive(Debug)]
pub struct Metrics(Arc<Shelves>);

#[derive(Debug)]
struct Shelves(Box<[Mutex<BTreeMap<Series, Histogram>>]>);

/// Which requests belong together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Series {
    status: u16,
    method: &'static str,
    reason: &'static str,
    version: &'static str,
    tls: bool,
    route: Option<Arc<str>>,
    issuer: Option<Arc<str>>,
}

/// Bounds of the buckets, in seconds: what OpenTelemetry advises for HTTP servers, and finer ones below, as a fast
/// gateway would else lie wholly in the first.
const BOUNDS: [f64; 17] = [
    0.000_1, 0.000_25, 0.001, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0,
    7.5, 10.0,
];

#[derive(Clone, Debug, Default)]
struct Histogram {
    buckets: [u64; BOUNDS.len() + 1],
    sum: f64,
}

impl Metrics {
    /// Counters for this many workers.
    pub fn new(workers: usize) -> Self {
        Self(Arc::new(Shelves(
            (0..workers.max(1)).map(|_| Mutex::default()).collect(),
        )))
    }

    /// Counts one request.
    pub fn count(&self, worker: usize, series: &Series, took: Duration) {
        let Some(mut counts) = self.0.shelf(worker) else {
            return;
        };
        match counts.get_mut(series) {
            Some(histogram) => histogram.observe(took),
            None => counts.entry(series.clone()).or_default().observe(took),
        }
    }

    /// All metrics in the Prometheus text format, with what somebody else counts.
    pub fn render(&self, dropped_lines: u64, others: impl Collector) -> Result<String, fmt::Error> {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Requests(Arc::clone(&self.0))));
        registry.register_collector(Box::new(Own { dropped_lines }));
        registry.register_collector(Box::new(others));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry)?;
        Ok(text)
    }
}

impl Shelves {
    fn shelf(&self, worker: usize) -> Option<MutexGuard<'_, BTreeMap<Series, Histogram>>> {
        let counts = self.0.get(worker).or_else(|| self.0.first())?;
        Some(counts.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn sum(&self) -> BTreeMap<Series, Histogram> {
        let mut total: BTreeMap<Series, Histogram> = BTreeMap::new();
        for worker in 0..self.0.len() {
            let Some(counts) = self.shelf(worker) else {
                continue;
            };
            for (series, histogram) in &*counts {
                total.entry(series.clone()).or_default().add(histogram);
            }
        }
        total
    }
}

impl Series {
    /// Where this request belongs.
    pub(super) fn of(record: &Record) -> Self {
        Self {
            status: record.status.as_u16(),
            method: known(&record.request.method),
            reason: record.trail.reason(),
            version: version(record.request.version),
            tls: record.request.tls,
            route: record.trail.route.clone(),
            issuer: record.trail.issuer.clone(),
        }
    }
}

impl Histogram {
    fn observe(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        let bucket = BOUNDS
            .iter()
            .position(|bound| seconds <= *bound)
            .unwrap_or(BOUNDS.len());
        if let Some(count) = self.buckets.get_mut(bucket) {
            *count += 1;
        }
        self.sum += seconds;
    }

    fn add(&mut self, other: &Self) {
        for (count, more) in self.buckets.iter_mut().zip(other.buckets) {
            *count += more;
        }
        self.sum += other.sum;
    }

    fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

#[derive(Debug)]
struct Requests(Arc<Shelves>);

impl Collector for Requests {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let sums = self.0.sum();
        let mut requests = encoder.encode_descriptor(
            "http_server_request_duration_seconds",
            "How long requests took, from arrival to the last byte",
            None,
            MetricType::Histogram,
        )?;
        for (series, histogram) in by_labels(&sums, RequestLabels::of) {
            let buckets: Vec<(f64, u64)> = BOUNDS
                .into_iter()
                .chain([f64::MAX])
                .zip(histogram.buckets)
                .collect();
            requests
                .encode_family(&series)?
                .encode_histogram::<NoLabelSet>(histogram.sum, histogram.count(), &buckets, None)?;
        }
        let mut decisions = encoder.encode_descriptor(
            "tollgate_auth_decisions",
            "Decisions by route, issuer and reason",
            None,
            MetricType::Counter,
        )?;
        for (series, histogram) in by_labels(&sums, DecisionLabels::of) {
            decisions
                .encode_family(&series)?
                .encode_counter::<NoLabelSet, u64, f64>(&histogram.count(), None)?;
        }
        Ok(())
    }
}

fn by_labels<L: Ord>(
    sums: &BTreeMap<Series, Histogram>,
    of: impl Fn(&Series) -> L,
) -> BTreeMap<L, Histogram> {
    let mut grouped: BTreeMap<L, Histogram> = BTreeMap::new();
    for (series, histogram) in sums {
        grouped.entry(of(series)).or_default().add(histogram);
    }
    grouped
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
struct RequestLabels {
    http_request_method: &'static str,
    url_scheme: &'static str,
    http_response_status_code: u16,
    http_route: Option<String>,
    network_protocol_version: &'static str,
}

impl RequestLabels {
    fn of(series: &Series) -> Self {
        Self {
            http_request_method: series.method,
            url_scheme: if series.tls { "https" } else { "http" },
            http_response_status_code: series.status,
            http_route: series.route.as_deref().map(str::to_owned),
            network_protocol_version: series.version,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
struct DecisionLabels {
    route: Option<String>,
    issuer: Option<String>,
    outcome: &'static str,
    reason: &'static str,
}

impl DecisionLabels {
    fn of(series: &Series) -> Self {
        let passed = matches!(series.reason, "ok" | "public");
        Self {
            route: series.route.as_deref().map(str::to_owned),
            issuer: series.issuer.as_deref().map(str::to_owned),
            outcome: if passed { "passed" } else { "refused" },
            reason: series.reason,
        }
    }
}

/// What the program says of itself.
#[derive(Debug)]
struct Own {
    dropped_lines: u64,
}

impl Collector for Own {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        encoder
            .encode_descriptor(
                "tollgate_log_dropped",
                "Lines of the access log dropped",
                None,
                MetricType::Counter,
            )?
            .encode_counter::<NoLabelSet, u64, f64>(&self.dropped_lines, None)?;
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        encoder
            .encode_descriptor(
                "tollgate_build_info",
                "Which version runs",
                None,
                MetricType::Gauge,
            )?
            .encode_family(&version)?
            .encode_gauge(&1_u64)
    }
}

fn known(method: &Method) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"];
    KNOWN
        .into_iter()
        .find(|word| *word == method.as_str())
        .unwrap_or("_OTHER")
}

const fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "2",
        Version::HTTP_10 => "1.0",
        _ => "1.1",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_workers_counted_is_added_up() {
        let metrics = Metrics::new(2);
        let series = Series {
            status: 200,
            method: "GET",
            reason: "ok",
            version: "2",
            tls: true,
            route: Some(Arc::from("orders")),
            issuer: None,
        };
        metrics.count(0, &series, Duration::from_micros(40));
        metrics.count(1, &series, Duration::from_millis(40));
        let text = metrics.render(3, Own { dropped_lines: 0 }).unwrap();
        assert!(
            text.contains("http_server_request_duration_seconds_count{"),
            "{text}"
        );
        assert!(text.contains("reason=\"ok\"} 2"), "{text}");
        assert!(text.contains("tollgate_log_dropped_total 3"), "{text}");
    }
}
