//! The store in a PostgreSQL database, which several nodes share.
//!
//! Every commit is synchronous, whatever the server's default. A change of one statement is one round trip; what is
//! several statements is a transaction. All races are decided by single rows, so the default isolation is enough; where
//! an order matters (verdicts, exclusive sessions) an advisory lock makes it. All connections live on one thread with
//! its own runtime, which ends when the last [`Postgres`] is dropped or closed. A server or a network that keeps silent is
//! given up: nothing here waits without a limit.
//!
//! Reading order: `open`, `schema`, `lend`, `listen`.

mod lend;
mod listen;
mod open;
mod schema;

use std::future::Future;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use sqlx::postgres::PgConnectOptions;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use self::lend::Lender;
use super::fields::Row;
use super::schema::Standing;
use super::statement::{Connection, Statement};
use super::{Migrate, PoolSettings, StoreError};

/// A store in a PostgreSQL database. A clone is the same store.
#[derive(Clone, Debug)]
pub(super) struct Postgres {
    place: Arc<str>,
    lender: Lender,
    news: watch::Receiver<u64>,
    stop: CancellationToken,
    stopped: CancellationToken,
    _last: Arc<DropGuard>,
}

/// Which database, and how.
#[derive(Clone, Debug)]
pub(super) struct Way {
    pub(super) options: PgConnectOptions,
    pub(super) pool: PoolSettings,
    pub(super) migrate: Migrate,
}

impl Postgres {
    /// Connects, and brings the schema up to date.
    pub(super) async fn open(way: Way) -> Result<Self, StoreError> {
        open::open(way).await
    }

    /// How it is named to people.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    pub(super) async fn close(&self) {
        self.stop.cancel();
        self.stopped.cancelled().await;
    }

    /// Prepares every statement, so that a schema that does not fit is found.
    pub(super) async fn integrity(&self) -> Result<(), StoreError> {
        self.perform(|lender| async move { schema::inspect(&lender.pool).await })
            .await
    }

    pub(super) async fn standing(&self) -> Result<Standing, StoreError> {
        self.perform(|lender| async move { schema::standing(&lender.pool).await })
            .await
    }

    /// Changes when something may have been revoked, by whichever node.
    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.news.clone()
    }

    /// Asks a question. A kept connection may have died with its server since it was last used: a question, which
    /// changes nothing, is then asked again, until one is whole.
    pub(super) async fn inquire(&self, question: Statement) -> Result<Vec<Row>, StoreError> {
        for _ in 0..self.lender.most() {
            match self.ask(question.clone()).await {
                Err(StoreError::Statement(error)) if is_broken(&error) => {}
                answer => return answer,
            }
        }
        self.ask(question).await
    }

    /// Asks one statement by itself, which may be a change.
    pub(super) async fn ask(&self, statement: Statement) -> Result<Vec<Row>, StoreError> {
        self.perform(|lender| async move { statement.all(&mut lender.lend().await?.line()).await })
            .await
    }

    /// Makes a change of one statement, and says how many rows it touched.
    pub(super) async fn alter(&self, statement: Statement) -> Result<u64, StoreError> {
        self.perform(
            |lender| async move { statement.execute(&mut lender.lend().await?.line()).await },
        )
        .await
    }

    /// Makes one change wholly or not at all, and returns when it is on the server's disk. If the caller goes away, the
    /// change is made all the same.
    pub(super) async fn transact<T, F>(&self, change: F) -> Result<T, StoreError>
    where
        F: for<'c> FnOnce(Connection<'c>) -> BoxFuture<'c, Result<T, StoreError>> + Send + 'static,
        T: Send + 'static,
    {
        self.perform(|lender| async move {
            let mut lent = lender.lend().await?;
            let mut begun = lent.begin().await?;
            match change(begun.line()).await {
                Ok(value) => begun.commit().await.map(|()| value),
                Err(StoreError::Silent) => Err(StoreError::Silent),
                Err(error) => {
                    begun.roll_back().await;
                    Err(error)
                }
            }
        })
        .await
    }

    /// Asks questions of everything as it is at one moment, while others go on changing it.
    pub(super) async fn still<T, F>(&self, looking: F) -> Result<T, StoreError>
    where
        F: for<'c> FnOnce(Connection<'c>) -> BoxFuture<'c, Result<T, StoreError>> + Send + 'static,
        T: Send + 'static,
    {
        self.perform(|lender| async move {
            let mut lent = lender.lend().await?;
            let mut begun = lent.begin().await?;
            Statement::new(STILL).execute(&mut begun.line()).await?;
            let seen = looking(begun.line()).await;
            begun.roll_back().await;
            seen
        })
        .await
    }

    async fn perform<T, F, W>(&self, work: F) -> Result<T, StoreError>
    where
        F: FnOnce(Lender) -> W,
        W: Future<Output = Result<T, StoreError>> + Send + 'static,
        T: Send + 'static,
    {
        // On the store's own runtime: a pool belongs to the one that made it.
        let task = self.lender.runtime.spawn(work(self.lender.clone()));
        task.await.map_err(|_| StoreError::Closed)?
    }
}

const STILL: &str = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY";

/// Whether a connection broke, or its server is about to go (SQLSTATE class 57P).
fn is_broken(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| code.starts_with("57P")),
        _ => false,
    }
}
