//! The table of accounts.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::{Sqlite, statement};
use crate::store::{Account, AccountId, Addition, Status, StoreError};
use crate::token::{Scope, Secret, Timestamp};

impl Sqlite {
    pub(in crate::store) async fn add_account(
        &self,
        account: Account,
    ) -> Result<Addition, StoreError> {
        let added = self
            .touch(move || {
                sqlx::query(statement::ADD_ACCOUNT)
                    .bind(account.id.bytes().to_vec())
                    .bind(account.realm)
                    .bind(account.name)
                    .bind(account.key)
                    .bind(account.password.reveal().to_owned())
                    .bind(account.scope.as_str().to_owned())
                    .bind(i64::from(account.generation))
                    .bind(account.status.word())
                    .bind(account.created_at.millis())
                    .bind(account.email)
                    .bind(account.title)
                    .bind(account.owner.map(|owner| owner.bytes().to_vec()))
                    .bind(account.totp)
                    .bind(i64::from(account.must_reset))
            })
            .await?;
        Ok(if added {
            Addition::Added
        } else {
            Addition::NameTaken
        })
    }

    pub(in crate::store) async fn account_by_name(
        &self,
        realm: &str,
        name: &str,
    ) -> Result<Option<Account>, StoreError> {
        self.account(statement::ACCOUNT_BY_NAME, realm, name).await
    }

    pub(in crate::store) async fn account_by_key(
        &self,
        realm: &str,
        key: &str,
    ) -> Result<Option<Account>, StoreError> {
        self.account(statement::ACCOUNT_BY_KEY, realm, key).await
    }

    async fn account(
        &self,
        sql: &'static str,
        realm: &str,
        named: &str,
    ) -> Result<Option<Account>, StoreError> {
        let question = sqlx::query(sql)
            .bind(realm.to_owned())
            .bind(named.to_owned());
        let row = self
            .read(|pool| async move { question.fetch_optional(&pool).await })
            .await?;
        row.map(|row| read(&row)).transpose()
    }

    pub(in crate::store) async fn accounts(&self, realm: &str) -> Result<Vec<Account>, StoreError> {
        let question = sqlx::query(statement::ACCOUNTS).bind(realm.to_owned());
        let rows = self
            .read(|pool| async move { question.fetch_all(&pool).await })
            .await?;
        rows.iter().map(read).collect()
    }

    pub(in crate::store) async fn set_password(
        &self,
        id: AccountId,
        password: Secret,
    ) -> Result<bool, StoreError> {
        self.touch(move || change(statement::SET_PASSWORD, id).bind(password.reveal().to_owned()))
            .await
    }

    pub(in crate::store) async fn rehash_password(
        &self,
        id: AccountId,
        from: Secret,
        to: Secret,
    ) -> Result<bool, StoreError> {
        self.touch(move || {
            change(statement::REHASH_PASSWORD, id)
                .bind(from.reveal().to_owned())
                .bind(to.reveal().to_owned())
        })
        .await
    }

    pub(in crate::store) async fn set_scope(
        &self,
        id: AccountId,
        scope: Scope,
    ) -> Result<bool, StoreError> {
        self.touch(move || change(statement::SET_SCOPE, id).bind(scope.as_str().to_owned()))
            .await
    }

    pub(in crate::store) async fn set_account_status(
        &self,
        id: AccountId,
        status: Status,
    ) -> Result<bool, StoreError> {
        self.touch(move || change(statement::SET_ACCOUNT_STATUS, id).bind(status.word()))
            .await
    }

    pub(in crate::store) async fn bump_generation(
        &self,
        id: AccountId,
    ) -> Result<Option<u32>, StoreError> {
        self.write(move |connection| {
            Box::pin(async move {
                let row = change(statement::BUMP_GENERATION, id)
                    .fetch_optional(connection)
                    .await
                    .map_err(StoreError::Statement)?;
                row.map(|row| generation(&row)).transpose()
            })
        })
        .await
    }
}

fn change(sql: &'static str, id: AccountId) -> super::Query {
    sqlx::query(sql).bind(id.bytes().to_vec())
}

fn read(row: &SqliteRow) -> Result<Account, StoreError> {
    let unreadable = |column| StoreError::Row {
        table: "account",
        column,
    };
    let text = |column| {
        row.try_get::<String, _>(column)
            .map_err(StoreError::Statement)
    };
    let id: Vec<u8> = row.try_get("id").map_err(StoreError::Statement)?;
    let owner: Option<Vec<u8>> = row.try_get("owner").map_err(StoreError::Statement)?;
    Ok(Account {
        id: AccountId::from_bytes(id.try_into().map_err(|_| unreadable("id"))?),
        realm: text("realm")?,
        name: text("name")?,
        key: text("account_key")?,
        password: Secret::new(text("password")?),
        scope: Scope::parse(&text("scope")?).map_err(|_| unreadable("scope"))?,
        generation: generation(row)?,
        status: Status::from_word(&text("status")?).ok_or_else(|| unreadable("status"))?,
        created_at: Timestamp::from_millis(
            row.try_get("created_at").map_err(StoreError::Statement)?,
        ),
        email: row.try_get("email").map_err(StoreError::Statement)?,
        title: row.try_get("title").map_err(StoreError::Statement)?,
        owner: owner
            .map(|owner| owner.try_into().map_err(|_| unreadable("owner")))
            .transpose()?
            .map(AccountId::from_bytes),
        totp: row.try_get("totp").map_err(StoreError::Statement)?,
        must_reset: row
            .try_get::<i64, _>("must_reset")
            .map_err(StoreError::Statement)?
            != 0,
    })
}

fn generation(row: &SqliteRow) -> Result<u32, StoreError> {
    let generation: i64 = row.try_get("generation").map_err(StoreError::Statement)?;
    u32::try_from(generation).map_err(|_| StoreError::Row {
        table: "account",
        column: "generation",
    })
}
