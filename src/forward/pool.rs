//! Idle connections to one upstream, kept per worker so that no two threads ever meet over one.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::client::conn::http1::SendRequest;

use crate::net::Body;

/// A connection that can take a request.
pub(super) type Sender = SendRequest<Body>;

/// The idle connections of one upstream: one shelf per worker.
#[derive(Debug)]
pub(super) struct Pool {
    shelves: Box<[Shelf]>,
    idle: Duration,
}

#[derive(Debug, Default)]
struct Shelf(Mutex<VecDeque<Idle>>);

#[derive(Debug)]
struct Idle {
    sender: Sender,
    since: Instant,
}

/// The most idle connections one worker keeps to one upstream.
const SHELF: usize = 256;

impl Pool {
    /// A pool for this many workers, whose connections are dropped after `idle`.
    pub(super) fn new(workers: usize, idle: Duration) -> Self {
        Self {
            shelves: (0..workers.max(1)).map(|_| Shelf::default()).collect(),
            idle,
        }
    }

    /// The connection used last, if one is still good.
    pub(super) fn take(&self, worker: usize) -> Option<Sender> {
        let mut kept = self.shelf(worker)?;
        while let Some(idle) = kept.pop_back() {
            if idle.sender.is_ready() && idle.since.elapsed() < self.idle {
                return Some(idle.sender);
            }
        }
        None
    }

    /// A connection comes back. It must have earned it: only one that is ready for the next request at once has sent
    /// all of the last one, read all of its answer, and found no spare bytes behind it.
    fn put(&self, worker: usize, sender: Sender) {
        if !sender.is_ready() {
            return;
        }
        let Some(mut kept) = self.shelf(worker) else {
            return;
        };
        let now = Instant::now();
        while kept
            .front()
            .is_some_and(|oldest| now.duration_since(oldest.since) >= self.idle)
        {
            kept.pop_front();
        }
        if kept.len() == SHELF {
            kept.pop_front();
        }
        kept.push_back(Idle { sender, since: now });
    }

    fn shelf(&self, worker: usize) -> Option<std::sync::MutexGuard<'_, VecDeque<Idle>>> {
        let kept = self.shelves.get(worker)?;
        Some(kept.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A connection on loan: given back after a complete exchange, closed when dropped before.
pub(super) struct Lease {
    pub(super) sender: Sender,
    /// Where it goes back to; nowhere, for one that was to become something else.
    pub(super) pool: Option<Arc<Pool>>,
    pub(super) worker: usize,
}

impl Lease {
    pub(super) fn give_back(self) {
        if let Some(pool) = self.pool {
            pool.put(self.worker, self.sender);
        }
    }
}
