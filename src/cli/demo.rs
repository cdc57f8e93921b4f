//! `tollgate demo`: a gateway in a temporary folder, with a built-in upstream, and a tour of it.

use std::path::{Path, PathBuf};

use clap::Args;

use super::call::Caller;
use super::command::Global;
use super::desk::{self, Desk};
use super::echo::Echo;
use super::folder::Folder;
use super::run::{Signals, stop};
use super::token::{self, MintOptions};
use super::tour::{Brief, Shop, Tour};
use super::{CliError, console, input};
use crate::config::Config;
use crate::observe;
use crate::server::{Running, Server};
use crate::settings::Lifetime;
use crate::token::{TimeSource, Timestamp};

/// How the demo ends.
#[derive(Debug, Args)]
pub(super) struct DemoOptions {
    /// End after the tour; the exit code says whether every step gave what it must
    #[arg(long)]
    once: bool,
}

/// A gateway that needs nothing, and is gone without a trace when dropped.
#[derive(Debug)]
pub(super) struct Stage {
    // In the order in which they must go: the folder last.
    pub(super) running: Running,
    echo: Option<Echo>,
    pub(super) config: Config,
    pub(super) file: PathBuf,
    folder: Folder,
}

/// Runs the demo.
pub(super) fn demo(global: &Global, options: &DemoOptions) -> Result<(), CliError> {
    let runtime = desk::runtime()?;
    let mut signals = runtime.block_on(Signals::listen())?;
    let stage = Stage::set(global, include_str!("../../config/demo.toml"), None)?;
    let tour = Tour::of(stage.caller()?);
    let (brief, shop) = (stage.brief(global)?, stage.shop()?);
    let taken = runtime.block_on(async {
        tokio::select! {
            taken = tour.take(brief, shop) => taken.map(Some),
            () = signals.next() => Ok(None),
        }
    });
    let surprises = match taken {
        Ok(surprises) => surprises,
        Err(error) => {
            stage.strike(&runtime, &mut signals)?;
            return Err(error.into());
        }
    };
    if surprises == Some(0) && !options.once {
        console::note("All as it must be. The gateway stays up for your own attempts until Ctrl-C.");
        runtime.block_on(signals.next());
    }
    stage.strike(&runtime, &mut signals)?;
    match surprises {
        Some(0) => Ok(()),
        // Interrupted: nobody can say whether the rest would have been right.
        None if !options.once => Ok(()),
        _ => Err(CliError::No),
    }
}

impl Stage {
    /// Starts a gateway with this file in a temporary folder, before `upstream`, or before the built-in echo.
    pub(super) fn set(global: &Global, file: &str, upstream: Option<&str>) -> Result<Self, CliError> {
        let folder = Folder::make().map_err(|error| CliError::System("make a temporary folder", error))?;
        let echo = match upstream {
            Some(_) => None,
            None => Some(Echo::start().map_err(|error| CliError::System("start the echo", error))?),
        };
        let url = echo.as_ref().map(Echo::url);
        let url = upstream.or(url.as_deref()).unwrap_or_default();
        let path = folder.path().join("tollgate.toml");
        write(&path, &file.replace(PLACEHOLDER, url))?;
        let named = Global {
            config: path.clone(),
            ..global.clone()
        };
        let config = desk::configuration(&named)?;
        observe::start_log(&named.log(&config)).map_err(CliError::Log)?;
        let running = Server::start(config.clone(), TimeSource::Wall)?;
        Ok(Self {
            running,
            echo,
            config,
            file: path,
            folder,
        })
    }

    /// A client of the public listener.
    pub(super) fn caller(&self) -> Result<Caller, CliError> {
        let address = self.running.address("public").ok_or_else(|| CliError::Unknown {
            kind: "listener",
            name: "public".to_owned(),
            hint: String::new(),
        })?;
        Ok(Caller::new(address, &self.authority())?)
    }

    /// The certificate that vouches for the public listener.
    pub(super) fn authority(&self) -> PathBuf {
        crate::listen::development_authority(&self.config.data_dir())
    }

    /// The words that make this very program obey with the configuration of the stage.
    pub(super) fn command(&self, words: &str) -> String {
        let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("tollgate"));
        format!("{} -c {} {words}", program.display(), self.file.display())
    }

    /// A token that is dead in a second, minted as `tollgate token mint` does.
    fn brief(&self, global: &Global) -> Result<Brief, CliError> {
        let quiet = Global { quiet: true, ..global.clone() };
        let desk = Desk::with(self.config.clone())?;
        let options = MintOptions::brief("hub", "ada", Lifetime::seconds(1));
        Ok(Brief {
            token: token::mint(&quiet, &desk, &options)?,
            expires_at: Timestamp::from_seconds(desk.now.seconds() + 1),
            command: self.command("token mint --mount hub --subject ada --lifetime 1s"),
        })
    }

    fn shop(&self) -> Result<Shop, CliError> {
        let file = self.folder.path().join("shop.secret");
        let secret = input::secret("secret", Some(&file))?;
        Ok(Shop { secret, file })
    }

    /// Stops the gateway and takes everything away.
    pub(super) fn strike(self, runtime: &tokio::runtime::Runtime, signals: &mut Signals) -> Result<(), CliError> {
        let stopped = stop(self.running, runtime, signals);
        drop(self.echo);
        stopped
    }
}

fn write(path: &Path, text: &str) -> Result<(), CliError> {
    std::fs::write(path, text).map_err(|source| CliError::File {
        doing: "write",
        path: path.to_owned(),
        source,
    })
}

/// What stands in the files for the address of the upstream.
const PLACEHOLDER: &str = "http://127.0.0.1:3000";
