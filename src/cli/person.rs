//! `tollgate user`, the particulars: who a new person is, and their second factor.

use clap::{Args, Subcommand};

use super::command::Global;
use super::desk::Desk;
use super::user::{Password, Who};
use super::{CliError, console};
use crate::issue::NewAccount;
use crate::token::{Scope, Secret};

/// Who a new person is.
#[derive(Debug, Args)]
pub(super) struct Particulars {
    /// Where they can be written to, and what they may log in with; their name, if that is an address
    #[arg(long)]
    email: Option<String>,
    /// What they are called by people
    #[arg(long)]
    title: Option<String>,
    /// The account they are a member of; a member needs no password
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,
}

impl Particulars {
    /// The password; a member has one only if a file is named.
    pub(super) fn password(&self, password: &Password) -> Result<Option<Secret>, CliError> {
        if self.owner.is_some() && password.is_unsaid() {
            return Ok(None);
        }
        password.read().map(Some)
    }

    pub(super) fn of(self, name: &str, password: Option<Secret>, scope: Scope) -> NewAccount {
        NewAccount {
            name: name.to_owned(),
            password,
            scope,
            email: self.email,
            title: self.title,
            owner: self.owner,
        }
    }
}

/// The second factor of a person.
#[derive(Debug, Subcommand)]
pub(super) enum TotpCommand {
    /// Ask a person for the digits of an app too; what the app must be told goes to standard output, this once
    Enable {
        #[command(flatten)]
        who: Who,
    },
    /// Ask a person for their password only
    Disable {
        #[command(flatten)]
        who: Who,
    },
}

impl TotpCommand {
    pub(super) fn obey(self, global: &Global, desk: &Desk) -> Result<(), CliError> {
        let factors = desk.kept.mint.second_factors();
        match self {
            Self::Enable { who } => {
                let issuer = who.issuer(desk)?;
                let told = desk.wait(factors.enable(&issuer.name, &who.name))?;
                who.done(
                    told.is_some(),
                    global,
                    "second factor enabled; their app reads:",
                )?;
                console::answer(told.as_ref().map_or("", Secret::reveal))
            }
            Self::Disable { who } => {
                let issuer = who.issuer(desk)?;
                let changed = desk.wait(factors.disable(&issuer.name, &who.name))?;
                who.done(changed, global, "second factor disabled")
            }
        }
    }
}
