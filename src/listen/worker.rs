//! Workers: one thread and one runtime per core, and the places they have for connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use tokio::runtime::Builder;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;

use super::ListenError;
use super::accept::Accepted;
use super::connection;
use super::tally::Tally;
use crate::net::{Held, Peer, Tasks};

/// A worker, as whoever starts and stops it sees it.
#[derive(Debug)]
pub(super) struct Worker {
    /// Its connections and their streams.
    pub(super) tasks: Tasks,
    /// Cancelled when the thread has ended its work.
    pub(super) done: CancellationToken,
}

/// What the acceptor knows of a worker.
pub(super) struct Hand {
    connections: UnboundedSender<Accepted>,
    load: Arc<AtomicUsize>,
}

/// What a worker knows of itself.
#[derive(Clone)]
pub(super) struct Bench {
    pub(super) index: usize,
    pub(super) tasks: Tasks,
    load: Arc<AtomicUsize>,
}

/// The place of one connection. It is taken until the socket is closed, whoever holds it by then.
#[derive(Debug)]
pub(super) struct Seat {
    load: Arc<AtomicUsize>,
    tally: Arc<Tally>,
    _permit: OwnedSemaphorePermit,
    _held: Held,
}

impl Worker {
    /// Starts a worker's thread. It ends when nobody has a [`Hand`] on it any more and its connections have ended, or
    /// at once when `abort` is cancelled.
    pub(super) fn start<H, C, F, B>(
        index: usize,
        serve: H,
        abort: CancellationToken,
    ) -> Result<(Self, Hand), ListenError>
    where
        H: Fn(Arc<Peer>) -> C + Clone + Send + 'static,
        C: Fn(Request<Incoming>) -> F + Send + 'static,
        F: Future<Output = Response<B>> + Send + 'static,
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let runtime = Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(ListenError::Worker)?;
        let (connections, incoming) = unbounded_channel();
        let (tasks, done) = (Tasks::default(), CancellationToken::new());
        let load = Arc::new(AtomicUsize::new(0));
        let bench = Bench {
            index,
            tasks: tasks.clone(),
            load: Arc::clone(&load),
        };
        let when_done = done.clone().drop_guard();
        thread::Builder::new()
            .name(format!("worker-{index}"))
            .spawn(move || {
                runtime.block_on(abort.run_until_cancelled(work(incoming, bench, serve)));
                drop(runtime);
                drop(when_done);
            })
            .map_err(ListenError::Worker)?;
        Ok((Self { tasks, done }, Hand { connections, load }))
    }
}

async fn work<H, C, F, B>(mut incoming: UnboundedReceiver<Accepted>, bench: Bench, serve: H)
where
    H: Fn(Arc<Peer>) -> C + Clone + Send + 'static,
    C: Fn(Request<Incoming>) -> F + Send + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    while let Some(accepted) = incoming.recv().await {
        bench
            .tasks
            .spawn(connection::run(accepted, bench.clone(), serve.clone()));
    }
    bench.tasks.ended(Duration::MAX).await;
}

impl Hand {
    /// How many connections the worker has.
    pub(super) fn load(&self) -> usize {
        self.load.load(Relaxed)
    }

    pub(super) fn pass(&self, accepted: Accepted) {
        // Counted here, so that a burst is spread before the workers have woken up.
        self.load.fetch_add(1, Relaxed);
        if self.connections.send(accepted).is_err() {
            self.load.fetch_sub(1, Relaxed);
        }
    }
}

impl Bench {
    /// The place of a connection that [`Hand::pass`] has already counted.
    pub(super) fn seat(&self, permit: OwnedSemaphorePermit, tally: &Arc<Tally>) -> Seat {
        tally.opened();
        Seat {
            load: Arc::clone(&self.load),
            tally: Arc::clone(tally),
            _permit: permit,
            _held: self.tasks.hold(),
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.load.fetch_sub(1, Relaxed);
        self.tally.closed();
    }
}
