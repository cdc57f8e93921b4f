//! Forgetting what is over.

use std::time::Duration;

use crate::store::statement::Statement;
use crate::store::{Store, StoreError};
use crate::token::Timestamp;

/// Forgetting.
impl Store {
    /// Forgets a bounded part of what is over: things to be used once, verdicts, and sessions that have been dead for a
    /// day. Says how many rows it looked after. Call it until that is none; one call is short.
    ///
    /// What makes a session dead changes with every renewal, so it is in no index. Instead each says when to look at it
    /// next: one that was renewed meanwhile is put off to its new end, once in the time it may live unused, and not at
    /// every renewal. So the work is in proportion to what is over, however many sessions live.
    pub async fn sweep(&self, now: Timestamp) -> Result<u64, StoreError> {
        let mut done = 0;
        for sql in [SWEEP_ONE_TIME, SWEEP_REVOCATION] {
            done += self.alter(Statement::new(sql).bind(now)).await?;
        }
        Ok(done + self.sweep_sessions(now).await?)
    }

    async fn sweep_sessions(&self, now: Timestamp) -> Result<u64, StoreError> {
        let before = now.minus(DEAD_FOR);
        self.transact(move |mut connection| {
            Box::pin(async move {
                // Two nodes that sweep at once would wait for each other's rows, in whatever order.
                connection.take_turn("sweep").await?;
                let mut done = 0;
                for sql in [SWEEP_SESSION, PUT_OFF_SESSION] {
                    let sweeping = Statement::new(sql).bind(before);
                    done += sweeping.execute(&mut connection).await?;
                }
                Ok(done)
            })
        })
        .await
    }
}

/// How long a dead session is kept, for those who ask why.
const DEAD_FOR: Duration = Duration::from_hours(24);

const SWEEP_ONE_TIME: &str = "\
    DELETE FROM one_time WHERE (kind, digest) IN \
    (SELECT kind, digest FROM one_time WHERE expires_at <= $1 ORDER BY expires_at LIMIT 1000)";
const SWEEP_REVOCATION: &str = "\
    DELETE FROM revocation WHERE seq IN \
    (SELECT seq FROM revocation WHERE expires_at <= $1 ORDER BY expires_at LIMIT 1000)";
const SWEEP_SESSION: &str = "\
    DELETE FROM session WHERE id IN (SELECT id FROM session WHERE due <= $1 ORDER BY due LIMIT 1000) \
    AND (absolute_end <= $1 OR idle_end <= $1 OR ended_at <= $1)";
const PUT_OFF_SESSION: &str = "\
    UPDATE session SET due = CASE WHEN ended_at IS NOT NULL THEN ended_at \
    WHEN idle_end < absolute_end THEN idle_end ELSE absolute_end END \
    WHERE id IN (SELECT id FROM session WHERE due <= $1 ORDER BY due LIMIT 1000) \
    AND absolute_end > $1 AND idle_end > $1 AND (ended_at IS NULL OR ended_at > $1)";

pub(super) const STATEMENTS: &[&str] = &[
    SWEEP_ONE_TIME,
    SWEEP_REVOCATION,
    SWEEP_SESSION,
    PUT_OFF_SESSION,
];
