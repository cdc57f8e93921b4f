//! The words of the command line, and who obeys them.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgAction, Args, Parser, Subcommand};

use super::check::CheckOptions;
use super::client::ClientCommand;
use super::demo::DemoOptions;
use super::dev::DevOptions;
use super::key::KeyCommand;
use super::route::RouteCommand;
use super::session::SessionCommand;
use super::store::StoreCommand;
use super::token::TokenCommand;
use super::user::UserCommand;
use super::{CliError, check, client, console, demo, dev, key, route, session, store, token, user};

/// A reverse-proxy authentication gateway: TLS in, tokens issued, tokens checked, requests forwarded.
#[derive(Debug, Parser)]
#[command(name = "tollgate", version, max_term_width = 100)]
struct Tollgate {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command understands.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Everywhere")]
pub(super) struct Global {
    /// The configuration file
    #[arg(
        short,
        long,
        global = true,
        value_name = "FILE",
        default_value = "tollgate.toml"
    )]
    pub(super) config: PathBuf,
    /// Override one setting, as in `listener.public.address=127.0.0.1:0`; may be repeated
    #[arg(long = "set", global = true, value_name = "PATH=VALUE")]
    pub(super) overrides: Vec<String>,
    /// Say only what went wrong
    #[arg(short, long, global = true)]
    pub(super) quiet: bool,
    /// Log more; twice for everything
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(super) verbose: u8,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway until it is told to stop
    Run,
    /// Say everything that is wrong with the configuration
    Check(CheckOptions),
    /// Run a gateway with a built-in upstream and tour it; nothing to configure
    Demo(DemoOptions),
    /// Run a gateway before your upstream on this machine; nothing to configure
    Dev(DevOptions),
    /// Programs that may ask for tokens
    #[command(subcommand)]
    Client(ClientCommand),
    /// People who may ask for tokens
    #[command(subcommand)]
    User(UserCommand),
    /// Who is logged in
    #[command(subcommand)]
    Session(SessionCommand),
    /// Mint, fetch, inspect, verify and revoke tokens
    #[command(subcommand)]
    Token(TokenCommand),
    /// The keys that sign tokens
    #[command(subcommand)]
    Key(KeyCommand),
    /// Where requests go, and why
    #[command(subcommand)]
    Route(RouteCommand),
    /// What must survive: looked at, backed up, moved
    #[command(subcommand)]
    Store(StoreCommand),
}

/// Obeys the command line of this process.
pub fn run() -> ExitCode {
    let words = match Tollgate::try_parse() {
        Ok(words) => words,
        Err(error) => {
            // Help and version come this way too, with code 0.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match words.command.obey(&words.global) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            console::complain(&error);
            error.code()
        }
    }
}

impl Command {
    fn obey(self, global: &Global) -> Result<(), CliError> {
        match self {
            Self::Run => super::run::run(global),
            Self::Check(options) => check::check(global, &options),
            Self::Demo(options) => demo::demo(global, &options),
            Self::Dev(options) => dev::dev(global, &options),
            Self::Client(command) => client::obey(global, command),
            Self::User(command) => user::obey(global, command),
            Self::Session(command) => session::obey(global, command),
            Self::Token(command) => token::obey(global, command),
            Self::Key(command) => key::obey(global, command),
            Self::Route(command) => route::obey(global, command),
            Self::Store(command) => store::obey(global, command),
        }
    }
}

impl Global {
    /// Says something to the person who looks on, unless they asked for quiet.
    pub(super) fn note(&self, text: impl std::fmt::Display) {
        if !self.quiet {
            console::note(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_words_make_sense() {
        Tollgate::command().debug_assert();
    }
}
