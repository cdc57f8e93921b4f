//! What operators see: why a request did not pass, and the one line that says what happened to it.
//!
//! [`Refusal`] is the closed list of reasons, with one code for log, metric, explanation and client. [`Trail`] is the
//! notebook of one decision. [`Record`] is the log line of one request, closed exactly once when its last byte has
//! left. [`Metrics`] counts, and [`Journal`] writes.
//!
//! Promises: writing a record never blocks a request; no secret, token or query value is ever written; whatever a
//! stranger sent is escaped. This folder knows HTTP status codes and nothing of sockets.
//!
//! Reading order: `refusal`, `trail`, `request_id`, `record`, `journal`, `metrics`, `logging`, `line`, `visible`.

mod journal;
mod line;
mod logging;
mod metrics;
mod record;
mod refusal;
mod request_id;
mod visible;

pub use journal::Journal;
pub use logging::{AUDIT, AccessLogSettings, LogSettings, TelemetrySettings, start};
pub use metrics::{Metrics, Series};
pub use record::{Described, Format, Observer, Record, Trail, UpstreamPart};
pub use refusal::{Fault, Refusal};
pub use request_id::{RequestId, RequestIds};
