//! Bodies on their way through: the client's towards the upstream, the upstream's back.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Sleep;

use super::pool::Lease;
use super::upstream::{TakenBack, Watched};
use crate::net::BodyError;

/// The client's body: counted, limited, and under a deadline. Its trailers are dropped, as they could carry fields
/// that were removed from the head (RFC 9110 §6.5.1).
pub(super) struct ClientBody {
    incoming: Incoming,
    left: u64,
    stall: Stall,
    progress: Progress,
}

/// How many frames of a body have passed: whether somebody is still moving.
#[derive(Clone, Default)]
pub(super) struct Progress(Arc<AtomicU64>);

impl Progress {
    pub(super) fn frames(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl ClientBody {
    pub(super) fn new(incoming: Incoming, limit: Option<u64>, idle: Duration) -> Self {
        Self {
            incoming,
            left: limit.unwrap_or(u64::MAX),
            stall: Stall::new(Bounds {
                idle,
                end: None,
                watched: None,
            }),
            progress: Progress::default(),
        }
    }

    pub(super) fn progress(&self) -> Progress {
        self.progress.clone()
    }
}

impl http_body::Body for ClientBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let frame = ready!(
            this.stall
                .watch(Pin::new(&mut this.incoming).poll_frame(context), context)
        )?;
        this.progress.0.fetch_add(1, Ordering::Relaxed);
        let Some(data) = frame.and_then(|frame| frame.into_data().ok()) else {
            return Poll::Ready(None);
        };
        let Some(left) = this.left.checked_sub(data.len() as u64) else {
            return Poll::Ready(Some(Err(BodyError::TooLarge)));
        };
        this.left = left;
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

/// The upstream's body. When it has ended, the connection it came over goes back to its pool.
pub(super) struct UpstreamBody {
    incoming: Incoming,
    lease: Option<Lease>,
    stall: Stall,
}

impl UpstreamBody {
    pub(super) fn new(incoming: Incoming, lease: Lease, bounds: Bounds) -> Self {
        let mut body = Self {
            incoming,
            lease: Some(lease),
            stall: Stall::new(bounds),
        };
        if body.incoming.is_end_stream() {
            body.give_back();
        }
        body
    }

    fn give_back(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.give_back();
        }
    }
}

impl http_body::Body for UpstreamBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let frame = ready!(
            this.stall
                .watch(Pin::new(&mut this.incoming).poll_frame(context), context)
        );
        let data = match frame {
            Ok(frame) => frame.and_then(|frame| frame.into_data().ok()),
            Err(error) => {
                this.lease = None;
                return Poll::Ready(Some(Err(error)));
            }
        };
        if data.is_none() || this.incoming.is_end_stream() {
            this.give_back();
        }
        Poll::Ready(data.map(|data| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

/// How long a body may flow.
pub(super) struct Bounds {
    /// How long it may stand still.
    pub(super) idle: Duration,
    /// When its permit ends.
    pub(super) end: Option<Instant>,
    /// Whose permit it is, where that may be taken back while the body flows.
    pub(super) watched: Option<Watched>,
}

/// Watches that a body moves, and that it does not outlive the permit under which it flows.
///
/// The timer exists only while there is something to wait for: a body that is at hand costs none. Only one that has kept
/// us waiting for a while listens for its permit being taken back; for one that moves, that is looked up at each frame.
struct Stall {
    bounds: Bounds,
    timer: Option<Pin<Box<Sleep>>>,
    taken_back: Option<TakenBack>,
    waiting_since: Option<Instant>,
}

type Polled = Poll<Option<Result<Frame<Bytes>, hyper::Error>>>;

impl Stall {
    fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            timer: None,
            taken_back: None,
            waiting_since: None,
        }
    }

    fn watch(
        &mut self,
        polled: Polled,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<Frame<Bytes>>, BodyError>> {
        match polled {
            Poll::Ready(Some(Ok(_))) if self.permit_has_ended() => {
                Poll::Ready(Err(BodyError::PermitEnded))
            }
            Poll::Ready(frame) => {
                self.waiting_since = None;
                Poll::Ready(frame.transpose().map_err(BodyError::Broken))
            }
            Poll::Pending => self.wait(context).map(Err),
        }
    }

    fn wait(&mut self, context: &mut Context<'_>) -> Poll<BodyError> {
        if self.is_taken_back(context) {
            return Poll::Ready(BodyError::PermitEnded);
        }
        if self.waiting_since.is_none() {
            self.waiting_since = Some(Instant::now());
            self.set_timer();
        }
        loop {
            let Some(timer) = &mut self.timer else {
                return Poll::Pending;
            };
            ready!(timer.as_mut().poll(context));
            if self.permit_has_ended() {
                return Poll::Ready(BodyError::PermitEnded);
            }
            if Instant::now() >= self.idle_end() {
                return Poll::Ready(BodyError::Idle);
            }
            self.begin_to_listen();
            if self.is_taken_back(context) {
                return Poll::Ready(BodyError::PermitEnded);
            }
            self.set_timer();
        }
    }

    /// Sets the timer to the next moment at which something may have ended.
    fn set_timer(&mut self) {
        let mut due = self.idle_end();
        if let Some(end) = self.bounds.end {
            due = due.min(end);
        }
        if let (Some(since), true) = (self.waiting_since, self.is_to_listen()) {
            due = due.min(since + PATIENCE);
        }
        let due = tokio::time::Instant::from_std(due);
        match &mut self.timer {
            Some(timer) => timer.as_mut().reset(due),
            None => self.timer = Some(Box::pin(tokio::time::sleep_until(due))),
        }
    }

    fn idle_end(&self) -> Instant {
        self.waiting_since.unwrap_or_else(Instant::now) + self.bounds.idle
    }

    /// Whether it is to be heard of when the permit is taken back, and is not yet.
    fn is_to_listen(&self) -> bool {
        self.bounds.watched.is_some() && self.taken_back.is_none()
    }

    fn begin_to_listen(&mut self) {
        if let (Some(watched), None) = (&self.bounds.watched, &self.taken_back) {
            self.taken_back = Some(watched.taken_back());
        }
    }

    fn is_taken_back(&mut self, context: &mut Context<'_>) -> bool {
        let taken_back = self.taken_back.as_mut();
        taken_back.is_some_and(|taken_back| taken_back.as_mut().poll(context).is_ready())
    }

    fn permit_has_ended(&self) -> bool {
        let is_over = self.bounds.end.is_some_and(|end| Instant::now() >= end);
        let watched = self.bounds.watched.as_ref();
        is_over || watched.is_some_and(Watched::is_taken_back)
    }
}

/// How long a body may keep us waiting before its permit is listened for.
const PATIENCE: Duration = Duration::from_millis(500);
