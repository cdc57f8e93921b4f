//! The store: an enum of its engines, and the few things an engine does. What can happen in it is in `table`.

use std::path::Path;

use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::fields::Row;
use super::postgres::{Postgres, Way};
use super::schema::Standing;
use super::settings::Place;
use super::sqlite::Sqlite;
use super::statement::{Connection, Statement};
use super::{StoreError, StoreSettings};
use crate::token::Timestamp;

/// What must survive a restart. A clone is the same store.
#[derive(Clone, Debug)]
pub struct Store {
    engine: Engine,
}

#[derive(Clone, Debug)]
enum Engine {
    /// One file, one process that writes (and the command line beside it).
    Sqlite(Sqlite),
    /// A database that several nodes share.
    Postgres(Postgres),
}

impl Store {
    /// Opens the store that the settings name, makes it if it is not there, and brings its schema up to date.
    pub async fn open(settings: &StoreSettings, data_dir: &Path) -> Result<Self, StoreError> {
        let engine = match settings.place(data_dir)? {
            Place::File(path) => Engine::Sqlite(Sqlite::open(path, settings.migrate).await?),
            Place::Server(options) => {
                let way = Way {
                    options: *options,
                    pool: settings.pool,
                    migrate: settings.migrate,
                };
                Engine::Postgres(Postgres::open(way).await?)
            }
        };
        Ok(Self { engine })
    }

    /// Whether several processes that serve requests may have it open.
    pub const fn is_shared(&self) -> bool {
        match &self.engine {
            Engine::Sqlite(_) => false,
            Engine::Postgres(_) => true,
        }
    }

    /// Finishes what was begun and closes. Everything asked afterwards is [`StoreError::Closed`].
    pub async fn close(&self) {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.close().await,
            Engine::Postgres(postgres) => postgres.close().await,
        }
    }

    /// Whether the store can be read and written now.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.returning(Statement::new(PING)).await?;
        self.ask(Statement::new(PING)).await?;
        Ok(())
    }

    /// What time it is where the store is; nothing where that is this machine.
    pub async fn clock(&self) -> Result<Option<Timestamp>, StoreError> {
        match &self.engine {
            Engine::Sqlite(_) => Ok(None),
            Engine::Postgres(_) => {
                let row = self.ask_one(Statement::new(CLOCK)).await?;
                row.map(|row| row.of("pg_catalog").time("now")).transpose()
            }
        }
    }

    /// Reads everything through and looks for damage. Takes long; for the command line.
    pub async fn integrity(&self) -> Result<(), StoreError> {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.integrity().await,
            Engine::Postgres(postgres) => postgres.integrity().await,
        }
    }

    /// Writes a copy of everything, as it is at this moment, to a new file, while others go on reading and writing.
    pub async fn backup(&self, file: &Path) -> Result<(), StoreError> {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.backup(file).await,
            Engine::Postgres(_) => Err(StoreError::NoBackup {
                place: self.place(),
            }),
        }
    }

    /// What people call it: the file, or the database without anything secret.
    pub fn place(&self) -> String {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.path().display().to_string(),
            Engine::Postgres(postgres) => postgres.place().to_owned(),
        }
    }

    /// How far its schema has come.
    pub async fn standing(&self) -> Result<Standing, StoreError> {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.standing().await,
            Engine::Postgres(postgres) => postgres.standing().await,
        }
    }

    /// Changes whenever something may have been revoked, here or by another node: ask [`Store::revocations_since`]. It
    /// is quick and not to be relied on alone; ask every second, too. None: the engine cannot tell, so asking is all
    /// there is.
    pub fn watch(&self) -> Option<watch::Receiver<u64>> {
        match &self.engine {
            Engine::Sqlite(_) => None,
            Engine::Postgres(postgres) => Some(postgres.watch()),
        }
    }
}

/// What the tables are made with.
impl Store {
    /// Asks a question.
    pub(super) async fn ask(&self, question: Statement) -> Result<Vec<Row>, StoreError> {
        if question.holds_nul() {
            return Ok(Vec::new());
        }
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.ask(question).await,
            Engine::Postgres(postgres) => postgres.inquire(question).await,
        }
    }

    /// Asks a question that has at most one answer.
    pub(super) async fn ask_one(&self, question: Statement) -> Result<Option<Row>, StoreError> {
        Ok(self.ask(question).await?.into_iter().next())
    }

    /// Makes a change of several statements wholly or not at all, and returns when it is on the disk. An error undoes
    /// it.
    pub(super) async fn transact<T, F>(&self, change: F) -> Result<T, StoreError>
    where
        F: for<'c> FnOnce(Connection<'c>) -> BoxFuture<'c, Result<T, StoreError>> + Send + 'static,
        T: Send + 'static,
    {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.transact(change).await,
            Engine::Postgres(postgres) => postgres.transact(change).await,
        }
    }

    /// Asks questions of everything as it is at one moment, while others go on changing it.
    pub(super) async fn still<T, F>(&self, looking: F) -> Result<T, StoreError>
    where
        F: for<'c> FnOnce(Connection<'c>) -> BoxFuture<'c, Result<T, StoreError>> + Send + 'static,
        T: Send + 'static,
    {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.still(looking).await,
            Engine::Postgres(postgres) => postgres.still(looking).await,
        }
    }

    /// Makes a change of one statement, and says how many rows it touched.
    pub(super) async fn alter(&self, change: Statement) -> Result<u64, StoreError> {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.alter(change).await,
            Engine::Postgres(postgres) => postgres.alter(change).await,
        }
    }

    /// Makes a change of one statement, and says whether it touched any row.
    pub(super) async fn touch(&self, change: Statement) -> Result<bool, StoreError> {
        Ok(self.alter(change).await? > 0)
    }

    /// Makes a change of one statement, and gives the rows it returns.
    pub(super) async fn returning(&self, change: Statement) -> Result<Vec<Row>, StoreError> {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.returning(change).await,
            Engine::Postgres(postgres) => postgres.ask(change).await,
        }
    }
}

const PING: &str = "SELECT 1";
const CLOCK: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now";
