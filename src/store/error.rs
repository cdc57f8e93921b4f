//! Why something cannot be kept or found.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::observe::Refusal;
use crate::settings::SecretError;

/// Why something cannot be kept or found.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The setting names no store.
    #[error(
        "read {0:?} as a store: write `url = \"sqlite:tollgate.db\"` or `url = \"postgres://tollgate@db.internal/tollgate\"`"
    )]
    Url(String),
    /// The address of the database cannot be read. It may hold a password, so it is not shown.
    #[error(
        "read the address of the database: write `url = \"postgres://tollgate@db.internal/tollgate\"`"
    )]
    Address,
    /// Whoever can read the configuration would have the password.
    #[error(
        "keep a password in `url`: write `password = {{ file = \"..\" }}` beside it, or all of it as `url_from = {{ env = \"DATABASE_URL\" }}`"
    )]
    PasswordInUrl,
    /// The password or the address cannot be had.
    #[error("read the secret of the store")]
    Secret(#[source] SecretError),
    /// The database cannot be reached, or does not let us in.
    #[error("connect to {place}")]
    Connect {
        /// The database.
        place: String,
        /// What the engine said.
        #[source]
        source: sqlx::Error,
    },
    /// The schema is older than this program, which was told to leave it alone.
    #[error(
        "use {place}: its schema is {found} and this program needs {known}; run `tollgate store migrate`"
    )]
    Outdated {
        /// The database.
        place: String,
        /// The schema it has.
        found: i64,
        /// The schema this program needs.
        known: i64,
    },
    /// The folder of the file cannot be made or written.
    #[error(
        "write in {folder}: give the folder to the user Tollgate runs as, or set another `data_dir`"
    )]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A folder stands where the file would be.
    #[error(
        "keep anything in {path}: it is a folder; set `store.url` to a file in it or beside it, as in `sqlite:tollgate.db`"
    )]
    IsFolder {
        /// The folder.
        path: PathBuf,
    },
    /// Everybody on the machine can read the file.
    #[error("trust {path}: every user of this machine can read it; run `chmod 600 {path}`")]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// The file is there, and we may not read or write it or the files beside it.
    #[error(
        "read and write {path}: give it, the files beside it and their folder to the user Tollgate runs as"
    )]
    Barred {
        /// The file.
        path: PathBuf,
        /// What the engine said.
        #[source]
        source: sqlx::Error,
    },
    /// The file cannot be opened.
    #[error("open {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// What the engine said.
        #[source]
        source: sqlx::Error,
    },
    /// The file is damaged, or never was a database.
    #[error(
        "read {path} as a database: it is damaged; put a backup in its place, or move it away to start empty"
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What the engine said.
        #[source]
        source: sqlx::Error,
    },
    /// Some other program's database.
    #[error("use {place}: it is a database of another program; set another `store.url`")]
    Foreign {
        /// The database.
        place: String,
    },
    /// A newer Tollgate has changed the schema.
    #[error(
        "use {place}: a newer Tollgate has brought it to schema {found}, this one knows {known}; start the newer one, or put a backup in its place"
    )]
    Newer {
        /// The database.
        place: String,
        /// The schema it has.
        found: i64,
        /// The newest schema this program knows.
        known: i64,
    },
    /// A step of the schema is not what this program would have done.
    #[error(
        "use {place}: step {step} of its schema was made by another build; start that build, or put a backup in its place"
    )]
    Altered {
        /// The database.
        place: String,
        /// The step that differs.
        step: i64,
    },
    /// The engine's threads cannot be started.
    #[error("start the threads of the store")]
    Start(#[source] io::Error),
    /// A statement failed.
    #[error("ask the store")]
    Statement(#[source] sqlx::Error),
    /// The server has not answered in time. What was to be changed may or may not have been.
    #[error("wait any longer for an answer of the store")]
    Silent,
    /// A row holds what nobody here wrote.
    #[error("understand {column} of a row of {table}")]
    Row {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
    },
    /// Text with a NUL in it, which not every engine can keep.
    #[error("keep text with a NUL in it")]
    Nul,
    /// One of many that were to be kept together has a name that is taken; none was kept.
    #[error("keep them all: the name of number {0} is taken")]
    Taken(usize),
    /// What is to take everything holds something already.
    #[error("copy to {place}: it is not empty; name a new one")]
    NotEmpty {
        /// The database.
        place: String,
    },
    /// After everything was copied, the two differ.
    #[error(
        "copy {0}: the two have not the same number of rows, as somebody wrote to the new one; name another"
    )]
    Miscounted(&'static str),
    /// The backup cannot be written.
    #[error("write {path}: name a file that is not there, in a folder that is")]
    Backup {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The engine has its own way.
    #[error("back up {place}: PostgreSQL has its own ways; run `pg_dump`")]
    NoBackup {
        /// The database.
        place: String,
    },
    /// The engine found damage in the file.
    #[error("trust the store: {0}")]
    Damaged(String),
    /// What was to be kept may or may not have been kept.
    #[error("commit to the store")]
    Commit(#[source] Arc<sqlx::Error>),
    /// The transaction could not begin or was broken off before this change came to its turn. It was not made.
    #[error("make a change in the store: the one before it failed")]
    Unmade,
    /// More is waiting to be kept than there is room for.
    #[error("queue another change to the store")]
    Overloaded,
    /// The store was closed, or has closed itself because the disk failed.
    #[error("ask the store: it is closed")]
    Closed,
}

impl StoreError {
    /// What it means that a pool gives no connection. Nothing has been asked.
    pub(super) fn from_pool(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::PoolClosed => Self::Closed,
            sqlx::Error::PoolTimedOut => Self::Overloaded,
            other => Self::Statement(other),
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(_: StoreError) -> Self {
        Self::StoreUnavailable
    }
}
