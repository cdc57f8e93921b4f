//! The table of clients.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::{Sqlite, statement};
use crate::store::{Addition, Client, FormerSecret, Status, StoreError};
use crate::token::{Digest, Scope, Timestamp};

impl Sqlite {
    pub(in crate::store) async fn add_client(
        &self,
        client: Client,
    ) -> Result<Addition, StoreError> {
        let added = self
            .touch(move || {
                sqlx::query(statement::ADD_CLIENT)
                    .bind(client.name)
                    .bind(client.secret.map(|secret| secret.bytes().to_vec()))
                    .bind(client.former.map(|former| former.digest.bytes().to_vec()))
                    .bind(client.former.map(|former| former.until.millis()))
                    .bind(client.scope.as_str().to_owned())
                    .bind(client.grants.join(" "))
                    .bind(client.status.word())
                    .bind(client.created_at.millis())
                    .bind(client.redirect_uris.join(" "))
                    .bind(client.title)
                    .bind(client.registered_at)
            })
            .await?;
        Ok(if added {
            Addition::Added
        } else {
            Addition::NameTaken
        })
    }

    pub(in crate::store) async fn client(&self, name: &str) -> Result<Option<Client>, StoreError> {
        let question = sqlx::query(statement::CLIENT).bind(name.to_owned());
        let row = self
            .read(|pool| async move { question.fetch_optional(&pool).await })
            .await?;
        row.map(|row| read(&row)).transpose()
    }

    pub(in crate::store) async fn clients(&self) -> Result<Vec<Client>, StoreError> {
        let question = sqlx::query(statement::CLIENTS);
        let rows = self
            .read(|pool| async move { question.fetch_all(&pool).await })
            .await?;
        rows.iter().map(read).collect()
    }

    pub(in crate::store) async fn set_client_secret(
        &self,
        name: &str,
        secret: Digest,
        former: FormerSecret,
    ) -> Result<bool, StoreError> {
        let name = name.to_owned();
        self.touch(move || {
            sqlx::query(statement::SET_CLIENT_SECRET)
                .bind(name)
                .bind(secret.bytes().to_vec())
                .bind(former.digest.bytes().to_vec())
                .bind(former.until.millis())
        })
        .await
    }

    pub(in crate::store) async fn set_client_status(
        &self,
        name: &str,
        status: Status,
    ) -> Result<bool, StoreError> {
        let name = name.to_owned();
        self.touch(move || {
            sqlx::query(statement::SET_CLIENT_STATUS)
                .bind(name)
                .bind(status.word())
        })
        .await
    }

    pub(in crate::store) async fn remove_client(&self, name: &str) -> Result<bool, StoreError> {
        let name = name.to_owned();
        self.touch(move || sqlx::query(statement::REMOVE_CLIENT).bind(name))
            .await
    }
}

fn read(row: &SqliteRow) -> Result<Client, StoreError> {
    let unreadable = |column| StoreError::Row {
        table: "client",
        column,
    };
    let text = |column| {
        row.try_get::<String, _>(column)
            .map_err(StoreError::Statement)
    };
    let secret: Option<Vec<u8>> = row.try_get("secret").map_err(StoreError::Statement)?;
    Ok(Client {
        name: text("name")?,
        secret: secret
            .map(|secret| digest(secret).ok_or_else(|| unreadable("secret")))
            .transpose()?,
        former: former(row)?,
        scope: Scope::parse(&text("scope")?).map_err(|_| unreadable("scope"))?,
        grants: text("grants")?
            .split_ascii_whitespace()
            .map(str::to_owned)
            .collect(),
        status: Status::from_word(&text("status")?).ok_or_else(|| unreadable("status"))?,
        created_at: Timestamp::from_millis(
            row.try_get("created_at").map_err(StoreError::Statement)?,
        ),
        redirect_uris: text("redirect_uris")?
            .split_ascii_whitespace()
            .map(str::to_owned)
            .collect(),
        title: row.try_get("title").map_err(StoreError::Statement)?,
        registered_at: row
            .try_get("registered_at")
            .map_err(StoreError::Statement)?,
    })
}

fn former(row: &SqliteRow) -> Result<Option<FormerSecret>, StoreError> {
    let secret: Option<Vec<u8>> = row
        .try_get("former_secret")
        .map_err(StoreError::Statement)?;
    let until: Option<i64> = row.try_get("former_until").map_err(StoreError::Statement)?;
    let (Some(secret), Some(until)) = (secret, until) else {
        return Ok(None);
    };
    let unreadable = StoreError::Row {
        table: "client",
        column: "former_secret",
    };
    Ok(Some(FormerSecret {
        digest: digest(secret).ok_or(unreadable)?,
        until: Timestamp::from_millis(until),
    }))
}

fn digest(bytes: Vec<u8>) -> Option<Digest> {
    bytes.try_into().ok().map(Digest::from_bytes)
}
