//! Every task of the program starts here, so that draining can wait for it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// A group of tasks: told together that the end is near, and waited for together.
///
/// A task runs on the runtime of whoever spawns it. Clones belong to the same group.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    draining: CancellationToken,
}

/// Something the group waits for although it is no task: a connection that changed hands, for example.
#[derive(Debug)]
pub struct Held {
    _token: TaskTrackerToken,
}

impl Tasks {
    /// Starts a task.
    ///
    /// A panic in it ends that task alone. What it said is printed by the panic hook; here it is counted as news.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let task = Watched { task };
        #[expect(clippy::disallowed_methods, reason = "the one place where tasks start")]
        drop(tokio::spawn(self.tracker.track_future(task)));
    }

    /// Makes the group wait until the returned value is dropped.
    pub fn hold(&self) -> Held {
        Held {
            _token: self.tracker.token(),
        }
    }

    /// Tells every task that listens to [`Tasks::draining`] to come to an end.
    pub fn drain(&self) {
        self.draining.cancel();
    }

    /// Ends when [`Tasks::drain`] is called, at once if it was.
    pub fn draining(&self) -> WaitForCancellationFutureOwned {
        self.draining.clone().cancelled_owned()
    }

    /// Whether [`Tasks::drain`] was called.
    pub fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    /// Waits until no task of the group is left, at most this long; says whether none is. Tasks may still be started
    /// meanwhile, and are waited for too.
    pub async fn ended(&self, grace: Duration) -> bool {
        self.tracker.close();
        tokio::time::timeout(grace, self.tracker.wait())
            .await
            .is_ok()
    }
}

pin_project! {
    /// A task whose panic is told of. Written out, as an `async` block would keep the task twice.
    struct Watched<F> {
        #[pin]
        task: F,
    }
}

impl<F: Future<Output = ()>> Future for Watched<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let _news = PanicNews;
        self.project().task.poll(context)
    }
}

/// Dropped when a task pauses; if that is because it panics, says so.
struct PanicNews;

impl Drop for PanicNews {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("a task panicked and was ended; the others go on");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn draining_waits_for_tasks_and_for_what_is_held() {
        let tasks = Tasks::default();
        let held = tasks.hold();
        assert!(!tasks.ended(Duration::ZERO).await);
        let draining = tasks.draining();
        tasks.spawn(async move {
            draining.await;
            drop(held);
        });
        tasks.drain();
        assert!(tasks.ended(GRACE).await);
    }

    #[tokio::test]
    async fn a_panic_ends_one_task_alone() {
        let tasks = Tasks::default();
        let (sender, receiver) = tokio::sync::oneshot::channel();
        tasks.spawn(async { panic!("one bad request") });
        tasks.spawn(async { sender.send("alive").unwrap() });
        assert!(tasks.ended(GRACE).await);
        assert_eq!(receiver.await.unwrap(), "alive");
    }
}
