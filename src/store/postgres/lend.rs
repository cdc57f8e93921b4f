//! Connections, lent for one change or question each.
//!
//! A network can lose what was sent without a word to either end. So nothing is waited for without a limit, and a
//! connection that stays silent is not lent again: it would be missing from the pool for as long as nobody notices.

use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{Acquire, PgPool, Postgres, Transaction};
use tokio::runtime::Handle;

use crate::store::StoreError;
use crate::store::statement::{Connection, Line, heard};

/// Whoever lends the connections. A clone lends the same.
#[derive(Clone, Debug)]
pub(super) struct Lender {
    pub(super) pool: PgPool,
    /// The runtime the pool belongs to.
    pub(super) runtime: Handle,
    /// For how long an answer is waited for.
    pub(super) patience: Duration,
}

/// A connection that goes back when this is dropped, if it answers then.
pub(super) struct Lent {
    connection: PoolConnection<Postgres>,
    runtime: Handle,
    patience: Duration,
}

impl Lender {
    pub(super) async fn lend(&self) -> Result<Lent, StoreError> {
        let connection = self.pool.acquire().await.map_err(StoreError::from_pool)?;
        Ok(Lent {
            connection,
            runtime: self.runtime.clone(),
            patience: self.patience,
        })
    }

    /// How many there are.
    pub(super) fn most(&self) -> u32 {
        self.pool.options().get_max_connections()
    }
}

impl Lent {
    pub(super) fn line(&mut self) -> Connection<'_> {
        Connection::Postgres(Line {
            connection: &mut self.connection,
            patience: self.patience,
        })
    }

    pub(super) async fn begin(&mut self) -> Result<Begun<'_>, StoreError> {
        let patience = self.patience;
        let transaction = heard(patience, self.connection.begin()).await?;
        Ok(Begun {
            transaction,
            patience,
        })
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        // Whether it answers is asked on the way back. One that does not within the time is dropped there.
        let back = self.connection.return_to_pool();
        self.runtime
            .spawn(async move { tokio::time::timeout(RETURN, back).await });
    }
}

/// A transaction that was begun.
pub(super) struct Begun<'c> {
    transaction: Transaction<'c, Postgres>,
    patience: Duration,
}

impl Begun<'_> {
    pub(super) fn line(&mut self) -> Connection<'_> {
        Connection::Postgres(Line {
            connection: &mut self.transaction,
            patience: self.patience,
        })
    }

    /// Returns when it is on the server's disk. [`StoreError::Silent`] and [`StoreError::Commit`]: it may be, or not.
    pub(super) async fn commit(self) -> Result<(), StoreError> {
        let patience = self.patience;
        match heard(patience, self.transaction.commit()).await {
            Err(StoreError::Statement(error)) => Err(StoreError::Commit(error.into())),
            outcome => outcome,
        }
    }

    pub(super) async fn roll_back(self) {
        // If that fails the connection is lost, and the server undoes it by itself.
        let _ = heard(self.patience, self.transaction.rollback()).await;
    }
}

/// How long a connection on its way back may take to answer.
const RETURN: Duration = Duration::from_secs(1);
