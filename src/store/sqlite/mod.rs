//! The store in one SQLite file: the default.
//!
//! The file is in write-ahead mode and every commit is synchronised before it is acknowledged. One connection writes:
//! changes that wait together are committed together, each in its own savepoint (`writer`). A small pool reads. All of
//! it lives on one thread with its own runtime, which ends when the last [`Sqlite`] is dropped or closed.
//!
//! Several processes may open the file: the command line beside a running gateway.
//!
//! Reading order: `open`, `schema`, `writer`, `backup`.

mod backup;
mod open;
mod schema;
mod writer;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use sqlx::sqlite::SqlitePool;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use self::writer::{Extent, Writer};
use super::fields::Row;
use super::schema::Standing;
use super::statement::{Connection, Statement};
use super::{Migrate, StoreError};

/// A store in one SQLite file. A clone is the same store.
#[derive(Clone, Debug)]
pub(super) struct Sqlite {
    path: Arc<PathBuf>,
    runtime: Handle,
    readers: SqlitePool,
    writer: Writer,
    stop: CancellationToken,
    stopped: CancellationToken,
}

impl Sqlite {
    /// Opens the file, makes it if it is not there, and brings its schema up to date.
    pub(super) async fn open(path: PathBuf, migrate: Migrate) -> Result<Self, StoreError> {
        open::open(path, migrate).await
    }

    pub(super) async fn close(&self) {
        self.stop.cancel();
        self.stopped.cancelled().await;
    }

    pub(super) async fn integrity(&self) -> Result<(), StoreError> {
        let path = Arc::clone(&self.path);
        self.perform(|pool| async move { schema::inspect(&path, &pool).await })
            .await
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) async fn backup(&self, file: &Path) -> Result<(), StoreError> {
        let (path, file) = (Arc::clone(&self.path), file.to_owned());
        self.perform(|_| async move { backup::write(&path, &file).await })
            .await
    }

    pub(super) async fn standing(&self) -> Result<Standing, StoreError> {
        let path = Arc::clone(&self.path);
        self.perform(|pool| async move { schema::standing(&path, &pool).await })
            .await
    }

    /// Asks a question of a reading connection.
    pub(super) async fn ask(&self, question: Statement) -> Result<Vec<Row>, StoreError> {
        self.perform(|pool| async move {
            let mut connection = pool.acquire().await.map_err(StoreError::from_pool)?;
            question.all(&mut Connection::Sqlite(&mut connection)).await
        })
        .await
    }

    /// Asks questions of everything as it is at one moment, while others go on changing it.
    pub(super) async fn still<T, F>(&self, looking: F) -> Result<T, StoreError>
    where
        F: for<'c> FnOnce(Connection<'c>) -> BoxFuture<'c, Result<T, StoreError>> + Send + 'static,
        T: Send + 'static,
    {
        self.perform(|pool| async move {
            // A transaction that only reads sees the file as it was at its first question.
            let mut transaction = pool.begin().await.map_err(StoreError::from_pool)?;
            looking(Connection::Sqlite(&mut transaction)).await
        })
        .await
    }

    async fn perform<T, F, W>(&self, work: F) -> Result<T, StoreError>
    where
        F: FnOnce(SqlitePool) -> W,
        W: Future<Output = Result<T, StoreError>> + Send + 'static,
        T: Send + 'static,
    {
        // On the store's own runtime: a pool belongs to the one that made it.
        let task = self.runtime.spawn(work(self.readers.clone()));
        task.await.map_err(|_| StoreError::Closed)?
    }

    /// Makes one change wholly or not at all, and returns when it is on the disk.
    pub(super) async fn transact<T, F>(&self, change: F) -> Result<T, StoreError>
    where
        F: for<'c> FnOnce(Connection<'c>) -> BoxFuture<'c, Result<T, StoreError>> + Send + 'static,
        T: Send + 'static,
    {
        self.writer
            .make(Extent::Several, |connection| {
                change(Connection::Sqlite(connection))
            })
            .await
    }

    /// Makes a change of one statement, and says how many rows it touched.
    pub(super) async fn alter(&self, change: Statement) -> Result<u64, StoreError> {
        self.writer
            .make(Extent::Statement, |connection| {
                Box::pin(async move { change.execute(&mut Connection::Sqlite(connection)).await })
            })
            .await
    }

    /// Makes a change of one statement, and gives the rows it returns.
    pub(super) async fn returning(&self, change: Statement) -> Result<Vec<Row>, StoreError> {
        self.writer
            .make(Extent::Statement, |connection| {
                Box::pin(async move { change.all(&mut Connection::Sqlite(connection)).await })
            })
            .await
    }
}
