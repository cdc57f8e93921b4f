//! What is logged, in which form, and where.

use std::io::IsTerminal;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use super::Format;
use super::line::Line;
use super::visible::Visible;

/// The target of the audit log.
pub const AUDIT: &str = "tollgate::audit";

/// What operators see of the program at work.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetrySettings {
    /// The program's own log, on standard error.
    pub log: LogSettings,
    /// One line per request, on standard output.
    pub access_log: AccessLogSettings,
}

/// The program's own log.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LogSettings {
    /// The form of a line.
    pub format: Format,
    /// How much is logged: a level, or levels by module, as in `info,tollgate::verify=debug`. `debug` is the most there
    /// is: what libraries trace beyond that shows header fields, and tokens with them. The audit log, `tollgate::audit`,
    /// is written at every level, unless it is named here, as in `warn,tollgate::audit=off`.
    pub level: String,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            format: Format::Auto,
            level: "info".to_owned(),
        }
    }
}

/// One line per request.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AccessLogSettings {
    /// Whether requests are logged at all.
    pub enabled: bool,
}

impl Default for AccessLogSettings {
    fn default() -> Self {
        Self { enabled: true }
    }
}

impl Format {
    /// What `auto` stands for: `human` where the output is a terminal.
    #[must_use]
    pub fn settle(self, output: &impl IsTerminal) -> Self {
        match self {
            Self::Auto if output.is_terminal() => Self::Human,
            Self::Auto => Self::Json,
            settled => settled,
        }
    }
}

impl LogSettings {
    /// What `level` lets through, or why it is none. Who wants to hear less of the program has not said that nobody need
    /// know who did what, so the audit log passes.
    pub fn filter(&self) -> Result<EnvFilter, String> {
        let told = |error: ParseError| format!("`{}` is not a level: {error}", self.level);
        let filter = EnvFilter::try_new(&self.level).map_err(told)?;
        if self.level.contains(AUDIT) {
            return Ok(filter);
        }
        let audit = format!("{AUDIT}=info").parse().map_err(told)?;
        Ok(filter.add_directive(audit))
    }
}

/// Starts the program's own log. A second start in one process changes nothing.
pub fn start(settings: &LogSettings) -> Result<(), String> {
    let filter = settings.filter()?;
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(true);
    let started = match settings.format.settle(&std::io::stderr()) {
        Format::Human => subscriber.try_init(),
        Format::Json | Format::Auto => subscriber
            .event_format(Line)
            .with_writer(|| Visible(std::io::stderr()))
            .try_init(),
    };
    if started.is_err() {
        tracing::debug!("the log was started before");
    }
    Ok(())
}
