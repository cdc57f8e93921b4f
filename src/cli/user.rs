//! `tollgate user`: people who may ask for tokens. Each token service has its own.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::client::word;
use super::command::Global;
use super::desk::Desk;
use super::{CliError, console, input};
use crate::issue::LocalIssuer;
use crate::store::Status;
use crate::token::Scope;

/// People who may ask for tokens.
#[derive(Debug, Subcommand)]
pub(super) enum UserCommand {
    /// Add a person; the name they log in with goes to standard output
    Add {
        #[command(flatten)]
        who: Who,
        #[command(flatten)]
        password: Password,
        /// What their tokens may do: names separated by spaces
        #[arg(long, value_parser = input::scope, default_value = "")]
        scope: Scope,
    },
    /// List the people of a token service
    List {
        /// The token service: the name of its `[dialect.NAME]`
        #[arg(long)]
        mount: Option<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Give a person another password; their refresh tokens are void from now on
    Passwd {
        #[command(flatten)]
        who: Who,
        #[command(flatten)]
        password: Password,
    },
    /// Say what a person's tokens may do, from their next one on
    Scope {
        #[command(flatten)]
        who: Who,
        /// Names separated by spaces; all that they had before is gone
        #[arg(value_parser = input::scope)]
        scope: Scope,
    },
    /// Void a person's refresh tokens
    ResetRefresh {
        #[command(flatten)]
        who: Who,
    },
    /// Let a person get no more tokens
    Disable {
        #[command(flatten)]
        who: Who,
    },
    /// Let a disabled person get tokens again
    Enable {
        #[command(flatten)]
        who: Who,
    },
}

/// A person of a token service.
#[derive(Debug, Args)]
pub(super) struct Who {
    /// Their name
    name: String,
    /// The token service: the name of its `[dialect.NAME]`; may be left out if there is only one
    #[arg(long)]
    mount: Option<String>,
}

/// Where a password comes from: never from an argument, which every user of the machine could read.
#[derive(Debug, Args)]
pub(super) struct Password {
    /// A file with the password; without it, one line of standard input
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

/// Obeys.
pub(super) fn obey(global: &Global, command: UserCommand) -> Result<(), CliError> {
    let desk = Desk::open(global)?;
    match command {
        UserCommand::Add {
            who,
            password,
            scope,
        } => add(global, &desk, &who, &password, scope),
        UserCommand::List { mount, json } => list(&desk, mount.as_deref(), json),
        UserCommand::Passwd { who, password } => {
            let issuer = who.issuer(&desk)?;
            let password = password.read()?;
            let changed = desk
                .kept
                .accounts
                .set_password(&issuer.name, &who.name, password);
            let changed = desk.wait(changed)?;
            who.end(&desk, issuer)?;
            who.done(changed, global, "password changed, sessions ended")
        }
        UserCommand::Scope { who, scope } => {
            let issuer = who.issuer(&desk)?;
            let changed = desk.kept.accounts.set_scope(&issuer.name, &who.name, scope);
            who.done(
                desk.wait(changed)?,
                global,
                "scope changed, from the next token on",
            )
        }
        UserCommand::ResetRefresh { who } => {
            let issuer = who.issuer(&desk)?;
            let changed = desk.kept.accounts.revoke(&issuer.name, &who.name);
            let changed = desk.wait(changed)?;
            who.end(&desk, issuer)?;
            who.done(changed, global, "refresh tokens void, sessions ended")
        }
        UserCommand::Disable { who } => set(global, &desk, &who, Status::Disabled),
        UserCommand::Enable { who } => set(global, &desk, &who, Status::Active),
    }
}

impl Who {
    fn issuer<'a>(&self, desk: &'a Desk) -> Result<&'a LocalIssuer, CliError> {
        desk.issuer(self.mount.as_deref())
    }

    /// Ends their sessions and takes their tokens back.
    fn end(&self, desk: &Desk, issuer: &LocalIssuer) -> Result<(), CliError> {
        desk.wait(desk.kept.mint.end_account(&self.name, issuer, desk.now))?;
        Ok(())
    }

    fn done(&self, changed: bool, global: &Global, what: &str) -> Result<(), CliError> {
        let name = &self.name;
        if !changed {
            return Err(CliError::Unknown {
                kind: "user",
                name: name.clone(),
                hint: ": `tollgate user list` shows those there are".to_owned(),
            });
        }
        global.note(format_args!("user {name}: {what}"));
        Ok(())
    }
}

impl Password {
    fn read(&self) -> Result<crate::token::Secret, CliError> {
        input::secret("password", self.password_file.as_deref())
    }
}

fn add(
    global: &Global,
    desk: &Desk,
    who: &Who,
    password: &Password,
    scope: Scope,
) -> Result<(), CliError> {
    let issuer = who.issuer(desk)?;
    let accounts = &desk.kept.accounts;
    let password = password.read()?;
    let account = desk.wait(accounts.register(&issuer.name, &who.name, password, desk.now))?;
    if !scope.is_empty() {
        desk.wait(accounts.set_scope(&issuer.name, &who.name, scope))?;
    }
    global.note(format_args!("user {} added; they log in with:", who.name));
    console::answer(&account.key)
}

fn set(global: &Global, desk: &Desk, who: &Who, status: Status) -> Result<(), CliError> {
    let issuer = who.issuer(desk)?;
    let changed = desk
        .kept
        .accounts
        .set_status(&issuer.name, &who.name, status);
    let changed = desk.wait(changed)?;
    if status == Status::Disabled {
        who.end(desk, issuer)?;
    }
    who.done(changed, global, word(status))
}

fn list(desk: &Desk, mount: Option<&str>, as_json: bool) -> Result<(), CliError> {
    let issuer = desk.issuer(mount)?;
    let accounts = desk.wait(desk.kept.store.accounts(&issuer.name))?;
    if as_json {
        let objects: Vec<_> = accounts
            .iter()
            .map(|account| {
                json!({
                    "name": account.name,
                    "status": word(account.status),
                    "scope": account.scope.as_str(),
                    "created_at": account.created_at.to_string(),
                })
            })
            .collect();
        return console::answer_json(&json!(objects));
    }
    let rows: Vec<_> = accounts
        .iter()
        .map(|account| {
            let (status, made) = (
                word(account.status).to_owned(),
                account.created_at.to_string(),
            );
            vec![
                account.name.escape_debug().to_string(),
                status,
                made,
                account.scope.to_string(),
            ]
        })
        .collect();
    console::answer(console::table(&["USER", "STATUS", "SINCE", "SCOPE"], &rows))
}
