//! Starting tasks, and waiting for them when the program drains.

use std::future::Future;
use std::time::Duration;

use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tokio_util::task::TaskTracker;

/// The one place that starts tasks. Cloning gives another hand on the same set.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    draining: CancellationToken,
}

impl Tasks {
    /// Starts a task on the current runtime.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        #[expect(clippy::disallowed_methods, reason = "the one place that starts tasks")]
        drop(tokio::spawn(self.tracker.track_future(task)));
    }

    /// Tells every task to come to an end.
    pub fn drain(&self) {
        self.draining.cancel();
        self.tracker.close();
    }

    /// Resolves once the program drains.
    pub fn draining(&self) -> WaitForCancellationFutureOwned {
        self.draining.clone().cancelled_owned()
    }

    /// Whether the program drains.
    pub fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    /// Waits until every task has ended, at most this long; says whether all have.
    pub async fn ended(&self, grace: Duration) -> bool {
        tokio::time::timeout(grace, self.tracker.wait())
            .await
            .is_ok()
    }
}
