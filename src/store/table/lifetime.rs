//! The table of lifetimes: how long access tokens live, and lived.

use std::time::Duration;

use crate::store::statement::Statement;
use crate::store::{Store, StoreError};
use crate::token::Timestamp;

/// How long access tokens live.
impl Store {
    /// By when the last access token of a realm is dead by itself that was issued while they lived longer than `access`.
    /// The beginning of time: there is none.
    pub async fn former_end(
        &self,
        realm: &str,
        access: Duration,
        now: Timestamp,
    ) -> Result<Timestamp, StoreError> {
        let Some(row) = self.ask_one(Statement::new(LIFETIME).bind(realm)).await? else {
            return Ok(Timestamp::from_millis(i64::MIN));
        };
        let row = row.of("lifetime");
        let former_end = row.time("former_end")?;
        let lived = u64::try_from(row.number("access")?).unwrap_or_default();
        let lived = Duration::from_millis(lived);
        if lived <= access {
            return Ok(former_end);
        }
        Ok(former_end.max(now.plus(lived + NODES)))
    }

    /// Remembers how long the access tokens of a realm live from now on, and by when those of before are dead.
    pub async fn keep_lifetime(
        &self,
        realm: &str,
        access: Duration,
        former_end: Timestamp,
    ) -> Result<(), StoreError> {
        let access = i64::try_from(access.as_millis()).unwrap_or(i64::MAX);
        let keeping = Statement::new(KEEP_LIFETIME)
            .bind(realm)
            .bind(access)
            .bind(former_end);
        self.touch(keeping).await.map(|_| ())
    }
}

/// For how long a node may go on as before after another has begun to issue shorter tokens.
const NODES: Duration = Duration::from_hours(1);

const LIFETIME: &str = "SELECT access, former_end FROM lifetime WHERE realm = $1";
const KEEP_LIFETIME: &str = "\
    INSERT INTO lifetime (realm, access, former_end) VALUES ($1, $2, $3) \
    ON CONFLICT (realm) DO UPDATE SET access = excluded.access, former_end = \
    CASE WHEN lifetime.former_end < excluded.former_end THEN excluded.former_end ELSE lifetime.former_end END";

pub(super) const STATEMENTS: &[&str] = &[LIFETIME, KEEP_LIFETIME];
