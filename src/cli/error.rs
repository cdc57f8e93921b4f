//! Why a command does not do what it was told, and which exit code says so.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use super::call::CallError;
use crate::issue::{ImportError, IssueError};
use crate::net::OutboundError;
use crate::server::StartError;
use crate::settings::Report;
use crate::store::StoreError;
use crate::token::KeyError;
use crate::verify::KeySetError;

/// Why a command does not do what it was told.
#[derive(Debug, thiserror::Error)]
pub(super) enum CliError {
    /// The configuration cannot be used; the report says it all, unless it has been said.
    #[error("use the configuration")]
    Configuration(Option<Box<Report>>),
    /// The program cannot start with it.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The answer is no; why has been said.
    #[error("say yes")]
    No,
    /// A word of the command line means nothing here.
    #[error("{0}")]
    Usage(String),
    /// Nobody and nothing of that name.
    #[error("find {kind} {name:?}{hint}")]
    Unknown {
        /// What was looked for.
        kind: &'static str,
        /// Its name.
        name: String,
        /// What to do about it; begins with a colon, or is empty.
        hint: String,
    },
    /// The issuing side refused.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// A file of people is not taken.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A file with keys cannot be used.
    #[error("read keys from {path}")]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: KeySetError,
    },
    /// A file cannot be read or written.
    #[error("{doing} {path}")]
    File {
        /// What was tried.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Standard input, standard output, a thread, a signal: the system refused.
    #[error("{0}")]
    System(&'static str, #[source] io::Error),
    /// The log cannot be set up.
    #[error("start the log: {0}")]
    Log(String),
    /// A token endpoint does not answer.
    #[error("ask the token endpoint")]
    Endpoint(#[from] OutboundError),
    /// A request of the tour has no reply.
    #[error("take the tour")]
    Tour(#[from] CallError),
}

impl CliError {
    /// The exit code: 1 no, 2 usage, 69 not reachable, 78 configuration.
    pub(super) fn code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Usage(_) => 2,
            Self::Store(
                StoreError::Closed | StoreError::Overloaded | StoreError::Connect { .. },
            ) => 69,
            Self::Configuration(_) => 78,
            _ => 1,
        })
    }
}
