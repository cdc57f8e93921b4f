//! `tollgate session`: who is logged in, and who no longer is.

use clap::{ArgGroup, Subcommand};
use serde_json::json;

use super::command::Global;
use super::desk::Desk;
use super::{CliError, console};
use crate::store::{Session, SessionId};

/// Who is logged in.
#[derive(Debug, Subcommand)]
pub(super) enum SessionCommand {
    /// List the live sessions of a token service, newest first, at most 1,000
    List {
        /// The token service: the name of its `[dialect.NAME]`; may be left out if there is only one
        #[arg(long)]
        mount: Option<String>,
        /// Those of this person only
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// End sessions; their tokens are refused within a second, wherever they are
    #[command(group = ArgGroup::new("whose").required(true))]
    Revoke {
        /// The session, as `session list` names it
        #[arg(group = "whose")]
        session: Option<String>,
        /// All of this person
        #[arg(long, value_name = "NAME", group = "whose")]
        user: Option<String>,
        /// All that were opened for this client
        #[arg(long, value_name = "NAME", group = "whose")]
        client: Option<String>,
        /// The token service: the name of its `[dialect.NAME]`; may be left out if there is only one
        #[arg(long)]
        mount: Option<String>,
    },
}

/// Obeys.
pub(super) fn obey(global: &Global, command: SessionCommand) -> Result<(), CliError> {
    let desk = Desk::open(global)?;
    match command {
        SessionCommand::List { mount, user, json } => {
            list(&desk, mount.as_deref(), user.as_deref(), json)
        }
        SessionCommand::Revoke {
            session,
            user,
            client,
            mount,
        } => {
            let (mint, issuer) = (&desk.kept.mint, desk.issuer(mount.as_deref())?);
            let count = match (session, user, client) {
                (Some(session), _, _) => {
                    let id = SessionId::from_hex(&session.to_ascii_lowercase())
                        .ok_or_else(|| unknown(&session))?;
                    if !desk.wait(mint.end_session(id, issuer, desk.now))? {
                        return Err(unknown(&session));
                    }
                    1
                }
                (_, Some(user), _) => desk
                    .wait(mint.end_account(&user, issuer, desk.now))?
                    .ok_or_else(|| nobody(&user))?,
                (_, _, Some(client)) => desk.wait(mint.end_client(&client, issuer, desk.now))?,
                (None, None, None) => 0,
            };
            global.note(format_args!("sessions ended: {count}"));
            Ok(())
        }
    }
}

fn unknown(session: &str) -> CliError {
    CliError::Unknown {
        kind: "session",
        name: session.to_owned(),
        hint: ": `tollgate session list` shows those that live".to_owned(),
    }
}

fn nobody(user: &str) -> CliError {
    CliError::Unknown {
        kind: "user",
        name: user.to_owned(),
        hint: ": `tollgate user list` shows those there are".to_owned(),
    }
}

fn list(
    desk: &Desk,
    mount: Option<&str>,
    user: Option<&str>,
    as_json: bool,
) -> Result<(), CliError> {
    let issuer = desk.issuer(mount)?;
    let sessions = desk.wait(desk.kept.mint.list_sessions(user, issuer))?;
    let sessions = sessions.ok_or_else(|| nobody(user.unwrap_or_default()))?;
    if as_json {
        let objects: Vec<_> = sessions.iter().map(object).collect();
        return console::answer_json(&json!(objects));
    }
    let rows: Vec<_> = sessions
        .iter()
        .map(|session| {
            vec![
                session.id.to_string(),
                session.subject.escape_debug().to_string(),
                session.client.escape_debug().to_string(),
                session.created_at.to_string(),
                session.renewed_at.to_string(),
                session.scope.to_string(),
            ]
        })
        .collect();
    let heads = ["SESSION", "SUBJECT", "CLIENT", "SINCE", "RENEWED", "SCOPE"];
    console::answer(console::table(&heads, &rows))
}

fn object(session: &Session) -> serde_json::Value {
    json!({
        "session": session.id.to_string(),
        "root": session.root.to_string(),
        "subject": session.subject,
        "client": session.client,
        "scope": session.scope.as_str(),
        "generation": session.generation,
        "created_at": session.created_at.to_string(),
        "renewed_at": session.renewed_at.to_string(),
        "idle_end": session.idle_end.to_string(),
    })
}
