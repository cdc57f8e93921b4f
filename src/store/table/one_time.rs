//! The table of what can be used once.

use super::session;
use crate::store::fields::Row;
use crate::store::statement::{Connection, Statement};
use crate::store::{
    Addition, OneTime, OneTimeKind, Redeemed, Session, SessionId, Store, StoreError,
};
use crate::token::{Digest, Timestamp};

/// What can be used once.
impl Store {
    /// Keeps something that can be used once. [`Addition::NameTaken`]: it has been here before, spent or not.
    pub async fn keep_once(&self, thing: OneTime) -> Result<Addition, StoreError> {
        let keeping = Statement::new(KEEP)
            .bind(thing.kind.word())
            .bind(thing.digest)
            .bind(thing.payload)
            .bind(thing.expires_at);
        self.touch(keeping).await.map(Addition::from_touch)
    }

    /// What this stands for, unless it is spent. Whether its time is over is for the caller to see.
    pub async fn one_time(
        &self,
        kind: OneTimeKind,
        digest: Digest,
    ) -> Result<Option<OneTime>, StoreError> {
        let question = Statement::new(UNSPENT).bind(kind.word()).bind(digest);
        let row = self.ask_one(question).await?;
        row.map(|row| read(kind, digest, &row)).transpose()
    }

    /// Uses it, and opens the session it was good for in the same breath. Of many who try at once exactly one is first.
    pub async fn redeem(
        &self,
        kind: OneTimeKind,
        digest: Digest,
        now: Timestamp,
        opens: Option<Session>,
    ) -> Result<Redeemed, StoreError> {
        self.transact(move |mut connection| {
            Box::pin(async move {
                let spending = Statement::new(SPEND)
                    .bind(kind.word())
                    .bind(digest)
                    .bind(now)
                    .bind(opens.as_ref().map(|session| session.id));
                let Some(row) = spending.one(&mut connection).await? else {
                    return spent(kind, digest, &mut connection).await;
                };
                if let Some(session) = opens {
                    session::open(session, &mut connection).await?;
                }
                read(kind, digest, &row).map(Redeemed::First)
            })
        })
        .await
    }
}

/// Why it could not be spent.
async fn spent(
    kind: OneTimeKind,
    digest: Digest,
    connection: &mut Connection<'_>,
) -> Result<Redeemed, StoreError> {
    let question = Statement::new(SPENT).bind(kind.word()).bind(digest);
    let Some(row) = question.one(connection).await? else {
        return Ok(Redeemed::Unknown);
    };
    let session = row.of(TABLE).maybe_array("session")?;
    Ok(Redeemed::Again(session.map(SessionId::from_bytes)))
}

fn read(kind: OneTimeKind, digest: Digest, row: &Row) -> Result<OneTime, StoreError> {
    let row = row.of(TABLE);
    Ok(OneTime {
        kind,
        digest,
        payload: row.text("payload")?,
        expires_at: row.time("expires_at")?,
    })
}

const TABLE: &str = "one_time";

const KEEP: &str = "\
    INSERT INTO one_time (kind, digest, payload, expires_at) VALUES ($1, $2, $3, $4) \
    ON CONFLICT (kind, digest) DO NOTHING";
const UNSPENT: &str = "\
    SELECT payload, expires_at FROM one_time WHERE kind = $1 AND digest = $2 AND used_at IS NULL";
const SPEND: &str = "\
    UPDATE one_time SET used_at = $3, session = $4 \
    WHERE kind = $1 AND digest = $2 AND used_at IS NULL AND expires_at > $3 RETURNING payload, expires_at";
const SPENT: &str =
    "SELECT session FROM one_time WHERE kind = $1 AND digest = $2 AND used_at IS NOT NULL";

pub(super) const STATEMENTS: &[&str] = &[KEEP, UNSPENT, SPEND, SPENT];
