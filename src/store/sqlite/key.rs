//! The table of signing keys.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::{Sqlite, statement};
use crate::store::{KeyState, StoreError, StoredKey};
use crate::token::Timestamp;

impl Sqlite {
    pub(in crate::store) async fn keys(&self, realm: &str) -> Result<Vec<StoredKey>, StoreError> {
        let question = sqlx::query(statement::KEYS).bind(realm.to_owned());
        let rows = self
            .read(|pool| async move { question.fetch_all(&pool).await })
            .await?;
        rows.iter().map(read).collect()
    }

    pub(in crate::store) async fn add_key(&self, key: StoredKey) -> Result<StoredKey, StoreError> {
        self.write(move |connection| {
            Box::pin(async move {
                let active = sqlx::query(statement::ACTIVE_KEY)
                    .bind(key.realm.clone())
                    .bind(key.algorithm.clone());
                sqlx::query(statement::ADD_KEY)
                    .bind(key.kid)
                    .bind(key.realm)
                    .bind(key.algorithm)
                    .bind(key.sealed)
                    .bind(key.created_at.millis())
                    .execute(&mut *connection)
                    .await
                    .map_err(StoreError::Statement)?;
                let row = active
                    .fetch_one(connection)
                    .await
                    .map_err(StoreError::Statement)?;
                read(&row)
            })
        })
        .await
    }
}

fn read(row: &SqliteRow) -> Result<StoredKey, StoreError> {
    let text = |column| {
        row.try_get::<String, _>(column)
            .map_err(StoreError::Statement)
    };
    let unreadable = StoreError::Row {
        table: "signing_key",
        column: "state",
    };
    Ok(StoredKey {
        kid: text("kid")?,
        realm: text("realm")?,
        algorithm: text("algorithm")?,
        sealed: row.try_get("sealed").map_err(StoreError::Statement)?,
        state: KeyState::from_word(&text("state")?).ok_or(unreadable)?,
        created_at: Timestamp::from_millis(
            row.try_get("created_at").map_err(StoreError::Statement)?,
        ),
    })
}
