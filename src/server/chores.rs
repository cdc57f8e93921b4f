//! What is done beside requests, on a thread of its own, so that it never delays one.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};

use crate::net::Tasks;
use crate::token::TimeSource;
use crate::verify::Issuers;

/// The runtime of the chores. Dropping it ends them.
#[derive(Debug)]
pub(super) struct Chores(Option<Runtime>);

impl Chores {
    pub(super) fn start() -> std::io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("chores")
            .enable_all()
            .build()?;
        Ok(Self(Some(runtime)))
    }

    /// The runtime's handle, for work that must outlive the request that asked for it.
    pub(super) fn handle(&self) -> Option<&Handle> {
        self.0.as_ref().map(Runtime::handle)
    }

    /// Starts a chore.
    pub(super) fn spawn(&self, tasks: &Tasks, chore: impl Future<Output = ()> + Send + 'static) {
        let Some(runtime) = self.handle() else { return };
        let _inside = runtime.enter();
        tasks.spawn(chore);
    }
}

impl Drop for Chores {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

const PERIOD: Duration = Duration::from_secs(1);

/// Keeps issuers' keys fresh, once a second.
pub(super) async fn refresh_keys(issuers: Arc<Issuers>, time: TimeSource, tasks: Tasks) {
    let mut draining = std::pin::pin!(tasks.draining());
    let mut ticks = tokio::time::interval(PERIOD);
    loop {
        tokio::select! {
            () = &mut draining => return,
            _ = ticks.tick() => issuers.tick(time.now()),
        }
    }
}
