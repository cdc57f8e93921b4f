//! `tollgate check`: everything that is wrong with the configuration, all at once.

use clap::{Args, ValueEnum};
use serde_json::json;

use super::command::Global;
use super::{CliError, console};
use crate::config::Config;
use crate::settings::Report;

/// How strict to be, and for whom to write.
#[derive(Debug, Args)]
pub(super) struct CheckOptions {
    /// Exit with 1 if there are warnings
    #[arg(long)]
    deny_warnings: bool,
    /// For whom to write
    #[arg(long, value_enum, default_value_t = Form::Human)]
    format: Form,
    /// The same as `--format json`
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people
    Human,
    /// One JSON object
    Json,
    /// Workflow commands of GitHub
    Github,
}

/// Checks the configuration.
pub(super) fn check(global: &Global, options: &CheckOptions) -> Result<(), CliError> {
    let form = if options.json {
        Form::Json
    } else {
        options.format
    };
    match Config::load(&global.config, &global.overrides) {
        Err(report) if form == Form::Human => Err(CliError::Configuration(Some(Box::new(report)))),
        Err(report) => {
            tell(&report, form)?;
            Err(CliError::Configuration(None))
        }
        Ok((config, report)) => {
            tell(&report, form)?;
            if form == Form::Human {
                console::answer(format_args!(
                    "{}: good{}",
                    global.config.display(),
                    open_routes(&config)
                ))?;
            }
            if options.deny_warnings && !report.is_empty() {
                return Err(CliError::No);
            }
            Ok(())
        }
    }
}

fn tell(report: &Report, form: Form) -> Result<(), CliError> {
    match form {
        Form::Human if report.is_empty() => {}
        Form::Human => console::note(console::drawn(report)),
        Form::Json => console::answer_json(&json!({
            "usable": !report.has_errors(),
            "problems": report.json(),
        }))?,
        Form::Github => console::answer(report.github().trim_end())?,
    }
    Ok(())
}

/// Routes that let everybody in are worth a look each time.
fn open_routes(config: &Config) -> String {
    let open: Vec<&str> = config.open_routes().collect();
    match open.len() {
        0 => "; no route is open without a token".to_owned(),
        _ => format!("; open without a token: {}", open.join(", ")),
    }
}
