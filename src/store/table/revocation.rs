//! The table of verdicts.

use crate::store::fields::Row;
use crate::store::statement::{Connection, Statement};
use crate::store::{Revocation, Revoked, Store, StoreError};

/// Verdicts on tokens.
impl Store {
    /// Speaks a verdict.
    pub async fn revoke(&self, verdict: Revocation) -> Result<(), StoreError> {
        self.transact(|mut connection| {
            Box::pin(async move { speak(verdict, &mut connection).await })
        })
        .await
    }

    /// The verdicts after the one with this number, at most 1,000, in the order they were committed: whoever has seen a
    /// number has seen all before it.
    pub async fn revocations_since(&self, seq: i64) -> Result<Vec<(i64, Revocation)>, StoreError> {
        let rows = self.ask(Statement::new(SINCE).bind(seq)).await?;
        rows.iter().map(read).collect()
    }
}

/// Speaks a verdict inside a transaction.
pub(super) async fn speak(
    verdict: Revocation,
    connection: &mut Connection<'_>,
) -> Result<(), StoreError> {
    // Numbers are given in the order of the commits only if there is one at a time.
    connection.take_turn("revocation").await?;
    let (kind, named) = verdict.of.words();
    let speaking = Statement::new(SPEAK)
        .bind(verdict.realm)
        .bind(kind)
        .bind(named)
        .bind(verdict.at)
        .bind(verdict.until);
    speaking.execute(connection).await?;
    connection.tell("revocation").await
}

fn read(row: &Row) -> Result<(i64, Revocation), StoreError> {
    let row = row.of("revocation");
    let of = Revoked::from_words(&row.text("kind")?, row.text("named")?)
        .ok_or_else(|| row.unreadable("kind"))?;
    let verdict = Revocation {
        realm: row.text("realm")?,
        of,
        at: row.time("revoked_at")?,
        until: row.time("expires_at")?,
    };
    Ok((row.number("seq")?, verdict))
}

const SPEAK: &str = "\
    INSERT INTO revocation (realm, kind, named, revoked_at, expires_at) VALUES ($1, $2, $3, $4, $5)";
const SINCE: &str = "\
    SELECT seq, realm, kind, named, revoked_at, expires_at FROM revocation WHERE seq > $1 ORDER BY seq LIMIT 1000";

pub(super) const STATEMENTS: &[&str] = &[SPEAK, SINCE];
