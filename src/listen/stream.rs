//! The tasks of HTTP/2's streams, each ended if its peer stops taking the answer.
//!
//! A peer of HTTP/2 can withhold a single stream's flow-control window and keep all else moving, pings included. What
//! is stuck then is no write but one stream, together with the upstream connection behind it.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::Executor;
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

use super::exchange::Offer;
use crate::net::Tasks;

/// Starts the task of each stream of one connection.
#[derive(Clone, Debug)]
pub(super) struct Streams(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    tasks: Tasks,
    write_idle: Duration,
    /// The offer of the stream that is about to be started. hyper starts a stream's task right after it asked for its
    /// answer, and says no more of it than that.
    newest: Mutex<Option<Arc<Offer>>>,
}

impl Streams {
    pub(super) fn new(tasks: Tasks, write_idle: Duration) -> Self {
        Self(Arc::new(Inner {
            tasks,
            write_idle,
            newest: Mutex::new(None),
        }))
    }

    /// A stream is about to be started: what it offers its peer is noted in the returned value.
    pub(super) fn announce(&self) -> Arc<Offer> {
        let offer = Arc::new(Offer::default());
        *self.newest() = Some(Arc::clone(&offer));
        offer
    }

    fn newest(&self) -> std::sync::MutexGuard<'_, Option<Arc<Offer>>> {
        self.0.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F> Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        self.0.tasks.spawn(Run {
            stream,
            offer: self.newest().take().unwrap_or_default(),
            patience: self.0.write_idle,
            waiting: None,
        });
    }
}

pin_project! {
    /// Runs a stream until it ends, or its peer has left one offer open for too long. Dropping it then resets it.
    ///
    /// Written out, as an `async fn` would keep its arguments twice, and every stream is moved into a task.
    struct Run<F> {
        #[pin]
        stream: F,
        offer: Arc<Offer>,
        patience: Duration,
        waiting: Option<(u64, Pin<Box<Sleep>>)>,
    }
}

impl<F: Future<Output = ()>> Future for Run<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        if this.stream.poll(context).is_ready() {
            return Poll::Ready(());
        }
        let Some(number) = this.offer.open() else {
            *this.waiting = None;
            return Poll::Pending;
        };
        let timer = match this.waiting {
            Some((waited_for, timer)) if *waited_for == number => timer,
            waiting => {
                let end = Instant::now() + *this.patience;
                &mut waiting.insert((number, Box::pin(sleep_until(end)))).1
            }
        };
        timer.as_mut().poll(context)
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test]
    async fn a_stream_whose_peer_takes_nothing_is_ended() {
        let offer = Arc::new(Offer::default());
        offer.make();
        let run = Run {
            stream: pending(),
            offer: Arc::clone(&offer),
            patience: Duration::from_millis(1),
            waiting: None,
        };
        run.await;
    }
}
