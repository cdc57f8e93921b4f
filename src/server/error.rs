//! Why the program cannot start: each a sentence that names the thing and the mend.

use std::path::PathBuf;

use super::Skew;
use crate::listen::ListenError;
use crate::net::TrustError;
use crate::pages::LookError;
use crate::settings::SecretError;
use crate::store::StoreError;
use crate::verify::SetupError;

/// Why the program cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder cannot be made or entered.
    #[error(
        "make the data folder {path}: choose another with `server.data_dir`, or give this user the right to write there"
    )]
    DataFolder {
        /// The folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The master key cannot be had.
    #[error("get the master key (`server.master_key`)")]
    MasterKey(#[source] SecretError),
    /// The store cannot be opened.
    #[error("open the store")]
    Store(#[source] StoreError),
    /// The clock is not that of the other nodes.
    #[error(
        "keep time with the nodes that share the store: set the clocks of all of them by one source (NTP)"
    )]
    Clock(#[source] Skew),
    /// The issuing side cannot start.
    #[error("set up the token endpoints")]
    Issue(#[from] crate::issue::StartError),
    /// An upstream's TLS cannot be set up.
    #[error("set up TLS for [upstream.{name}]")]
    Upstream {
        /// The upstream.
        name: String,
        /// What is wrong.
        source: TrustError,
    },
    /// A route leads to an upstream that is not there.
    #[error("find [upstream.{upstream}], to which [route.{route}] leads")]
    NoSuchUpstream {
        /// The route.
        route: String,
        /// The upstream.
        upstream: String,
    },
    /// Not a name for a header field. The check of the file says so before, and where it stands.
    #[error("set the field `{field}` for [route.{route}]: that is not a name for a header field")]
    IdentityField {
        /// The route.
        route: String,
        /// The field.
        field: String,
    },
    /// A mount's place cannot be used.
    #[error("mount [dialect.{name}]: {what}")]
    MountPlace {
        /// The mount.
        name: String,
        /// What is wrong with its place.
        what: String,
    },
    /// Issuers that a route cannot tell apart, or that are not there.
    #[error("set up the issuers of the routes")]
    Issuers(#[from] SetupError),
    /// The pages cannot look as they are to.
    #[error("set up [pages]")]
    Look(#[from] LookError),
    /// A listener cannot be opened.
    #[error("open the listeners")]
    Listen(#[from] ListenError),
    /// The operating system gives no thread or no random numbers.
    #[error("get what every program needs of the operating system")]
    System(#[source] std::io::Error),
}
