//! The one connection that writes, and how many changes share one commit.
//!
//! A commit costs a synchronisation of the disk, whatever is in it. So all changes that wait when the disk is free go
//! into one transaction. One that fails is undone alone, by its own savepoint if it is more than a statement, and the
//! others are kept. Whoever asked hears the outcome after the commit.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::store::StoreError;

/// Where changes are handed in. A clone hands in to the same connection.
#[derive(Clone, Debug)]
pub(super) struct Writer(mpsc::Sender<Change>);

impl Writer {
    /// The way in, and the way out for [`serve`].
    pub(super) fn new() -> (Self, mpsc::Receiver<Change>) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        (Self(sender), receiver)
    }

    /// Makes one change, and returns when it is on the disk. If the caller goes away, the change is made all the same.
    pub(super) async fn make<T, F>(&self, extent: Extent, change: F) -> Result<T, StoreError>
    where
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, StoreError>>
            + Send
            + 'static,
        T: Send + 'static,
    {
        let (tell, told) = oneshot::channel();
        let change = Change {
            extent,
            make: Box::new(move |connection| Box::pin(attempt(change, connection, tell))),
        };
        self.0.try_send(change).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StoreError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => StoreError::Closed,
        })?;
        match told.await {
            Ok(outcome) => outcome,
            // Dropped unmade.
            Err(_) if self.0.is_closed() => Err(StoreError::Closed),
            Err(_) => Err(StoreError::Unmade),
        }
    }
}

/// Makes changes until `stop`, or until nobody is left who could ask; what waits by then is still made.
pub(super) async fn serve(
    mut connection: SqliteConnection,
    mut changes: mpsc::Receiver<Change>,
    stop: CancellationToken,
) {
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled(), if !changes.is_closed() => changes.close(),
            taken = changes.recv_many(&mut batch, BATCH) => {
                if taken == 0 {
                    break;
                }
                if let Err(broken) = commit_together(&mut connection, &mut batch).await {
                    tracing::error!(error = %broken, "the disk failed: the store closes itself, restart Tollgate once the disk is well");
                    break;
                }
            }
        }
    }
    changes.close();
    if let Err(error) = connection.close().await {
        tracing::warn!(%error, "could not close the store in good order; the next start repairs it");
    }
}

/// A change as it waits: run inside the transaction, it gives what is to be done after the commit.
pub(super) struct Change {
    extent: Extent,
    make: Make,
}

type Make = Box<dyn for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Attempt> + Send>;

/// How much a change is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// One statement. If it violates a constraint it has done nothing, so it needs no savepoint.
    Statement,
    /// Several.
    Several,
}

/// What became of a change inside the transaction.
pub(super) enum Attempt {
    /// It stands, and this is to be told once the commit is done or has failed.
    Stands(Tell),
    /// It failed, is to be undone, and this is to be told. Whether it was only refused: a constraint was in its way, or
    /// it was never asked.
    Failed(Tell, bool),
}

type Tell = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

async fn attempt<T, F>(
    change: F,
    connection: &mut SqliteConnection,
    tell: oneshot::Sender<Result<T, StoreError>>,
) -> Attempt
where
    F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, StoreError>>,
    T: Send + 'static,
{
    // Whoever asked may have gone away; then nobody is told.
    match change(connection).await {
        Ok(value) => Attempt::Stands(Box::new(move |committed| {
            let _ = tell.send(committed.map(|()| value));
        })),
        Err(error) => {
            let was_refused = match &error {
                StoreError::Statement(error) => super::open::primary_code(error) == Some(19),
                StoreError::Nul => true,
                _ => false,
            };
            let tell = Box::new(move |_| {
                let _ = tell.send(Err(error));
            });
            Attempt::Failed(tell, was_refused)
        }
    }
}

/// One transaction for all of `batch`. An error means that the disk cannot be trusted any more.
async fn commit_together(
    connection: &mut SqliteConnection,
    batch: &mut Vec<Change>,
) -> Result<(), Arc<sqlx::Error>> {
    let mut tells = Vec::with_capacity(batch.len());
    let outcome = run(connection, batch, &mut tells).await.map_err(Arc::new);
    if let Err(error) = &outcome {
        tracing::warn!(%error, changes = tells.len(), "could not commit to the store");
        // What was not reached is dropped unmade, and whoever asked for it hears so.
        batch.clear();
        // Fails if there is no transaction left to undo, which is as well.
        let _ = sqlx::query("ROLLBACK").execute(&mut *connection).await;
    }
    for tell in tells {
        tell(outcome.clone().map_err(StoreError::Commit));
    }
    match outcome {
        Err(error) if is_disk_failure(&error) => Err(error),
        _ => Ok(()),
    }
}

async fn run(
    connection: &mut SqliteConnection,
    batch: &mut Vec<Change>,
    tells: &mut Vec<Tell>,
) -> sqlx::Result<()> {
    order(connection, "BEGIN IMMEDIATE").await?;
    for change in batch.drain(..) {
        let is_several = change.extent == Extent::Several;
        if is_several {
            order(connection, "SAVEPOINT change").await?;
        }
        match (change.make)(connection).await {
            Attempt::Stands(tell) => tells.push(tell),
            Attempt::Failed(tell, was_refused) => {
                tells.push(tell);
                if is_several {
                    order(connection, "ROLLBACK TO change").await?;
                } else if !was_refused {
                    // Nobody knows whether there still is a transaction.
                    return Err(sqlx::Error::Protocol("a statement broke off".to_owned()));
                }
            }
        }
        if is_several {
            order(connection, "RELEASE change").await?;
        }
    }
    order(connection, "COMMIT").await
}

async fn order(connection: &mut SqliteConnection, words: &'static str) -> sqlx::Result<()> {
    sqlx::query(words).execute(connection).await.map(|_| ())
}

/// After a failed read, write or synchronisation nobody knows what is on the disk (`SQLITE_IOERR`, `SQLITE_CORRUPT`,
/// `SQLITE_NOTADB`). A full disk or a lock held by another process passes.
fn is_disk_failure(error: &sqlx::Error) -> bool {
    super::open::primary_code(error).is_some_and(|code| matches!(code, 10 | 11 | 26))
}

/// How many changes share one commit.
const BATCH: usize = 256;

/// How many changes may wait.
const QUEUE: usize = 1024;
