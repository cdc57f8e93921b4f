//! The table of accounts.

use crate::store::fields::Row;
use crate::store::statement::Statement;
use crate::store::{Account, AccountId, Addition, Status, Store, StoreError};
use crate::token::{Scope, Secret};

/// Accounts.
impl Store {
    /// Adds an account, unless its name, key or address is taken in its realm.
    pub async fn add_account(&self, account: Account) -> Result<Addition, StoreError> {
        self.touch(adding(account)).await.map(Addition::from_touch)
    }

    /// Adds all of these accounts, or none: [`StoreError::Taken`] names the first whose name, key or address is taken.
    pub async fn add_accounts(&self, accounts: Vec<Account>) -> Result<(), StoreError> {
        self.transact(|mut connection| {
            Box::pin(async move {
                for (index, account) in accounts.into_iter().enumerate() {
                    if adding(account).execute(&mut connection).await? == 0 {
                        return Err(StoreError::Taken(index));
                    }
                }
                Ok(())
            })
        })
        .await
    }

    /// The account with this identity.
    pub async fn account(&self, id: AccountId) -> Result<Option<Account>, StoreError> {
        self.find_account(Statement::new(ACCOUNT).bind(id)).await
    }

    /// The account of this name.
    pub async fn account_by_name(
        &self,
        realm: &str,
        name: &str,
    ) -> Result<Option<Account>, StoreError> {
        self.find_account(Statement::new(ACCOUNT_BY_NAME).bind(realm).bind(name))
            .await
    }

    /// The account that logs in with this key.
    pub async fn account_by_key(
        &self,
        realm: &str,
        key: &str,
    ) -> Result<Option<Account>, StoreError> {
        self.find_account(Statement::new(ACCOUNT_BY_KEY).bind(realm).bind(key))
            .await
    }

    /// The account with this address, compared byte for byte.
    pub async fn account_by_email(
        &self,
        realm: &str,
        email: &str,
    ) -> Result<Option<Account>, StoreError> {
        self.find_account(Statement::new(ACCOUNT_BY_EMAIL).bind(realm).bind(email))
            .await
    }

    async fn find_account(&self, question: Statement) -> Result<Option<Account>, StoreError> {
        let row = self.ask_one(question).await?;
        row.map(|row| read(&row)).transpose()
    }

    /// All accounts of a realm, by name.
    pub async fn accounts(&self, realm: &str) -> Result<Vec<Account>, StoreError> {
        let rows = self.ask(Statement::new(ACCOUNTS).bind(realm)).await?;
        rows.iter().map(read).collect()
    }

    /// The hashes of some passwords that were not made here: they begin otherwise than our own.
    pub async fn foreign_passwords(&self, most: u32) -> Result<Vec<Secret>, StoreError> {
        let question = Statement::new(FOREIGN_PASSWORDS).bind(most);
        let rows = self.ask(question).await?;
        let text = |row: &Row| row.of(TABLE).text("password").map(Secret::new);
        rows.iter().map(text).collect()
    }

    /// Gives an account another password and, in the same breath, voids its refresh tokens; whoever had to have another
    /// one has it. False: no such account.
    pub async fn set_password(&self, id: AccountId, password: Secret) -> Result<bool, StoreError> {
        self.touch(change(SET_PASSWORD, id).bind(password.reveal()))
            .await
    }

    /// Exchanges the hash of an unchanged password for a better one, unless somebody else was faster.
    pub async fn rehash_password(
        &self,
        id: AccountId,
        from: Secret,
        to: Secret,
    ) -> Result<bool, StoreError> {
        let change = change(REHASH_PASSWORD, id)
            .bind(from.reveal())
            .bind(to.reveal());
        self.touch(change).await
    }

    /// Says what the tokens of an account may do from now on. False: no such account.
    pub async fn set_scope(&self, id: AccountId, scope: Scope) -> Result<bool, StoreError> {
        self.touch(change(SET_SCOPE, id).bind(&scope)).await
    }

    /// Disables an account, or enables it again. False: no such account.
    pub async fn set_account_status(
        &self,
        id: AccountId,
        status: Status,
    ) -> Result<bool, StoreError> {
        self.touch(change(SET_ACCOUNT_STATUS, id).bind(status.word()))
            .await
    }

    /// Gives an account another second factor, sealed, or takes it away. False: no such account.
    pub async fn set_totp(
        &self,
        id: AccountId,
        sealed: Option<Vec<u8>>,
    ) -> Result<bool, StoreError> {
        self.touch(change(SET_TOTP, id).bind(sealed)).await
    }

    /// Says whether the owner of an account must choose another password first. False: no such account.
    pub async fn set_must_reset(&self, id: AccountId, must: bool) -> Result<bool, StoreError> {
        self.touch(change(SET_MUST_RESET, id).bind(must)).await
    }

    /// Voids the refresh tokens of an account, and returns its new generation. None: no such account.
    pub async fn bump_generation(&self, id: AccountId) -> Result<Option<u32>, StoreError> {
        let rows = self.returning(change(BUMP_GENERATION, id)).await?;
        let row = rows.first();
        row.map(|row| row.of(TABLE).small("generation")).transpose()
    }
}

fn adding(account: Account) -> Statement {
    Statement::new(ADD_ACCOUNT)
        .bind(account.id)
        .bind(account.realm)
        .bind(account.name)
        .bind(account.key)
        .bind(account.password.reveal())
        .bind(&account.scope)
        .bind(account.generation)
        .bind(account.status.word())
        .bind(account.created_at)
        .bind(account.email)
        .bind(account.title)
        .bind(account.owner)
        .bind(account.totp)
        .bind(account.must_reset)
}

fn change(sql: &'static str, id: AccountId) -> Statement {
    Statement::new(sql).bind(id)
}

fn read(row: &Row) -> Result<Account, StoreError> {
    let row = row.of(TABLE);
    Ok(Account {
        id: AccountId::from_bytes(row.array("id")?),
        realm: row.text("realm")?,
        name: row.text("name")?,
        key: row.text("account_key")?,
        password: Secret::new(row.text("password")?),
        scope: row.scope("scope")?,
        generation: row.small("generation")?,
        status: row.word("status", Status::from_word)?,
        created_at: row.time("created_at")?,
        email: row.maybe_text("email")?,
        title: row.maybe_text("title")?,
        owner: row.maybe_array("owner")?.map(AccountId::from_bytes),
        totp: row.maybe_bytes("totp")?,
        must_reset: row.truth("must_reset")?,
    })
}

const TABLE: &str = "account";

const ADD_ACCOUNT: &str = "\
    INSERT INTO account (id, realm, name, account_key, password, scope, generation, status, created_at, email, title, \
    owner, totp, must_reset) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) \
    ON CONFLICT DO NOTHING";
const ACCOUNT: &str = "\
    SELECT id, realm, name, account_key, password, scope, generation, status, created_at, email, title, owner, totp, \
    must_reset FROM account WHERE id = $1";
const ACCOUNT_BY_NAME: &str = "\
    SELECT id, realm, name, account_key, password, scope, generation, status, created_at, email, title, owner, totp, \
    must_reset FROM account WHERE realm = $1 AND name = $2";
const ACCOUNT_BY_KEY: &str = "\
    SELECT id, realm, name, account_key, password, scope, generation, status, created_at, email, title, owner, totp, \
    must_reset FROM account WHERE account_key = $2 AND realm = $1";
const ACCOUNT_BY_EMAIL: &str = "\
    SELECT id, realm, name, account_key, password, scope, generation, status, created_at, email, title, owner, totp, \
    must_reset FROM account WHERE realm = $1 AND email = $2";
const ACCOUNTS: &str = "\
    SELECT id, realm, name, account_key, password, scope, generation, status, created_at, email, title, owner, totp, \
    must_reset FROM account WHERE realm = $1 ORDER BY name";
const SET_PASSWORD: &str =
    "UPDATE account SET password = $2, must_reset = 0, generation = generation + 1 WHERE id = $1";
const REHASH_PASSWORD: &str = "UPDATE account SET password = $3 WHERE id = $1 AND password = $2";
const SET_SCOPE: &str = "UPDATE account SET scope = $2 WHERE id = $1";
const SET_ACCOUNT_STATUS: &str = "UPDATE account SET status = $2 WHERE id = $1";
const SET_TOTP: &str = "UPDATE account SET totp = $2 WHERE id = $1";
const SET_MUST_RESET: &str = "UPDATE account SET must_reset = $2 WHERE id = $1";
const FOREIGN_PASSWORDS: &str = "\
    SELECT password FROM account WHERE password <> '' AND substr(password, 1, 10) <> '$argon2id$' LIMIT $1";
const BUMP_GENERATION: &str =
    "UPDATE account SET generation = generation + 1 WHERE id = $1 RETURNING generation";

pub(super) const STATEMENTS: &[&str] = &[
    ADD_ACCOUNT,
    FOREIGN_PASSWORDS,
    ACCOUNT,
    ACCOUNT_BY_NAME,
    ACCOUNT_BY_KEY,
    ACCOUNT_BY_EMAIL,
    ACCOUNTS,
    SET_PASSWORD,
    REHASH_PASSWORD,
    SET_SCOPE,
    SET_ACCOUNT_STATUS,
    SET_TOTP,
    SET_MUST_RESET,
    BUMP_GENERATION,
];
