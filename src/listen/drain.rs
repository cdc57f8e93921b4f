//! Listening as a whole: from the first connection to the last.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::bind::{Bound, Listener};
use super::tally::{Tallies, Tally};
use super::worker::Worker;
use super::{ListenError, accept};
use crate::net::{Peer, Tasks};
use crate::token::Timestamp;

/// Listeners that accept, and the workers that serve them. Dropping it cuts every connection.
pub struct Listening {
    listeners: Vec<(Arc<Listener>, SocketAddr)>,
    accepting: Tasks,
    workers: Vec<Worker>,
    abort: DropGuard,
}

/// How draining ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Every request was answered.
    Cleanly,
    /// Some were cut.
    Cut,
}

impl Listening {
    /// Begins to accept, and has every request answered by the closure that `serve` makes for its connection.
    ///
    /// `serve` is called once per connection, on the worker that serves it; what it returns can keep what belongs to
    /// the connection. Both run on the worker's thread and must not block it.
    pub fn start<H, C, F, B>(
        bound: Vec<Bound>,
        workers: NonZeroUsize,
        serve: H,
    ) -> Result<Self, ListenError>
    where
        H: Fn(Arc<Peer>) -> C + Clone + Send + 'static,
        C: Fn(Request<Incoming>) -> F + Send + 'static,
        F: Future<Output = Response<B>> + Send + 'static,
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let abort = CancellationToken::new();
        let started = (0..workers.get())
            .map(|index| Worker::start(index, serve.clone(), abort.clone()))
            .collect::<Result<Vec<_>, _>>()?;
        let (workers, hands) = started.into_iter().unzip();
        let addresses: Vec<_> = bound.iter().map(Bound::address).collect();
        let doors = accept::split(bound);
        let listeners = doors
            .iter()
            .map(|(_, listener)| Arc::clone(listener))
            .zip(addresses)
            .collect();
        let accepting = Tasks::default();
        accept::start(doors, hands, &accepting)?;
        Ok(Self {
            listeners,
            accepting,
            workers,
            abort: abort.drop_guard(),
        })
    }

    /// The listeners' names and the addresses they have.
    pub fn addresses(&self) -> impl Iterator<Item = (&str, SocketAddr)> {
        self.listeners
            .iter()
            .map(|(listener, address)| (&*listener.name, *address))
    }

    /// What the listeners count.
    pub fn tallies(&self) -> Tallies {
        let tally = |(listener, _): &(Arc<Listener>, _)| Arc::clone(&listener.tally);
        Tallies(
            self.listeners
                .iter()
                .map(tally)
                .collect::<Vec<Arc<Tally>>>(),
        )
    }

    /// Shows newer certificates where there are some. Whatever fails leaves the old one in place.
    pub fn refresh_certificates(&self, now: Timestamp) -> Result<(), ListenError> {
        let mut outcome = Ok(());
        for (listener, _) in &self.listeners {
            match listener.tls.as_ref().map(|tls| tls.refresh(now)) {
                Some(Ok(true)) => {
                    let listener = &*listener.name;
                    tracing::info!(listener, "shows a new certificate from now on");
                }
                Some(Err(error)) => outcome = Err(error),
                Some(Ok(false)) | None => {}
            }
        }
        outcome
    }

    /// Accepts nobody any more, lets every request that has begun come to its end, and closes what is idle. What is
    /// left after `grace`, or when `hurry` ends, is cut.
    pub async fn drain(self, grace: Duration, hurry: impl Future<Output = ()>) -> Drained {
        self.accepting.drain();
        for worker in &self.workers {
            worker.tasks.drain();
        }
        let all_done = async {
            for worker in &self.workers {
                worker.done.cancelled().await;
            }
        };
        let drained = tokio::select! {
            biased;
            () = all_done => Drained::Cleanly,
            () = tokio::time::sleep(grace) => Drained::Cut,
            () = hurry => Drained::Cut,
        };
        drop(self.abort);
        for worker in &self.workers {
            worker.done.cancelled().await;
        }
        drained
    }
}

impl fmt::Debug for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.addresses()).finish()
    }
}
