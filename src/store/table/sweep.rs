//! Forgetting what is over.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::store::statement::Statement;
use crate::store::{Store, StoreError};
use crate::token::Timestamp;

/// Where the sweeping of sessions goes on. What makes a session dead changes with every renewal, so it is in no index;
/// instead the whole table is walked, a stretch at a time, over and over.
#[derive(Clone, Debug, Default)]
pub(in crate::store) struct Broom(Arc<Mutex<Option<[u8; 16]>>>);

impl Broom {
    fn place(&self) -> Option<[u8; 16]> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lay(&self, place: Option<[u8; 16]>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = place;
    }
}

/// Forgetting.
impl Store {
    /// Forgets a stretch of what is over: things to be used once, verdicts, and sessions that have been dead for a day.
    /// Says how many rows went. Call it again and again; one call is short.
    pub async fn sweep(&self, now: Timestamp) -> Result<u64, StoreError> {
        let mut gone = 0;
        for sql in [SWEEP_ONE_TIME, SWEEP_REVOCATION] {
            gone += self.alter(Statement::new(sql).bind(now)).await?;
        }
        Ok(gone + self.sweep_sessions(now).await?)
    }

    async fn sweep_sessions(&self, now: Timestamp) -> Result<u64, StoreError> {
        let start = self.broom().place().unwrap_or([0; 16]);
        let last = self
            .ask_one(Statement::new(STRETCH).bind(start))
            .await?
            .map(|row| row.of("session").array("id"))
            .transpose()?;
        let sweeping = Statement::new(SWEEP_SESSION)
            .bind(now.minus(DEAD_FOR))
            .bind(start)
            .bind(last.unwrap_or([u8::MAX; 16]));
        let gone = self.alter(sweeping).await?;
        self.broom().lay(last);
        Ok(gone)
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
const STRETCH: &str = "SELECT id FROM session WHERE id >= $1 ORDER BY id LIMIT 1 OFFSET 1000";
const SWEEP_SESSION: &str = "\
    DELETE FROM session WHERE id >= $2 AND id <= $3 \
    AND (absolute_end <= $1 OR idle_end <= $1 OR ended_at <= $1)";

pub(super) const STATEMENTS: &[&str] = &[SWEEP_ONE_TIME, SWEEP_REVOCATION, STRETCH, SWEEP_SESSION];
