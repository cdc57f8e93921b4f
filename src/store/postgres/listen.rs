//! Hearing of what other nodes revoke.
//!
//! Nobody may rely on it alone: what is said while the connection is lost is not said again. Whoever must know also
//! asks, each second or so.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::sync::watch;

/// Whoever listens, on a connection of its own.
#[derive(Debug)]
pub(super) struct Ear {
    pub(super) options: PgConnectOptions,
}

impl Ear {
    /// Counts `news` up whenever something was revoked, or may have been while nobody listened. Does not end.
    pub(super) async fn listen(&self, news: &watch::Sender<u64>) {
        loop {
            if let Err(error) = self.hear(news).await {
                tracing::warn!(%error, "cannot hear of revocations by other nodes; they are found by asking");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn hear(&self, news: &watch::Sender<u64>) -> sqlx::Result<()> {
        // Made anew each time: one whose connection is silent would wait for it.
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(ANSWER)
            .connect_lazy_with(self.options.clone());
        let mut listener = within(ANSWER, PgListener::connect_with(&pool)).await?;
        within(ANSWER, listener.listen(CHANNEL)).await?;
        loop {
            // Now, and after every time the connection was lost, there may be something that was not heard.
            news.send_modify(|count| *count += 1);
            while self.is_told(&mut listener).await? {
                news.send_modify(|count| *count += 1);
            }
        }
    }

    /// Waits until something is said. False: the connection was lost, and is there again.
    async fn is_told(&self, listener: &mut PgListener) -> sqlx::Result<bool> {
        loop {
            match tokio::time::timeout(QUIET, Box::pin(listener.try_recv())).await {
                Ok(told) => return told.map(|told| told.is_some()),
                // Nobody has spoken, or nobody reaches us.
                Err(_) => within(ANSWER, sqlx::query(ANYBODY).execute(&mut *listener)).await?,
            };
        }
    }
}

async fn within<T>(
    limit: Duration,
    answer: impl Future<Output = sqlx::Result<T>>,
) -> sqlx::Result<T> {
    // Boxed, as what speaks to PostgreSQL is large, and waits here for hours.
    let answer = tokio::time::timeout(limit, Box::pin(answer)).await;
    answer.map_err(|elapsed| sqlx::Error::Io(elapsed.into()))?
}

const CHANNEL: &str = "revocation";
const ANYBODY: &str = "SELECT 1";

/// How long after a failure it is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// After how long a silence it is asked whether the server is there.
const QUIET: Duration = Duration::from_secs(2);

/// How long the server may take to answer.
const ANSWER: Duration = Duration::from_secs(1);
