//! Hearing of what other nodes revoke.
//!
//! Nobody may rely on it alone: what is said while the connection is lost is not said again. Whoever must know also
//! asks, each second or so.

use std::time::Duration;

use sqlx::postgres::{PgListener, PgPool};
use tokio::sync::watch;

/// Counts `news` up whenever something was revoked, or may have been while nobody listened. Does not end.
pub(super) async fn listen(pool: &PgPool, news: &watch::Sender<u64>) {
    loop {
        if let Err(error) = hear(pool, news).await {
            tracing::warn!(%error, "cannot hear of revocations by other nodes; they are found by asking");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn hear(pool: &PgPool, news: &watch::Sender<u64>) -> sqlx::Result<()> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    loop {
        // Now, and after every time the connection was lost, there may be something that was not heard.
        news.send_modify(|count| *count += 1);
        while listener.try_recv().await?.is_some() {
            news.send_modify(|count| *count += 1);
        }
    }
}

const CHANNEL: &str = "revocation";

/// How long after a failure it is tried again.
const PAUSE: Duration = Duration::from_secs(1);
