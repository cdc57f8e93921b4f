//! `tollgate route`: where requests go, and why.

use clap::Subcommand;
use serde_json::{Value, json};

use super::command::Global;
use super::explain::{self, ExplainOptions};
use super::{CliError, console, desk};
use crate::config::Config;
use crate::route::{Access, RouteSettings};
use crate::token::Scope;

/// Where requests go, and why.
#[derive(Debug, Subcommand)]
pub(super) enum RouteCommand {
    /// List the routes of the configuration
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Say what would become of a request, and why: the same code judges that judges requests
    Explain(ExplainOptions),
}

/// Obeys.
pub(super) fn obey(global: &Global, command: RouteCommand) -> Result<(), CliError> {
    match command {
        RouteCommand::List { json } => list(&desk::configuration(global)?, json),
        RouteCommand::Explain(options) => explain::explain(global, &options),
    }
}

fn list(config: &Config, as_json: bool) -> Result<(), CliError> {
    let rows: Vec<Value> = config
        .route
        .iter()
        .map(|(name, route)| row(config, name, route))
        .collect();
    if as_json {
        return console::answer_json(&json!(rows));
    }
    let columns = [
        "route", "hosts", "path", "methods", "demands", "issuers", "upstream",
    ];
    let cell = |row: &Value, name: &str| match row.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(words)) if words.is_empty() => "any".to_owned(),
        Some(Value::Array(words)) => {
            let words: Vec<_> = words.iter().filter_map(Value::as_str).collect();
            words.join(",")
        }
        _ => String::new(),
    };
    let rows: Vec<_> = rows
        .iter()
        .map(|row| columns.map(|name| cell(row, name)).to_vec())
        .collect();
    let headings = columns.map(str::to_uppercase);
    let headings: Vec<&str> = headings.iter().map(String::as_str).collect();
    console::answer(console::table(&headings, &rows))
}

fn row(config: &Config, name: &str, route: &RouteSettings) -> Value {
    let hosts: Vec<_> = route.hosts.iter().map(ToString::to_string).collect();
    let methods: Vec<_> = route
        .methods
        .listed()
        .iter()
        .map(ToString::to_string)
        .collect();
    let demands = match route.auth {
        Access::Public => "nothing".to_owned(),
        Access::Optional => format!("{} if one comes", demand(route)),
        Access::Required => demand(route),
    };
    json!({
        "route": name,
        "hosts": hosts,
        "path": route.path.to_string(),
        "methods": methods,
        "demands": demands,
        "issuers": if route.auth == Access::Public { Vec::new() } else { config.issuers_of(route) },
        "upstream": route.upstream,
    })
}

/// What a route asks of a token, in words.
fn demand(route: &RouteSettings) -> String {
    let mut words = "a token".to_owned();
    if let Some(scope) = route
        .require
        .scope
        .as_ref()
        .filter(|scope| !scope.is_empty())
    {
        words.push_str(" with ");
        words.push_str(Scope::as_str(scope));
    }
    for (claim, values) in &route.require.claims {
        words.push_str(&[", ", claim, " = ", &values.join("|")].concat());
    }
    words
}
