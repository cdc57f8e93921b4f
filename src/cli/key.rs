//! `tollgate key`: the keys that sign tokens.

use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::command::Global;
use super::desk::Desk;
use super::{CliError, console};
use crate::issue::LocalIssuer;

/// The keys that sign tokens.
#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// List the keys of every token service
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Write the public keys of a token service to standard output
    Export {
        /// The token service: the name of its `[dialect.NAME]`; may be left out if there is only one
        #[arg(long)]
        mount: Option<String>,
        /// In which form
        #[arg(long, value_enum, default_value_t = Form::Jwks)]
        format: Form,
    },
}

/// How a public key is written.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Form {
    /// A JWK set (RFC 7517 §5) of all keys
    Jwks,
    /// PEM (RFC 7468 §13) of the key that signs now
    Pem,
}

/// Obeys.
pub(super) fn obey(global: &Global, command: KeyCommand) -> Result<(), CliError> {
    let desk = Desk::open(global)?;
    match command {
        KeyCommand::List { json } => list(&desk, json),
        KeyCommand::Export { mount, format } => {
            let keyring = &desk.issuer(mount.as_deref())?.keyring;
            match format {
                Form::Jwks => console::answer_json(&keyring.jwks()),
                Form::Pem => console::answer(keyring.signing().public_pem()?.trim_end()),
            }
        }
    }
}

fn list(desk: &Desk, as_json: bool) -> Result<(), CliError> {
    let rows: Vec<Value> = desk
        .kept
        .mounts
        .values()
        .flat_map(|mount| keys(mount.issuer()))
        .collect();
    if as_json {
        return console::answer_json(&json!(rows));
    }
    let cell = |row: &Value, name: &str| {
        let text = row.get(name).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    let rows: Vec<_> = rows
        .iter()
        .map(|row| {
            ["mount", "kid", "algorithm", "use"]
                .map(|name| cell(row, name))
                .to_vec()
        })
        .collect();
    console::answer(console::table(&["MOUNT", "KEY", "ALGORITHM", "USE"], &rows))
}

fn keys(issuer: &LocalIssuer) -> Vec<Value> {
    let signing = issuer.keyring.signing();
    let verifying = issuer.keyring.verifying();
    verifying
        .iter()
        .map(|key| {
            let signs = key.kid() == Some(signing.kid());
            json!({
                "mount": &*issuer.name,
                "kid": key.kid(),
                "algorithm": key.algorithm().name(),
                "use": if signs { "signs" } else { "verifies" },
            })
        })
        .collect()
}
