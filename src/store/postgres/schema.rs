//! The schema in PostgreSQL.

use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{Connection, Executor, SqlSafeStr};

use crate::store::schema::{RECORD_STEP, STEPS_TAKEN, Standing, Steps};
use crate::store::{Migrate, StoreError, table};

/// Takes all steps the database has not seen, in one transaction. Nodes that start together wait for each other here.
pub(super) async fn bring_up_to_date(
    place: &str,
    migrate: Migrate,
    connection: &mut PgConnection,
) -> Result<(), StoreError> {
    let failed = |source| StoreError::Connect {
        place: place.to_owned(),
        source,
    };
    let mut transaction = connection.begin().await.map_err(failed)?;
    sqlx::raw_sql(WAIT_FOR_OTHERS)
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
    if is_foreign(&mut transaction).await.map_err(failed)? {
        return Err(StoreError::Foreign {
            place: place.to_owned(),
        });
    }
    let taken = steps_taken(&mut transaction).await.map_err(failed)?;
    let rest: Vec<_> = STEPS.rest(place, &taken)?.collect();
    if rest.is_empty() {
        return Ok(());
    }
    STEPS.permit(migrate, place, &taken)?;
    sqlx::raw_sql(VERSION_TABLE)
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
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

/// Prepares every statement.
pub(super) async fn inspect(pool: &PgPool) -> Result<(), StoreError> {
    let mut connection = pool.acquire().await.map_err(StoreError::from_pool)?;
    for text in table::statements() {
        connection
            .prepare(text.into_sql_str())
            .await
            .map_err(StoreError::Statement)?;
    }
    Ok(())
}

/// How far the schema has come.
pub(super) async fn standing(pool: &PgPool) -> Result<Standing, StoreError> {
    let mut connection = pool.acquire().await.map_err(StoreError::from_pool)?;
    let taken = steps_taken(&mut connection)
        .await
        .map_err(StoreError::Statement)?;
    Ok(STEPS.standing(&taken))
}

/// Somebody else's database: it has tables, but not the one we always have.
async fn is_foreign(connection: &mut PgConnection) -> sqlx::Result<bool> {
    let tables: i64 = sqlx::query_scalar(COUNT_TABLES)
        .fetch_one(&mut *connection)
        .await?;
    Ok(tables > 0 && !has_versions(connection).await?)
}

async fn steps_taken(connection: &mut PgConnection) -> sqlx::Result<Vec<(i64, Vec<u8>)>> {
    if !has_versions(connection).await? {
        return Ok(Vec::new());
    }
    sqlx::query_as(STEPS_TAKEN).fetch_all(connection).await
}

async fn has_versions(connection: &mut PgConnection) -> sqlx::Result<bool> {
    let ours: i64 = sqlx::query_scalar(COUNT_OURS).fetch_one(connection).await?;
    Ok(ours > 0)
}

const STEPS: Steps = Steps(&[
    include_str!("../migrations/postgres/0001_start.sql"),
    include_str!("../migrations/postgres/0002_ends.sql"),
]);

/// Until the end of the transaction; the number is nobody else's.
const WAIT_FOR_OTHERS: &str = "SELECT pg_advisory_xact_lock(7813584120036197)";
const COUNT_TABLES: &str =
    "SELECT count(*) FROM information_schema.tables WHERE table_schema = current_schema()";
const COUNT_OURS: &str = "\
    SELECT count(*) FROM information_schema.tables \
    WHERE table_schema = current_schema() AND table_name = 'schema_version'";
const VERSION_TABLE: &str = "\
    CREATE TABLE IF NOT EXISTS schema_version (step BIGINT NOT NULL PRIMARY KEY, sha256 BYTEA NOT NULL)";
