//! The table of signing keys.

use crate::store::fields::Row;
use crate::store::statement::Statement;
use crate::store::{KeyState, Store, StoreError, StoredKey};
use crate::token::Timestamp;

/// Signing keys.
impl Store {
    /// All keys of a realm, oldest first.
    pub async fn keys(&self, realm: &str) -> Result<Vec<StoredKey>, StoreError> {
        let rows = self.ask(Statement::new(KEYS).bind(realm)).await?;
        rows.iter().map(read).collect()
    }

    /// Adds a pending or an active key, unless its realm and algorithm have one in that state, and returns the one that
    /// is in that state now: processes that start or rotate together agree on it.
    pub async fn add_key(&self, key: StoredKey) -> Result<StoredKey, StoreError> {
        let there = Statement::new(CURRENT_KEY)
            .bind(&*key.realm)
            .bind(&*key.algorithm)
            .bind(key.state.word());
        let adding = Statement::new(ADD_KEY)
            .bind(key.kid)
            .bind(key.realm)
            .bind(key.algorithm)
            .bind(key.sealed)
            .bind(key.state.word())
            .bind(key.created_at)
            .bind(key.since);
        self.transact(|mut connection| {
            Box::pin(async move {
                adding.execute(&mut connection).await?;
                let row = there.one(&mut connection).await?;
                read(&row.ok_or(StoreError::Statement(sqlx::Error::RowNotFound))?)
            })
        })
        .await
    }

    /// Moves a key on, from any state before `to`. The active key of the same realm and algorithm retires when another
    /// becomes active. False: no such key, or it is there or past it already.
    pub async fn move_key(
        &self,
        kid: &str,
        to: KeyState,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let retiring = Statement::new(RETIRE_PREDECESSOR).bind(kid).bind(at);
        let [first, second, third] = before(to).map(KeyState::word);
        let moving = Statement::new(MOVE_KEY)
            .bind(kid)
            .bind(to.word())
            .bind(at)
            .bind(first)
            .bind(second)
            .bind(third);
        self.transact(move |mut connection| {
            Box::pin(async move {
                connection.take_turn("signing_key").await?;
                if to == KeyState::Active {
                    retiring.execute(&mut connection).await?;
                }
                Ok(moving.execute(&mut connection).await? > 0)
            })
        })
        .await
    }

    /// Forgets a key that signs no more. False: no such key, or it signs or will sign.
    pub async fn remove_key(&self, kid: &str) -> Result<bool, StoreError> {
        self.touch(Statement::new(REMOVE_KEY).bind(kid)).await
    }
}

/// The states from which a key can be moved; one stands for all where there are fewer than three.
const fn before(to: KeyState) -> [KeyState; 3] {
    use KeyState::{Active, Pending, Retiring, Revoked};
    match to {
        Pending | Active => [Pending; 3],
        Retiring => [Pending, Active, Active],
        Revoked => [Pending, Active, Retiring],
    }
}

fn read(row: &Row) -> Result<StoredKey, StoreError> {
    let row = row.of("signing_key");
    Ok(StoredKey {
        kid: row.text("kid")?,
        realm: row.text("realm")?,
        algorithm: row.text("algorithm")?,
        sealed: row.bytes("sealed")?,
        state: row.word("state", KeyState::from_word)?,
        created_at: row.time("created_at")?,
        since: row.time("since")?,
    })
}

const KEYS: &str = "\
    SELECT kid, realm, algorithm, sealed, state, created_at, since FROM signing_key \
    WHERE realm = $1 ORDER BY created_at, kid";
const ADD_KEY: &str = "\
    INSERT INTO signing_key (kid, realm, algorithm, sealed, state, created_at, since) \
    VALUES ($1, $2, $3, $4, $5, $6, $7) \
    ON CONFLICT (realm, algorithm, state) WHERE state IN ('pending', 'active') DO NOTHING";
const CURRENT_KEY: &str = "\
    SELECT kid, realm, algorithm, sealed, state, created_at, since FROM signing_key \
    WHERE realm = $1 AND algorithm = $2 AND state = $3";
const RETIRE_PREDECESSOR: &str = "\
    UPDATE signing_key SET state = 'retiring', since = $2 WHERE state = 'active' AND EXISTS ( \
    SELECT 1 FROM signing_key AS successor WHERE successor.kid = $1 AND successor.state = 'pending' \
    AND successor.realm = signing_key.realm AND successor.algorithm = signing_key.algorithm)";
const MOVE_KEY: &str = "\
    UPDATE signing_key SET state = $2, since = $3 WHERE kid = $1 AND state <> $2 AND state IN ($4, $5, $6)";
const REMOVE_KEY: &str =
    "DELETE FROM signing_key WHERE kid = $1 AND state IN ('retiring', 'revoked')";

pub(super) const STATEMENTS: &[&str] = &[
    KEYS,
    ADD_KEY,
    CURRENT_KEY,
    RETIRE_PREDECESSOR,
    MOVE_KEY,
    REMOVE_KEY,
];
