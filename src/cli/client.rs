//! `tollgate client`: programs that may ask for tokens.

use clap::Subcommand;
use serde_json::json;

use super::command::Global;
use super::desk::Desk;
use super::{CliError, console, input};
use crate::issue::{Grant, NewClient};
use crate::settings::Lifetime;
use crate::store::Status;
use crate::token::{Scope, Secret};

/// Programs that may ask for tokens.
#[derive(Debug, Subcommand)]
pub(super) enum ClientCommand {
    /// Add a client; its secret is made now and shown once, on standard error
    Add {
        /// Its identifier
        name: String,
        /// The most its tokens may do: names separated by spaces
        #[arg(long, value_parser = input::scope, default_value = "")]
        scope: Scope,
    },
    /// List the clients of the store and of the configuration
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Give a client another secret; it is shown once, on standard error
    RotateSecret {
        /// Its identifier
        name: String,
        /// How long the old secret stays good beside the new one
        #[arg(long, value_parser = input::lifetime, default_value = "0s")]
        overlap: Lifetime,
    },
    /// Let a client get no more tokens
    Disable {
        /// Its identifier
        name: String,
    },
    /// Let a disabled client get tokens again
    Enable {
        /// Its identifier
        name: String,
    },
    /// Forget a client
    Remove {
        /// Its identifier
        name: String,
    },
}

/// Obeys.
pub(super) fn obey(global: &Global, command: ClientCommand) -> Result<(), CliError> {
    let desk = Desk::open(global)?;
    let clients = &desk.kept.clients;
    match command {
        ClientCommand::Add { name, scope } => {
            let grants = Grant::ALL.to_vec();
            let new = NewClient {
                name: name.clone(),
                scope,
                grants,
            };
            let secret = desk.wait(clients.add(new, desk.now))?;
            show(&name, &secret);
            Ok(())
        }
        ClientCommand::List { json } => list(&desk, json),
        ClientCommand::RotateSecret { name, overlap } => {
            let rotated = clients.rotate_secret(&name, overlap.duration(), desk.now);
            let secret = desk.wait(rotated)?.ok_or_else(|| unknown(&desk, &name))?;
            if overlap.duration().is_zero() {
                // A secret that is cut off at once is one that somebody else has.
                end(&desk, &name)?;
            }
            show(&name, &secret);
            Ok(())
        }
        ClientCommand::Disable { name } => set(global, &desk, &name, Status::Disabled),
        ClientCommand::Enable { name } => set(global, &desk, &name, Status::Active),
        ClientCommand::Remove { name } => {
            let gone = desk.wait(clients.remove(&name))?;
            if gone {
                end(&desk, &name)?;
            }
            done(gone, global, &desk, &name, "removed")
        }
    }
}

/// The one time a secret is shown. Not even `--quiet` hides it: it would be lost.
fn show(name: &str, secret: &Secret) {
    console::note(format_args!(
        "the secret of client {name}, shown this once: {}",
        secret.reveal()
    ));
}

fn set(global: &Global, desk: &Desk, name: &str, status: Status) -> Result<(), CliError> {
    let changed = desk.wait(desk.kept.clients.set_status(name, status))?;
    if changed && status == Status::Disabled {
        end(desk, name)?;
    }
    done(changed, global, desk, name, word(status))
}

/// Ends the sessions of a client, at every token service, and takes its tokens back.
fn end(desk: &Desk, name: &str) -> Result<(), CliError> {
    for mount in desk.kept.mounts.values() {
        let ended = desk.kept.mint.end_client(name, mount.issuer(), desk.now);
        desk.wait(ended)?;
    }
    Ok(())
}

fn done(
    changed: bool,
    global: &Global,
    desk: &Desk,
    name: &str,
    what: &str,
) -> Result<(), CliError> {
    if !changed {
        return Err(unknown(desk, name));
    }
    global.note(format_args!("client {name}: {what}"));
    Ok(())
}

fn unknown(desk: &Desk, name: &str) -> CliError {
    let hint = if desk.config.client.contains_key(name) {
        " in the store: it stands in the configuration, change it there".to_owned()
    } else {
        " in the store: `tollgate client list` shows those there are".to_owned()
    };
    CliError::Unknown {
        kind: "client",
        name: name.to_owned(),
        hint,
    }
}

fn list(desk: &Desk, as_json: bool) -> Result<(), CliError> {
    let mut rows = Vec::new();
    for (name, settings) in &desk.config.client {
        let scopes: Vec<_> = settings.scopes.iter().map(Scope::as_str).collect();
        rows.push([
            name.clone(),
            "configuration".to_owned(),
            "active".to_owned(),
            scopes.join(" "),
        ]);
    }
    for client in desk.wait(desk.kept.store.clients())? {
        let status = word(client.status).to_owned();
        rows.push([
            client.name,
            "store".to_owned(),
            status,
            client.scope.to_string(),
        ]);
    }
    if as_json {
        let objects: Vec<_> = rows
            .iter()
            .map(|[name, place, status, scope]| {
                json!({ "name": name, "place": place, "status": status, "scope": scope })
            })
            .collect();
        return console::answer_json(&json!(objects));
    }
    let rows: Vec<_> = rows.into_iter().map(Vec::from).collect();
    console::answer(console::table(
        &["CLIENT", "PLACE", "STATUS", "SCOPE"],
        &rows,
    ))
}

/// What we call a status.
pub(super) const fn word(status: Status) -> &'static str {
    match status {
        Status::Active => "active",
        Status::Disabled => "disabled",
    }
}
