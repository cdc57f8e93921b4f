//! The schema in SQLite.

use std::path::Path;

use sqlx::sqlite::{SqliteConnection, SqlitePool};
use sqlx::{Connection, Executor, Row, SqlSafeStr};

use super::open;
use crate::store::schema::{RECORD_STEP, STEPS_TAKEN, Standing, Steps};
use crate::store::{Migrate, StoreError, table};

/// Takes all steps the file has not seen, in one transaction. Processes that start together wait for each other here.
pub(super) async fn bring_up_to_date(
    path: &Path,
    migrate: Migrate,
    connection: &mut SqliteConnection,
) -> Result<(), StoreError> {
    let failed = |error| open::opening(path, error);
    let place = path.display().to_string();
    let mut transaction = connection
        .begin_with("BEGIN IMMEDIATE")
        .await
        .map_err(failed)?;
    if is_foreign(&mut transaction).await.map_err(failed)? {
        return Err(StoreError::Foreign { place });
    }
    sqlx::raw_sql(VERSION_TABLE)
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
    let taken = steps_taken(&mut transaction).await.map_err(failed)?;
    let rest = STEPS.rest(&place, &taken)?;
    STEPS.permit(migrate, &place, &taken)?;
    for step in rest {
        sqlx::raw_sql(step.text)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        sqlx::query(RECORD_STEP)
            .bind(step.number)
            .bind(step.sha256())
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)
}

/// How far the schema has come.
pub(super) async fn standing(path: &Path, pool: &SqlitePool) -> Result<Standing, StoreError> {
    let failed = |error| open::opening(path, error);
    let mut connection = pool.acquire().await.map_err(failed)?;
    let taken = steps_taken(&mut connection).await.map_err(failed)?;
    Ok(STEPS.standing(&taken))
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
    sqlx::query_as(STEPS_TAKEN).fetch_all(connection).await
}

const STEPS: Steps = Steps(&[
    include_str!("../migrations/sqlite/0001_start.sql"),
    include_str!("../migrations/sqlite/0002_ends.sql"),
]);

const VERSION_TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_version (step INTEGER NOT NULL PRIMARY KEY, sha256 BLOB NOT NULL) STRICT";
