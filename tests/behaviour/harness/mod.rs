//! The world around Tollgate, programmable: upstreams that remember every byte, issuers that lie, wires that break, and clients
//! that say exactly what they are told to.
//!
//! Everything here is a real server or a real client on a real socket. The fakes live on a runtime of their own, so a test may
//! block its thread and they still answer. Nothing waits for a fixed time: [`until`] waits for a condition and gives up at
//! [`DEADLINE`].
//!
//! Reading order: [`upstream`], [`issuer`] with [`keys`], [`exchange`], [`sockets`], [`flaky`], [`authority`],
//! [`wallet`].

pub(crate) mod authority;
pub(crate) mod bench;
mod check;
pub(crate) mod exchange;
pub(crate) mod flaky;
pub(crate) mod issuer;
pub(crate) mod keys;
pub(crate) mod person;
pub(crate) mod sockets;
pub(crate) mod tollgate;
pub(crate) mod upstream;
pub(crate) mod wallet;

use std::{
    future::Future,
    sync::OnceLock,
    time::{Duration, Instant},
};

use tokio::{
    runtime::{Builder, Runtime},
    task::JoinHandle,
};

/// How long anything may take that is expected to happen. Generous: it is only spent by a test that fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// Starts a task of the world outside; it ends when the returned [`Task`] is dropped.
pub(crate) fn outside(task: impl Future<Output = ()> + Send + 'static) -> Task {
    Task(runtime().spawn(task))
}

/// A task of the world outside, ended on drop.
pub(crate) struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Waits until `found` gives something, looking every few milliseconds.
///
/// # Panics
/// At [`DEADLINE`], saying `what` was awaited.
pub(crate) async fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(start.elapsed() < DEADLINE, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Gives a future [`DEADLINE`] to finish.
///
/// # Panics
/// At the deadline, saying `what` was awaited.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let value = tokio::time::timeout(DEADLINE, future).await.ok();
    value.unwrap_or_else(|| panic!("waited in vain for {what}"))
}

/// The runtime of the world outside: one per process, so that tests cannot starve their own fakes.
fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("outside")
            .enable_all()
            .build()
            .unwrap()
    })
}
