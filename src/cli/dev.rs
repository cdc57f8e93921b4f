//! `tollgate dev`: a gateway before whatever runs on this machine, with nothing to configure.

use clap::Args;

use super::command::Global;
use super::demo::{Ground, Stage};
use super::run::Signals;
use super::{CliError, console, desk};

/// What stands behind the gateway, and where it listens.
#[derive(Debug, Args)]
pub(super) struct DevOptions {
    /// What to protect, as in `http://127.0.0.1:3000`; without it, a built-in echo
    #[arg(long, value_name = "URL")]
    upstream: Option<String>,
    /// Where to listen on 127.0.0.1; 0 is any free port
    #[arg(long, value_name = "PORT", default_value_t = 8443)]
    port: u16,
}

/// Runs the gateway until it is told to stop.
pub(super) fn dev(global: &Global, options: &DevOptions) -> Result<(), CliError> {
    let runtime = desk::runtime()?;
    let mut signals = runtime.block_on(Signals::listen())?;
    let ground = Ground {
        upstream: options.upstream.as_deref(),
        port: options.port,
    };
    let stage = Stage::set(
        global,
        &runtime,
        include_str!("../../config/dev.toml"),
        ground,
    )?;
    explain(&stage)?;
    runtime.block_on(signals.next());
    stage.strike(&runtime, &mut signals)
}

/// The lines to paste.
fn explain(stage: &Stage) -> Result<(), CliError> {
    let caller = stage.caller()?;
    let authority = stage.authority();
    let curl = format!("curl -sS --cacert {}", authority.display());
    let mint = stage.command("token mint --subject me --scope 'read write'");
    console::note(format_args!(
        "Listening at {}. Everything below it wants a token and is passed on.\n\n\
         A token, straight from the command line:\n\n  TOKEN=$({mint})\n\n\
         or as a client, from the token endpoint:\n\n  \
         {curl} -u \"dev:$(cat {})\" -d grant_type=client_credentials {}\n\n\
         With it, and without:\n\n  {curl} -H \"Authorization: Bearer $TOKEN\" {}\n  {curl} {}\n\n\
         The configuration is {}; it is gone with Ctrl-C.",
        caller.url("/"),
        stage.file.with_file_name("dev.secret").display(),
        caller.url("/oauth/token"),
        caller.url("/"),
        caller.url("/"),
        stage.file.display(),
    ));
    Ok(())
}
