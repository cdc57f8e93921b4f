//! An event of the program's own log as one line of JSON, in the words of the access log.

use std::fmt;

use serde::Serializer as _;
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Writes `ts`, `level` and `target`, then `msg` and whatever else the event has.
#[derive(Debug)]
pub(super) struct Line;

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut ts = String::new();
        SystemTime.format_time(&mut Writer::new(&mut ts))?;
        let mut members = Members::default();
        members.add("ts", ts);
        members.add("level", event.metadata().level().as_str());
        members.add("target", event.metadata().target());
        event.record(&mut members);
        writeln!(writer, "{}", members.json()?)
    }
}

/// The members of one line, in their order.
#[derive(Default)]
struct Members(Vec<(&'static str, Value)>);

impl Members {
    fn add(&mut self, name: &'static str, value: impl Into<Value>) {
        self.0.push((name, value.into()));
    }

    fn json(self) -> Result<String, fmt::Error> {
        let mut json = Vec::new();
        let mut serializer = serde_json::Serializer::new(&mut json);
        let written = serializer.collect_map(self.0);
        written.map_err(|_| fmt::Error)?;
        String::from_utf8(json).map_err(|_| fmt::Error)
    }

    fn record(&mut self, field: &Field, value: impl Into<Value>) {
        match field.name() {
            "message" => self.add("msg", value),
            name => self.add(name, value),
        }
    }
}

impl Visit for Members {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.record(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.record(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.record(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.record(field, value);
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    /// What was written.
    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_event_is_one_object_with_the_words_of_the_access_log() {
        let paper = Paper::default();
        let pen = paper.clone();
        let subscriber = tracing_subscriber::fmt()
            .event_format(Line)
            .with_writer(move || pen.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            let error = "no \"such\" thing\n";
            tracing::warn!(event = "it.failed", %error, count = 3, done = false, "could not do it");
        });
        let text = String::from_utf8(paper.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1);
        let (ts, rest) = text.split_once(r#"","level""#).unwrap();
        assert_eq!(
            ts.len(),
            r#"{"ts":"2026-11-21T12:04:31.218000Z"#.len(),
            "{ts}"
        );
        let expected = r#":"WARN","target":"tollgate::observe::line::tests","msg":"could not do it","event":"it.failed","error":"no \"such\" thing\n","count":3,"done":false}"#;
        assert_eq!(rest.trim_end(), expected);
    }
}
