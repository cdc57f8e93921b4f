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
            stall: Stall::new(idle, None),
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
    pub(super) fn new(
        incoming: Incoming,
        lease: Lease,
        idle: Duration,
        end: Option<Instant>,
    ) -> Self {
        let mut body = Self {
            incoming,
            lease: Some(lease),
            stall: Stall::new(idle, end),
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

/// Watches that a body moves, and that it does not outlive the permit under which it flows.
///
/// The timer exists only while there is something to wait for: a body that is at hand costs none.
struct Stall {
    idle: Duration,
    end: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
    waiting: bool,
}

type Polled = Poll<Option<Result<Frame<Bytes>, hyper::Error>>>;

impl Stall {
    fn new(idle: Duration, end: Option<Instant>) -> Self {
        Self {
            idle,
            end,
            timer: None,
            waiting: false,
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
                self.waiting = false;
                Poll::Ready(frame.transpose().map_err(BodyError::Broken))
            }
            Poll::Pending => self.wait(context).map(Err),
        }
    }

    fn wait(&mut self, context: &mut Context<'_>) -> Poll<BodyError> {
        let idle = self.idle;
        let until_end = self
            .end
            .map(|end| end.saturating_duration_since(Instant::now()));
        let span = until_end.map_or(idle, |span| span.min(idle));
        if !std::mem::replace(&mut self.waiting, true) {
            let deadline = tokio::time::Instant::now() + span;
            match &mut self.timer {
                Some(timer) => timer.as_mut().reset(deadline),
                None => self.timer = Some(Box::pin(tokio::time::sleep_until(deadline))),
            }
        }
        let Some(timer) = &mut self.timer else {
            return Poll::Pending;
        };
        ready!(timer.as_mut().poll(context));
        Poll::Ready(if self.permit_has_ended() {
            BodyError::PermitEnded
        } else {
            BodyError::Idle
        })
    }

    fn permit_has_ended(&self) -> bool {
        self.end.is_some_and(|end| Instant::now() >= end)
    }
}
