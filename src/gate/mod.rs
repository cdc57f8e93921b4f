//! The journey of one request.
//!
//! [`Gate::handle`] never fails: it stamps the request, has it judged, sends it or refuses it in the voice of the
//! place, and keeps its record. [`Gate::judge`] is the page the program exists for: it decides, and sends nothing.
//! Judging and sending are two functions, so whoever wants to know what would happen asks the same judge.
//!
//! Promises: the wall clock is read once per request; whoever cannot be judged is refused with 503; every request has
//! exactly one record. A gate is immutable: a new configuration is a new gate.
//!
//! A request for a WebSocket takes a turn of its own, in `upgrade`: its bytes are joined to the upstream's, or it becomes
//! a bridge, each of whose messages is a request that is judged like any other.
//!
//! Reading order: `judge`, `handle`, `upgrade`, `conversation`, `bridge`, `recorded`, `caller`.

mod bridge;
mod caller;
mod conversation;
mod handle;
mod judge;
mod recorded;
mod upgrade;

use std::sync::Arc;

use crate::forward::Reserved;
use crate::observe::{Observer, RequestIds};
use crate::route::Table;
use crate::token::TimeSource;
use crate::verify::Verifier;

pub use caller::Caller;
pub use judge::Passage;
pub use recorded::Recorded;

/// Everything one request needs; immutable.
#[derive(Debug)]
pub struct Gate {
    /// Which plan applies.
    pub routes: Table,
    /// Who is asking.
    pub verifier: Verifier,
    /// The identity fields of all routes.
    pub reserved: Reserved,
    /// What operators see.
    pub observer: Arc<Observer>,
    /// What time it is.
    pub time: TimeSource,
    /// Names for requests.
    pub ids: Arc<RequestIds>,
}
