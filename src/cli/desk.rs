//! What a command works with: the configuration, and the store beside whoever else has it open.

use std::future::Future;
use std::io;

use tokio::runtime::{Builder, Runtime};

use super::command::Global;
use super::{CliError, console};
use crate::config::Config;
use crate::issue::LocalIssuer;
use crate::observe;
use crate::server::Kept;
use crate::token::{TimeSource, Timestamp};

/// The configuration and the store, open.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) config: Config,
    pub(super) kept: Kept,
    pub(super) now: Timestamp,
    runtime: Runtime,
}

impl Desk {
    /// Opens what the command line names.
    pub(super) fn open(global: &Global) -> Result<Self, CliError> {
        let config = configuration(global)?;
        let mut log = global.log(&config);
        if global.verbose == 0 {
            // What a command does it says itself, and so does the audit log, which passes at any level.
            "warn".clone_into(&mut log.level);
        }
        observe::start(&log).map_err(CliError::Log)?;
        Self::with(config)
    }

    /// Opens what this configuration names.
    pub(super) fn with(config: Config) -> Result<Self, CliError> {
        let runtime = runtime()?;
        let now = TimeSource::Wall.now();
        let kept = runtime.block_on(Kept::open(&config, &TimeSource::manual(now)))?;
        Ok(Self {
            config,
            kept,
            now,
            runtime,
        })
    }

    /// Waits for an answer.
    pub(super) fn wait<T>(&self, answer: impl Future<Output = T>) -> T {
        self.runtime.block_on(answer)
    }

    /// Ourselves as the issuer of the tokens of one mount; if there is only one, it need not be named.
    pub(super) fn issuer(&self, name: Option<&str>) -> Result<&LocalIssuer, CliError> {
        let mounts = &self.kept.mounts;
        let known = || {
            mounts
                .keys()
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join(", ")
        };
        match (name, mounts.len()) {
            (Some(name), _) => {
                mounts
                    .get(name)
                    .map(|mount| mount.issuer())
                    .ok_or_else(|| CliError::Unknown {
                        kind: "[dialect.*]",
                        name: name.to_owned(),
                        hint: format!(": there are {}", known()),
                    })
            }
            (None, 1) => mounts
                .values()
                .next()
                .map(|mount| mount.issuer())
                .ok_or_else(which(known())),
            (None, _) => Err(which(known())()),
        }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.runtime.block_on(self.kept.store.close());
    }
}

fn which(known: String) -> impl FnOnce() -> CliError {
    move || {
        CliError::Usage(format!(
            "choose a token service: add `--mount NAME`, with one of {known}"
        ))
    }
}

/// Reads the configuration that the command line names, and says what looks odd in it.
pub(super) fn configuration(global: &Global) -> Result<Config, CliError> {
    let (config, report) = Config::load(&global.config, &global.overrides)
        .map_err(|report| CliError::Configuration(Some(Box::new(report))))?;
    if !report.is_empty() {
        global.note(console::drawn(&report));
    }
    Ok(config)
}

/// A runtime for a command's own waiting.
pub(super) fn runtime() -> Result<Runtime, CliError> {
    let built: io::Result<Runtime> = Builder::new_current_thread().enable_all().build();
    built.map_err(|error| CliError::System("start a runtime", error))
}
