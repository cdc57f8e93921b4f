//! `tollgate demo`: a gateway in a temporary folder, with a built-in upstream, and a tour of it.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use clap::Args;
use tokio::runtime::Runtime;

use super::call::{CallError, Caller, Filed, quoted};
use super::command::Global;
use super::desk::{self, Desk};
use super::echo::Echo;
use super::folder::Folder;
use super::run::{Signals, stop};
use super::token::{self, MintOptions};
use super::tour::{Brief, Tour};
use super::{CliError, console, input};
use crate::config::Config;
use crate::listen::DevAuthority;
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

/// Where a gateway is set up.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ground<'a> {
    /// What it stands before; without it, the built-in echo.
    pub(super) upstream: Option<&'a str>,
    /// Where it listens on 127.0.0.1; 0 is any free port.
    pub(super) port: u16,
}

/// Runs the demo.
pub(super) fn demo(global: &Global, options: &DemoOptions) -> Result<(), CliError> {
    let runtime = desk::runtime()?;
    let mut signals = runtime.block_on(Signals::listen())?;
    let stage = Stage::set(
        global,
        &runtime,
        include_str!("../../config/demo.toml"),
        Ground::default(),
    )?;
    let surprises = stage.tour(global, &runtime, &mut signals);
    if matches!(surprises, Ok(0)) && !options.once {
        let more = "The gateway stays up for your own attempts until Ctrl-C.";
        console::note(format_args!("All as it must be. {more}"));
        runtime.block_on(signals.next());
    }
    stage.strike(&runtime, &mut signals)?;
    if surprises? == 0 {
        Ok(())
    } else {
        Err(CliError::No)
    }
}

impl Stage {
    /// Starts a gateway with this file in a temporary folder.
    pub(super) fn set(
        global: &Global,
        runtime: &Runtime,
        file: &str,
        ground: Ground<'_>,
    ) -> Result<Self, CliError> {
        let folder =
            Folder::make().map_err(|error| CliError::System("make a temporary folder", error))?;
        let echo = match ground.upstream {
            Some(_) => None,
            None => Some(Echo::start().map_err(|error| CliError::System("start the echo", error))?),
        };
        let url = echo.as_ref().map(Echo::url);
        let url = ground.upstream.or(url.as_deref()).unwrap_or_default();
        let path = folder.path().join("tollgate.toml");
        write(
            &path,
            &file
                .replace(UPSTREAM, url)
                .replace(LISTENER, &ground.address()?),
        )?;
        let named = Global {
            config: path.clone(),
            ..global.clone()
        };
        let config = desk::configuration(&named)?;
        observe::start(&named.log(&config)).map_err(CliError::Log)?;
        let running = runtime.block_on(Server::start(&config, TimeSource::Wall))?;
        Ok(Self {
            running,
            echo,
            config,
            file: path,
            folder,
        })
    }

    /// Takes the tour; returns how many steps did not give what they must. Whoever interrupts it does not learn that.
    fn tour(
        &self,
        global: &Global,
        runtime: &Runtime,
        signals: &mut Signals,
    ) -> Result<usize, CliError> {
        let tour = Tour::of(self.caller()?, self.folder.path().to_owned());
        let (brief, shop) = (self.brief(global)?, self.shop()?);
        runtime.block_on(async {
            tokio::select! {
                taken = tour.take(brief, shop) => taken,
                () = signals.next() => Err(CliError::No),
            }
        })
    }

    /// A client of the public listener.
    pub(super) fn caller(&self) -> Result<Caller, CliError> {
        let address = self
            .running
            .address("public")
            .ok_or_else(|| CliError::Unknown {
                kind: "listener",
                name: "public".to_owned(),
                hint: String::new(),
            })?;
        Ok(Caller::new(address, &self.authority())?)
    }

    /// The certificate that vouches for the public listener.
    pub(super) fn authority(&self) -> PathBuf {
        DevAuthority::below(self.config.data_dir()).ca_path()
    }

    /// The words that make this very program obey with the configuration of the stage.
    pub(super) fn command(&self, words: &str) -> String {
        let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("tollgate"));
        let [program, file] =
            [&program, &self.file].map(|path| quoted(&path.display().to_string()));
        format!("{program} -c {file} {words}")
    }

    /// A token that is dead in a second, minted as `tollgate token mint` does.
    fn brief(&self, global: &Global) -> Result<Brief, CliError> {
        let quiet = Global {
            quiet: true,
            ..global.clone()
        };
        let desk = Desk::with(self.config.clone())?;
        let options = MintOptions::brief("hub", "ada", Lifetime::seconds(1));
        let token = token::mint(&quiet, &desk, &options)?;
        let file = self.folder.path().join("brief.token");
        let file = quoted(&file.display().to_string());
        let mint = self.command("token mint --mount hub --subject ada --lifetime 1s");
        Ok(Brief {
            token: Filed::new(token, self.folder.path(), "brief.token").map_err(CallError::Keep)?,
            expires_at: Timestamp::from_seconds(desk.now.seconds() + 1),
            command: format!("{mint} > {file} && sleep 1"),
        })
    }

    /// The client that the file lists.
    fn shop(&self) -> Result<Filed, CliError> {
        let file = self.folder.path().join("shop.secret");
        let secret = input::secret("secret", Some(&file))?;
        Ok(Filed { secret, file })
    }

    /// Stops the gateway and takes everything away.
    pub(super) fn strike(self, runtime: &Runtime, signals: &mut Signals) -> Result<(), CliError> {
        let stopped = stop(self.running, runtime, signals);
        drop(self.echo);
        stopped
    }
}

impl Ground<'_> {
    /// The address to listen at. The port is chosen before the gateway starts, because the file that names it is also
    /// what the commands beside it read.
    fn address(&self) -> Result<String, CliError> {
        let free = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr();
        let port = match self.port {
            0 => free()
                .map_err(|error| CliError::System("find a free port", error))?
                .port(),
            port => port,
        };
        Ok(format!("127.0.0.1:{port}"))
    }
}

fn write(path: &Path, text: &str) -> Result<(), CliError> {
    std::fs::write(path, text).map_err(|source| CliError::File {
        doing: "write",
        path: path.to_owned(),
        source,
    })
}

/// What stands in the files for the addresses of the upstream and of the listener.
const UPSTREAM: &str = "http://127.0.0.1:3000";
const LISTENER: &str = "127.0.0.1:8443";
