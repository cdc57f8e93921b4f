//! `tollgate key`: the keys that sign tokens.

use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::command::Global;
use super::desk::Desk;
use super::{CliError, console};
use crate::issue::{Keys, KnownKey};
use crate::server::StartError;

/// The keys that sign tokens.
#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// List the keys of every token service
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Publish a new key, which takes over in a day
    Rotate {
        /// The token service: the name of its `[dialect.NAME]`; may be left out if there is only one
        #[arg(long)]
        mount: Option<String>,
        /// Let it take over at once: whoever has fetched the keys before refuses its tokens until they fetch them again
        #[arg(long)]
        now: bool,
    },
    /// Let a key sign no more; if it is the one that signs, a new one takes over at once
    Retire {
        /// The key, as `key list` names it
        #[arg(allow_hyphen_values = true)]
        kid: String,
        /// The token service: the name of its `[dialect.NAME]`; may be left out if there is only one
        #[arg(long)]
        mount: Option<String>,
        /// Refuse what it has signed, too: it has been stolen
        #[arg(long)]
        revoke: bool,
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
        KeyCommand::Rotate { mount, now } => {
            let keys = keys_of(&desk, mount.as_deref())?;
            let kid = desk
                .wait(keys.rotate(now, desk.now))
                .map_err(StartError::from)?;
            global.note(if now {
                "this key signs now; running processes know it within a second:"
            } else {
                "this key is published, and signs from tomorrow on:"
            });
            console::answer(kid)
        }
        KeyCommand::Retire { kid, mount, revoke } => retire(global, &desk, &kid, (mount, revoke)),
        KeyCommand::Export { mount, format } => {
            let keyring = &desk.issuer(mount.as_deref())?.keyring;
            match format {
                Form::Jwks => console::answer_json(&keyring.jwks()),
                Form::Pem => console::answer(keyring.signing().public_pem()?.trim_end()),
            }
        }
    }
}

fn retire(
    global: &Global,
    desk: &Desk,
    kid: &str,
    (mount, revoke): (Option<String>, bool),
) -> Result<(), CliError> {
    let issuer = desk.issuer(mount.as_deref())?;
    let keys = keys_of(desk, Some(&issuer.name))?;
    let is_known = keys.list().iter().any(|known| known.key.kid() == kid);
    if revoke && is_known {
        desk.wait(desk.kept.mint.revoke_key(kid, issuer, desk.now))?;
    }
    let done = desk.wait(keys.retire(kid, revoke, desk.now));
    if !done.map_err(StartError::from)? {
        return Err(CliError::Unknown {
            kind: "key",
            name: kid.to_owned(),
            hint: " that could be retired: `tollgate key list` shows those there are".to_owned(),
        });
    }
    let what = if revoke {
        "revoked, and what it signed"
    } else {
        "signs no more"
    };
    global.note(format_args!("key {kid}: {what}"));
    Ok(())
}

fn keys_of<'a>(desk: &'a Desk, mount: Option<&str>) -> Result<&'a Keys, CliError> {
    let issuer = desk.issuer(mount)?;
    let keys = desk.kept.keys.get(&*issuer.name);
    keys.ok_or_else(|| CliError::Unknown {
        kind: "[dialect.*]",
        name: issuer.name.to_string(),
        hint: String::new(),
    })
}

fn list(desk: &Desk, as_json: bool) -> Result<(), CliError> {
    let all = desk.kept.keys.values();
    let rows: Vec<Value> = all.flat_map(rows).collect();
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
            ["mount", "kid", "algorithm", "state", "since"]
                .map(|name| cell(row, name))
                .to_vec()
        })
        .collect();
    let titles = ["MOUNT", "KEY", "ALGORITHM", "STATE", "SINCE"];
    console::answer(console::table(&titles, &rows))
}

fn rows(keys: &Keys) -> Vec<Value> {
    let row = |known: &KnownKey| {
        json!({
            "mount": &*keys.terms().realm,
            "kid": known.key.kid(),
            "algorithm": known.key.algorithm().name(),
            "state": known.state.to_string(),
            "since": known.since.to_string(),
            "created_at": known.created_at.to_string(),
        })
    };
    keys.list().iter().map(row).collect()
}
