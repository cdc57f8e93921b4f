//! What a connection is doing, and until when it may.
//!
//! Whoever notices something writes it down here: the link that bytes came or a write is stuck, the exchange that a
//! request began or ended. The connection's task reads it when it has nothing else to do, and has one timer for all of
//! it. A request that flows sets no timer.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use super::settings::{Protocol, TimeoutSettings};

/// The state of one connection, shared by its parts. All of them run on one thread: the atomics order nothing.
#[derive(Debug)]
pub(super) struct Watch {
    began: Instant,
    limits: Limits,
    protocol: Protocol,
    phase: AtomicU8,
    /// Since when the phase lasts, in microseconds since `began`.
    since: AtomicU64,
    requests: AtomicU32,
    /// Since when a write is stuck, in microseconds since `began`; [`NEVER`] if none is.
    stuck: AtomicU64,
    broken: AtomicBool,
    draining: AtomicBool,
    over: AtomicBool,
}

/// How long each phase may last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    head: Duration,
    idle: Duration,
    pub(super) write_idle: Duration,
}

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    /// The head of a request is on its way. A new connection is here from the start.
    Head,
    /// Nothing, between two requests.
    Idle,
    /// At least one request is being answered.
    Busy,
    /// The last answer has gone; the peer may still be sending.
    Closing,
    /// The peer does not take what we write.
    Stuck,
}

/// One request that is being answered, until it is dropped.
#[derive(Debug)]
pub(super) struct Underway(Arc<Watch>);

/// How long a peer may take to close its side after we closed ours.
const LINGER: Duration = Duration::from_secs(2);

const NEVER: u64 = u64::MAX;

impl Limits {
    pub(super) fn of(timeouts: &TimeoutSettings) -> Self {
        Self {
            head: timeouts.head.duration(),
            idle: timeouts.idle.duration(),
            write_idle: timeouts.write_idle.duration(),
        }
    }
}

impl Watch {
    pub(super) fn new(protocol: Protocol, limits: Limits) -> Self {
        Self {
            began: Instant::now(),
            limits,
            protocol,
            phase: AtomicU8::new(Phase::Head as u8),
            since: AtomicU64::new(0),
            requests: AtomicU32::new(0),
            stuck: AtomicU64::new(NEVER),
            broken: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            over: AtomicBool::new(false),
        }
    }

    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    /// Bytes came. After a pause they begin a head in HTTP/1.1; in HTTP/2 they may be anything, a ping included.
    pub(super) fn received(&self) {
        match (self.phase(), self.protocol) {
            (Phase::Idle, Protocol::Http1) => self.enter(Phase::Head),
            (Phase::Head, Protocol::Http2) => self.enter(Phase::Idle),
            _ => {}
        }
    }

    /// A request begins.
    pub(super) fn begin(self: &Arc<Self>) -> Underway {
        self.requests.fetch_add(1, Relaxed);
        // `since` stays as it is: nothing is measured while requests are answered.
        self.phase.store(Phase::Busy as u8, Relaxed);
        Underway(Arc::clone(self))
    }

    /// A write cannot go on.
    pub(super) fn is_stuck(&self) {
        if self.stuck.load(Relaxed) == NEVER {
            self.stuck.store(self.micros(), Relaxed);
        }
    }

    /// A write went on.
    pub(super) fn is_moving(&self) {
        if self.stuck.load(Relaxed) != NEVER {
            self.stuck.store(NEVER, Relaxed);
        }
    }

    /// Our side is closed, or about to be.
    pub(super) fn close(&self) {
        if self.phase() != Phase::Closing {
            self.enter(Phase::Closing);
        }
    }

    /// An answer broke off.
    pub(super) fn break_off(&self) {
        self.broken.store(true, Relaxed);
    }

    /// No further request is wanted.
    pub(super) fn drain(&self) {
        self.draining.store(true, Relaxed);
    }

    /// The peer is not waited for any more.
    pub(super) fn give_up(&self) {
        self.over.store(true, Relaxed);
    }

    /// Whether the peer was given up.
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Relaxed)
    }

    /// Whether an answer is not complete.
    pub(super) fn is_unfinished(&self) -> bool {
        self.broken.load(Relaxed)
            || self.requests.load(Relaxed) > 0
            || self.stuck.load(Relaxed) != NEVER
    }

    /// What will last too long first, and when.
    fn due(&self) -> Option<(Phase, Instant)> {
        let phase = self.phase();
        let linger_or_idle = if self.draining.load(Relaxed) {
            LINGER
        } else {
            self.limits.idle
        };
        let limit = match phase {
            Phase::Head => Some(self.limits.head),
            Phase::Idle => Some(linger_or_idle),
            Phase::Closing => Some(LINGER),
            Phase::Busy | Phase::Stuck => None,
        };
        let by_phase = limit.map(|limit| (phase, self.moment(self.since.load(Relaxed)) + limit));
        let stuck = self.stuck.load(Relaxed);
        let by_write =
            (stuck != NEVER).then(|| (Phase::Stuck, self.moment(stuck) + self.limits.write_idle));
        match (by_phase, by_write) {
            (Some(one), Some(other)) => Some(if one.1 <= other.1 { one } else { other }),
            (one, other) => one.or(other),
        }
    }

    fn phase(&self) -> Phase {
        match self.phase.load(Relaxed) {
            0 => Phase::Head,
            1 => Phase::Idle,
            2 => Phase::Busy,
            _ => Phase::Closing,
        }
    }

    fn enter(&self, phase: Phase) {
        self.since.store(self.micros(), Relaxed);
        self.phase.store(phase as u8, Relaxed);
    }

    fn micros(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(NEVER - 1)
    }

    fn moment(&self, micros: u64) -> Instant {
        self.began + Duration::from_micros(micros)
    }
}

impl Underway {
    /// The connection the request came over.
    pub(super) fn watch(&self) -> &Watch {
        &self.0
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        let watch = &self.0;
        let was_last = watch.requests.fetch_sub(1, Relaxed) == 1;
        if was_last && watch.phase() == Phase::Busy {
            watch.enter(Phase::Idle);
        }
    }
}

/// The one timer of a connection. It is set again only when something is due earlier than it rings, or when it rang
/// for what has since moved on.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
    rings_at: Option<Instant>,
}

impl Alarm {
    /// Ready with what lasted too long.
    pub(super) fn poll(&mut self, watch: &Watch, context: &mut Context<'_>) -> Poll<Phase> {
        loop {
            let due = watch.due();
            if let Some((_, at)) = due
                && self.rings_at.is_none_or(|rings_at| at < rings_at)
            {
                self.set(at);
            }
            let Some(sleep) = self.sleep.as_mut().filter(|_| self.rings_at.is_some()) else {
                return Poll::Pending;
            };
            ready!(sleep.as_mut().poll(context));
            self.rings_at = None;
            match due {
                Some((phase, at)) if at <= Instant::now() => return Poll::Ready(phase),
                Some(_) => {}
                None => return Poll::Pending,
            }
        }
    }

    fn set(&mut self, at: Instant) {
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().reset(at),
            None => self.sleep = Some(Box::pin(sleep_until(at))),
        }
        self.rings_at = Some(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Lifetime;

    fn watch(protocol: Protocol) -> Arc<Watch> {
        let timeouts = TimeoutSettings {
            head: Lifetime::seconds(10),
            idle: Lifetime::seconds(75),
            write_idle: Lifetime::seconds(60),
            ..TimeoutSettings::default()
        };
        Arc::new(Watch::new(protocol, Limits::of(&timeouts)))
    }

    fn phase_due(watch: &Watch) -> Option<Phase> {
        watch.due().map(|(phase, _)| phase)
    }

    #[test]
    fn a_new_connection_owes_its_first_head() {
        let watch = watch(Protocol::Http1);
        let (phase, at) = watch.due().unwrap();
        assert_eq!(phase, Phase::Head);
        assert_eq!(at, watch.began + Duration::from_secs(10));
    }

    #[test]
    fn a_connection_is_idle_between_requests_and_owes_nothing_during_one() {
        let watch = watch(Protocol::Http1);
        let (one, two) = (watch.begin(), watch.begin());
        assert_eq!(phase_due(&watch), None);
        drop(one);
        assert_eq!(phase_due(&watch), None);
        drop(two);
        assert_eq!(phase_due(&watch), Some(Phase::Idle));
        watch.received();
        assert_eq!(phase_due(&watch), Some(Phase::Head));
    }

    #[test]
    fn pings_do_not_keep_an_http2_connection_open() {
        let watch = watch(Protocol::Http2);
        watch.received();
        let before = watch.due();
        watch.received();
        assert_eq!(watch.due(), before);
        assert_eq!(phase_due(&watch), Some(Phase::Idle));
    }

    #[test]
    fn a_peer_that_takes_nothing_is_due_even_while_it_is_answered() {
        let watch = watch(Protocol::Http1);
        let _underway = watch.begin();
        watch.is_stuck();
        assert_eq!(phase_due(&watch), Some(Phase::Stuck));
        watch.is_moving();
        assert_eq!(phase_due(&watch), None);
    }
}
