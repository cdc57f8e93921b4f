//! The schema and its steps: forward only, each once, and never changed afterwards.

use std::path::Path;

use sqlx::sqlite::{SqliteConnection, SqlitePool};
use sqlx::{Connection, Executor, Row, SqlSafeStr};

use super::open;
use crate::store::{StoreError, table};
use crate::token::Digest;

/// Takes all steps the file has not seen, in one transaction. Processes that start together wait for each other here.
pub(super) async fn bring_up_to_date(
    path: &Path,
    connection: &mut SqliteConnection,
) -> Result<(), StoreError> {
    let failed = |error| open::opening(path, error);
    let mut transaction = connection
        .begin_with("BEGIN IMMEDIATE")
        .await
        .map_err(failed)?;
    if is_foreign(&mut transaction).await.map_err(failed)? {
        return Err(StoreError::Foreign {
            path: path.to_owned(),
        });
    }
    sqlx::raw_sql(VERSION_TABLE)
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
    let taken = steps_taken(&mut transaction).await.map_err(failed)?;
    check(path, &taken)?;
    for (step, text) in numbered().skip(taken.len()) {
        sqlx::raw_sql(text)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        sqlx::query(RECORD_STEP)
            .bind(step)
            .bind(Digest::of(text.as_bytes()).bytes().to_vec())
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)
}

/// Reads the whole file through, and prepares every statement against it.
pub(super) async fn inspect(path: &Path, pool: &SqlitePool) -> Result<(), StoreError> {
    let failed = |error| open::opening(path, error);
    let mut connection = pool.acquire().await.map_err(failed)?;
    let report = sqlx::raw_sql("PRAGMA integrity_check")
        .fetch_all(&mut *connection)
        .await
        .map_err(failed)?;
    for line in report {
        let line: String = line.try_get(0).map_err(failed)?;
        if line != "ok" {
            return Err(StoreError::Damaged(line));
        }
    }
    for text in table::statements() {
        connection
            .prepare(text.into_sql_str())
            .await
            .map_err(failed)?;
    }
    Ok(())
}

/// Somebody else's database: it has tables, but not the one we always have.
async fn is_foreign(connection: &mut SqliteConnection) -> sqlx::Result<bool> {
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_master WHERE type = 'table'")
        .fetch_one(&mut *connection)
        .await?;
    let ours: i64 =
        sqlx::query_scalar("SELECT count(*) FROM sqlite_master WHERE name = 'schema_version'")
            .fetch_one(connection)
            .await?;
    Ok(tables > 0 && ours == 0)
}

async fn steps_taken(connection: &mut SqliteConnection) -> sqlx::Result<Vec<(i64, Vec<u8>)>> {
    sqlx::query_as("SELECT step, sha256 FROM schema_version ORDER BY step")
        .fetch_all(connection)
        .await
}

/// Every step taken is one we would have taken, and there is none we do not know.
fn check(path: &Path, taken: &[(i64, Vec<u8>)]) -> Result<(), StoreError> {
    let known = numbered().count();
    if let Some((found, _)) = taken.get(known..).and_then(<[_]>::last) {
        let known = i64::try_from(known).unwrap_or(i64::MAX);
        return Err(StoreError::Newer {
            path: path.to_owned(),
            found: *found,
            known,
        });
    }
    for ((step, text), (taken_step, sha256)) in numbered().zip(taken) {
        if step != *taken_step || Digest::of(text.as_bytes()).bytes() != sha256.as_slice() {
            return Err(StoreError::Altered {
                path: path.to_owned(),
                step,
            });
        }
    }
    Ok(())
}

fn numbered() -> impl Iterator<Item = (i64, &'static str)> {
    (1..).zip(STEPS)
}

/// All steps, oldest first. A step that has been released is never changed: what it should have done is another step.
const STEPS: [&str; 1] = [include_str!("../migrations/sqlite/0001_start.sql")];

const VERSION_TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_version (step INTEGER NOT NULL PRIMARY KEY, sha256 BLOB NOT NULL) STRICT";
const RECORD_STEP: &str = "INSERT INTO schema_version (step, sha256) VALUES ($1, $2)";
