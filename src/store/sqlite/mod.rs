//! The store in one SQLite file: the default.
//!
//! The file is in write-ahead mode and every commit is synchronised before it is acknowledged. One connection writes:
//! changes that wait together are committed together, each in its own savepoint (`writer`). A small pool reads. All of
//! it lives on one thread with its own runtime, which ends when the last [`Sqlite`] is dropped or closed.
//!
//! Several processes may open the file: the command line beside a running gateway.
//!
//! Reading order: `open`, `schema`, `writer`, then the tables: `account`, `client`, `key`, with their texts in
//! `statement`.

mod account;
mod client;
mod key;
mod open;
mod schema;
mod statement;
mod writer;

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use sqlx::sqlite::{SqliteConnection, SqlitePool};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use self::writer::Writer;
use super::StoreError;

/// A store in one SQLite file. A clone is the same store.
#[derive(Clone, Debug)]
pub struct Sqlite {
    path: Arc<PathBuf>,
    runtime: Handle,
    readers: SqlitePool,
    writer: Writer,
    stop: CancellationToken,
    stopped: CancellationToken,
}

impl Sqlite {
    /// Opens the file, makes it if it is not there, and brings its schema up to date.
    pub(super) async fn open(path: PathBuf) -> Result<Self, StoreError> {
        open::open(path).await
    }

    pub(super) async fn close(&self) {
        self.stop.cancel();
        self.stopped.cancelled().await;
    }

    pub(super) async fn ping(&self) -> Result<(), StoreError> {
        self.write(|connection| {
            Box::pin(async move {
                sqlx::query(statement::PING)
                    .execute(connection)
                    .await
                    .map_err(StoreError::Statement)?;
                Ok(())
            })
        })
        .await?;
        self.read(|pool| async move { sqlx::query(statement::PING).execute(&pool).await })
            .await?;
        Ok(())
    }

    pub(super) async fn integrity(&self) -> Result<(), StoreError> {
        let path = Arc::clone(&self.path);
        self.perform(|pool| async move { schema::inspect(&path, &pool).await })
            .await
    }

    /// Asks one question of a reading connection.
    async fn read<T, F, W>(&self, question: F) -> Result<T, StoreError>
    where
        F: FnOnce(SqlitePool) -> W,
        W: Future<Output = sqlx::Result<T>> + Send + 'static,
        T: Send + 'static,
    {
        let asked = question(self.readers.clone());
        self.perform(|_| async move { asked.await.map_err(refused) })
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

    /// Makes one change, and returns when it is on the disk.
    async fn write<T, F>(&self, change: F) -> Result<T, StoreError>
    where
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, StoreError>>
            + Send
            + 'static,
        T: Send + 'static,
    {
        self.writer.make(change).await
    }

    /// Makes a change that touches one row; says whether that row was there.
    async fn touch<F>(&self, change: F) -> Result<bool, StoreError>
    where
        F: FnOnce() -> Query + Send + 'static,
    {
        self.write(|connection| {
            Box::pin(async move {
                let done = change()
                    .execute(connection)
                    .await
                    .map_err(StoreError::Statement)?;
                Ok(done.rows_affected() > 0)
            })
        })
        .await
    }
}

type Query = sqlx::query::Query<'static, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

/// What a failed question means. A pool that is closed, or has no connection to spare, has not been asked at all.
fn refused(error: sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::PoolClosed => StoreError::Closed,
        sqlx::Error::PoolTimedOut => StoreError::Overloaded,
        other => StoreError::Statement(other),
    }
}
