//! `tollgate user`: people who may ask for tokens. Each token service has its own.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{Args, Subcommand};
use serde_json::json;
use zeroize::Zeroizing;

use super::client::word;
use super::command::Global;
use super::desk::Desk;
use super::person::{Particulars, TotpCommand};
use super::{CliError, console, input};
use crate::issue::{Hashing, LocalIssuer, NewAccount, PasswordSettings};
use crate::server::StartError;
use crate::settings::ByteSize;
use crate::store::Status;
use crate::token::{Scope, Secret};

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
        #[command(flatten)]
        particulars: Particulars,
    },
    /// Add everybody in a file, or nobody: a JSON object on every line, with `name`, and where wanted `email`, `title`,
    /// `scopes` (a list), `hash` (of their password: Argon2, bcrypt, PBKDF2 or scrypt) and `must_reset`
    Import {
        /// The file; `-` is standard input
        file: PathBuf,
        /// The token service: the name of its `[dialect.NAME]`; may be left out if there is only one
        #[arg(long)]
        mount: Option<String>,
    },
    /// Show a person
    Show {
        #[command(flatten)]
        who: Who,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// What passwords are worth, and what they cost
    #[command(subcommand)]
    Password(PasswordCommand),
    /// The second factor of a person
    #[command(subcommand)]
    Totp(TotpCommand),
    /// List the people of a token service
    List {
        /// The token service: the name of its `[dialect.NAME]`
        #[arg(long)]
        mount: Option<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Give a person another password, which also lifts a required reset; their sessions end now
    Passwd {
        #[command(flatten)]
        who: Who,
        #[command(flatten)]
        password: Password,
    },
    /// Let a person's password do no more until they have another (`passwd`); their sessions end now
    RequireReset {
        #[command(flatten)]
        who: Who,
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
    /// Let a person get no more tokens; their sessions end now
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

/// What passwords are worth, and what they cost.
#[derive(Debug, Subcommand)]
pub(super) enum PasswordCommand {
    /// Hash a password as the configuration says
    Hash {
        #[command(flatten)]
        password: Password,
    },
    /// Say how long one hash takes on this machine, as the configuration says and with other settings
    Calibrate,
}

/// A person of a token service.
#[derive(Debug, Args)]
pub(super) struct Who {
    /// Their name
    pub(super) name: String,
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
            particulars,
        } => {
            let password = particulars.password(&password)?;
            add(
                global,
                &desk,
                &who,
                particulars.of(&who.name, password, scope),
            )
        }
        UserCommand::Totp(command) => command.obey(global, &desk),
        UserCommand::List { mount, json } => list(&desk, mount.as_deref(), json),
        UserCommand::Passwd { who, password } => passwd(global, &desk, &who, &password),
        UserCommand::RequireReset { who } => require_reset(global, &desk, &who),
        UserCommand::Import { file, mount } => import(global, &desk, &file, mount.as_deref()),
        UserCommand::Show { who, json } => show(&desk, &who, json),
        UserCommand::Password(PasswordCommand::Hash { password }) => {
            let hash = desk.kept.accounts.hashing().hash(password.read()?);
            console::answer(desk.wait(hash)?.reveal())
        }
        UserCommand::Password(PasswordCommand::Calibrate) => calibrate(&desk),
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
            who.end_sessions(&desk, issuer)?;
            who.done(changed, global, "refresh tokens void, sessions ended")
        }
        UserCommand::Disable { who } => set(global, &desk, &who, Status::Disabled),
        UserCommand::Enable { who } => set(global, &desk, &who, Status::Active),
    }
}

impl Who {
    pub(super) fn issuer<'a>(&self, desk: &'a Desk) -> Result<&'a LocalIssuer, CliError> {
        desk.issuer(self.mount.as_deref())
    }

    /// Ends their sessions and takes their tokens back.
    fn end(&self, desk: &Desk, issuer: &LocalIssuer) -> Result<(), CliError> {
        desk.wait(desk.kept.mint.end_account(&self.name, issuer, desk.now))?;
        Ok(())
    }

    fn unknown(&self) -> CliError {
        CliError::Unknown {
            kind: "user",
            name: self.name.clone(),
            hint: ": `tollgate user list` shows those there are".to_owned(),
        }
    }

    /// Ends their sessions. Tokens that belong to none live out their time.
    fn end_sessions(&self, desk: &Desk, issuer: &LocalIssuer) -> Result<(), CliError> {
        let mint = &desk.kept.mint;
        let sessions = desk.wait(mint.list_sessions(Some(&self.name), issuer))?;
        for session in sessions.into_iter().flatten() {
            desk.wait(mint.end_session(session.id, issuer, desk.now))?;
        }
        Ok(())
    }

    pub(super) fn done(&self, changed: bool, global: &Global, what: &str) -> Result<(), CliError> {
        let name = &self.name;
        if !changed {
            return Err(self.unknown());
        }
        global.note(format_args!("user {name}: {what}"));
        Ok(())
    }
}

impl Password {
    /// Whether nobody named a file with it.
    pub(super) const fn is_unsaid(&self) -> bool {
        self.password_file.is_none()
    }

    pub(super) fn read(&self) -> Result<Secret, CliError> {
        input::secret("password", self.password_file.as_deref())
    }
}

fn add(global: &Global, desk: &Desk, who: &Who, newcomer: NewAccount) -> Result<(), CliError> {
    let issuer = who.issuer(desk)?;
    let accounts = &desk.kept.accounts;
    let account = desk.wait(accounts.add(&issuer.name, newcomer, desk.now))?;
    global.note(format_args!("user {} added; they log in with:", who.name));
    console::answer(&account.key)
}

fn passwd(global: &Global, desk: &Desk, who: &Who, password: &Password) -> Result<(), CliError> {
    let issuer = who.issuer(desk)?;
    let accounts = &desk.kept.accounts;
    let changed = accounts.set_password(&issuer.name, &who.name, password.read()?);
    let changed = desk.wait(changed)?;
    who.end(desk, issuer)?;
    who.done(changed, global, "password changed, sessions ended")
}

fn require_reset(global: &Global, desk: &Desk, who: &Who) -> Result<(), CliError> {
    let issuer = who.issuer(desk)?;
    let changed = desk.kept.accounts.require_reset(&issuer.name, &who.name);
    let changed = desk.wait(changed)?;
    who.end(desk, issuer)?;
    who.done(
        changed,
        global,
        "must have another password, sessions ended",
    )
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

fn import(global: &Global, desk: &Desk, file: &Path, mount: Option<&str>) -> Result<(), CliError> {
    let issuer = desk.issuer(mount)?;
    let text = Zeroizing::new(if file.as_os_str() == "-" {
        io::read_to_string(io::stdin())
            .map_err(|error| CliError::System("read standard input", error))?
    } else {
        input::read(file)?
    });
    let accounts = &desk.kept.accounts;
    let count = desk.wait(accounts.import(&issuer.name, &text, desk.now))?;
    global.note(format_args!("users added: {count}"));
    Ok(())
}

fn show(desk: &Desk, who: &Who, as_json: bool) -> Result<(), CliError> {
    let issuer = who.issuer(desk)?;
    let found = desk.wait(desk.kept.store.account_by_name(&issuer.name, &who.name))?;
    let account = found.ok_or_else(|| who.unknown())?;
    let told = json!({
        "id": account.id.to_string(),
        "name": account.name,
        "status": word(account.status),
        "scope": account.scope.as_str(),
        "email": account.email,
        "title": account.title,
        "has_password": !account.password.reveal().is_empty(),
        "has_second_factor": account.totp.is_some(),
        "must_reset": account.must_reset,
        "created_at": account.created_at.to_string(),
    });
    if as_json {
        return console::answer_json(&told);
    }
    let members = told.as_object().into_iter().flatten();
    let rows: Vec<_> = members
        .map(|(name, value)| {
            let text = value.as_str().map(|text| text.escape_debug().to_string());
            vec![name.clone(), text.unwrap_or_else(|| value.to_string())]
        })
        .collect();
    console::answer(console::table(&["WHAT", "VALUE"], &rows))
}

/// One hash with each of some settings, the configured ones first. One run each: this is for a first guess.
fn calibrate(desk: &Desk) -> Result<(), CliError> {
    let configured = &desk.config.passwords;
    let other = |memory, passes| PasswordSettings {
        memory: ByteSize::mib(memory),
        passes,
        ..configured.clone()
    };
    let all = [configured.clone(), other(19, 2), other(46, 1), other(64, 3)];
    let mut rows = Vec::new();
    for settings in &all {
        let hashing = Hashing::start(settings).map_err(StartError::from)?;
        let begun = Instant::now();
        desk.wait(hashing.hash(Secret::new("correct horse battery staple")))?;
        let millis = format!("{} ms", begun.elapsed().as_millis());
        let [passes, lanes] = [settings.passes, settings.lanes].map(|number| number.to_string());
        rows.push(vec![settings.memory.to_string(), passes, lanes, millis]);
    }
    let titles = ["MEMORY", "PASSES", "LANES", "ONE HASH"];
    console::answer(console::table(&titles, &rows))
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
