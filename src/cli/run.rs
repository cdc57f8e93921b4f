//! `tollgate run`: the server, until it is told to stop. The first signal drains it, the second ends it.

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use super::command::Global;
use super::{CliError, desk};
use crate::config::Config;
use crate::observe::{self, LogSettings};
use crate::server::{Running, Server};
use crate::token::TimeSource;

/// Runs the server.
pub(super) fn run(global: &Global) -> Result<(), CliError> {
    let config = desk::configuration(global)?;
    observe::start_log(&global.log(&config)).map_err(CliError::Log)?;
    let runtime = desk::runtime()?;
    // Before anything is started: a signal that comes early is not lost.
    let mut signals = runtime.block_on(Signals::listen())?;
    let running = Server::start(config, TimeSource::Wall)?;
    for (listener, address) in running.addresses() {
        tracing::info!(%listener, %address, "listening");
    }
    runtime.block_on(signals.next());
    tracing::info!("draining: what has begun is finished, a second signal ends it now");
    stop(running, &runtime, &mut signals)
}

/// Drains the server, unless another signal comes before that is done.
pub(super) fn stop(running: Running, runtime: &Runtime, signals: &mut Signals) -> Result<(), CliError> {
    let (tell, told) = oneshot::channel();
    std::thread::Builder::new()
        .name("stopping".to_owned())
        .spawn(move || {
            running.stop();
            // Nobody waits any more if a second signal came.
            let _ = tell.send(());
        })
        .map_err(|error| CliError::System("start a thread", error))?;
    runtime.block_on(async {
        tokio::select! {
            _ = told => Ok(()),
            () = signals.next() => {
                tracing::warn!("ended before it was drained");
                Err(CliError::No)
            }
        }
    })
}

/// The two signals that ask a program to end.
#[derive(Debug)]
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Catches them from now on.
    #[expect(clippy::unused_async, reason = "a signal is caught by the runtime it is asked for in")]
    pub(super) async fn listen() -> Result<Self, CliError> {
        let caught = |kind| signal(kind).map_err(|error| CliError::System("catch a signal", error));
        Ok(Self {
            terminate: caught(SignalKind::terminate())?,
            interrupt: caught(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

impl Global {
    /// What the configuration says of the log, and what the command line says over it.
    pub(super) fn log(&self, config: &Config) -> LogSettings {
        let mut log = config.telemetry.log.clone();
        let level = match (self.quiet, self.verbose) {
            (true, _) => "error",
            (false, 0) => return log,
            (false, 1) => "debug",
            (false, _) => "trace",
        };
        level.clone_into(&mut log.level);
        log
    }
}
