//! `tollgate run`: the server, until it is told to stop. The first signal drains it, the second ends it.

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::command::Global;
use super::{CliError, desk};
use crate::config::Config;
use crate::listen::Drained;
use crate::observe::{self, LogSettings};
use crate::server::{Running, Server};
use crate::token::TimeSource;

/// Runs the server.
pub(super) fn run(global: &Global) -> Result<(), CliError> {
    let config = desk::configuration(global)?;
    observe::start(&global.log(&config)).map_err(CliError::Log)?;
    let runtime = desk::runtime()?;
    // Before anything is started: a signal that comes early is not lost.
    let mut signals = runtime.block_on(Signals::listen())?;
    let running = runtime.block_on(Server::start(&config, TimeSource::Wall))?;
    for (listener, address) in running.addresses() {
        tracing::info!(%listener, %address, "listening");
    }
    runtime.block_on(signals.next());
    tracing::info!("draining: what has begun is finished, a second signal ends it now");
    stop(running, &runtime, &mut signals)
}

/// Drains the server; another signal, or the end of its grace, cuts what is left.
pub(super) fn stop(
    running: Running,
    runtime: &Runtime,
    signals: &mut Signals,
) -> Result<(), CliError> {
    match runtime.block_on(running.stop(signals.next())) {
        Drained::Cleanly => Ok(()),
        Drained::Cut => {
            tracing::warn!("ended before everything was answered");
            Err(CliError::No)
        }
    }
}

/// The two signals that ask a program to end.
#[derive(Debug)]
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Catches them from now on.
    #[expect(
        clippy::unused_async,
        reason = "a signal is caught by the runtime it is asked for in"
    )]
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
