//! The table of clients.

use crate::store::fields::{Fields, Row};
use crate::store::statement::Statement;
use crate::store::{Addition, Client, FormerSecret, Status, Store, StoreError};
use crate::token::{Digest, Timestamp};

/// Clients.
impl Store {
    /// Adds a client, unless its name is taken.
    pub async fn add_client(&self, client: Client) -> Result<Addition, StoreError> {
        let adding = Statement::new(ADD_CLIENT)
            .bind(client.name)
            .bind(client.secret)
            .bind(client.former.map(|former| former.digest))
            .bind(client.former.map(|former| former.until))
            .bind(&client.scope)
            .bind(client.grants.join(" "))
            .bind(client.status.word())
            .bind(client.created_at)
            .bind(client.redirect_uris.join(" "))
            .bind(client.title)
            .bind(client.registered_at);
        self.touch(adding).await.map(Addition::from_touch)
    }

    /// The client of this name.
    pub async fn client(&self, name: &str) -> Result<Option<Client>, StoreError> {
        let row = self.ask_one(Statement::new(CLIENT).bind(name)).await?;
        row.map(|row| read(&row)).transpose()
    }

    /// All clients, by name.
    pub async fn clients(&self) -> Result<Vec<Client>, StoreError> {
        let rows = self.ask(Statement::new(CLIENTS)).await?;
        rows.iter().map(read).collect()
    }

    /// How many clients have registered themselves at a mount.
    pub async fn registered_clients(&self, realm: &str) -> Result<u64, StoreError> {
        let row = self
            .ask_one(Statement::new(COUNT_CLIENTS).bind(realm))
            .await?;
        let count = row.map_or(Ok(0), |row| row.of("client").number("rows"))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Forgets those of them that were made before this moment, and that nobody has ever agreed to. Says how many.
    pub async fn remove_unused_clients(
        &self,
        realm: &str,
        before: Timestamp,
    ) -> Result<u64, StoreError> {
        let removing = Statement::new(REMOVE_UNUSED_CLIENTS)
            .bind(realm)
            .bind(before);
        self.alter(removing).await
    }

    /// Gives a client another secret; the `former` one may stay good for a while. It is kept only if it is still the
    /// client's secret, so two rotations at once do not lose one. False: no such client, or somebody else was faster.
    pub async fn set_client_secret(
        &self,
        name: &str,
        secret: Digest,
        former: FormerSecret,
    ) -> Result<bool, StoreError> {
        let change = Statement::new(SET_CLIENT_SECRET)
            .bind(name)
            .bind(secret)
            .bind(former.digest)
            .bind(former.until);
        self.touch(change).await
    }

    /// Disables a client, or enables it again. False: no such client.
    pub async fn set_client_status(&self, name: &str, status: Status) -> Result<bool, StoreError> {
        let change = Statement::new(SET_CLIENT_STATUS)
            .bind(name)
            .bind(status.word());
        self.touch(change).await
    }

    /// Forgets a client. False: no such client.
    pub async fn remove_client(&self, name: &str) -> Result<bool, StoreError> {
        self.touch(Statement::new(REMOVE_CLIENT).bind(name)).await
    }
}

fn read(row: &Row) -> Result<Client, StoreError> {
    let row = row.of("client");
    Ok(Client {
        name: row.text("name")?,
        secret: row.maybe_array("secret")?.map(Digest::from_bytes),
        former: former(row)?,
        scope: row.scope("scope")?,
        grants: row.words("grants")?,
        status: row.word("status", Status::from_word)?,
        created_at: row.time("created_at")?,
        redirect_uris: row.words("redirect_uris")?,
        title: row.maybe_text("title")?,
        registered_at: row.maybe_text("registered_at")?,
    })
}

fn former(row: Fields<'_>) -> Result<Option<FormerSecret>, StoreError> {
    let secret = row.maybe_array("former_secret")?;
    let until = row.maybe_time("former_until")?;
    Ok(secret.zip(until).map(|(secret, until)| FormerSecret {
        digest: Digest::from_bytes(secret),
        until,
    }))
}

const ADD_CLIENT: &str = "\
    INSERT INTO client (name, secret, former_secret, former_until, scope, grants, status, created_at, redirect_uris, \
    title, registered_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (name) DO NOTHING";
const CLIENT: &str = "\
    SELECT name, secret, former_secret, former_until, scope, grants, status, created_at, redirect_uris, title, \
    registered_at FROM client WHERE name = $1";
const CLIENTS: &str = "\
    SELECT name, secret, former_secret, former_until, scope, grants, status, created_at, redirect_uris, title, \
    registered_at FROM client ORDER BY name";
const SET_CLIENT_SECRET: &str = "\
    UPDATE client SET secret = $2, former_secret = $3, former_until = $4 WHERE name = $1 AND secret = $3";
const SET_CLIENT_STATUS: &str = "UPDATE client SET status = $2 WHERE name = $1";
const COUNT_CLIENTS: &str = "SELECT count(*) AS rows FROM client WHERE registered_at = $1";
const REMOVE_UNUSED_CLIENTS: &str = "\
    DELETE FROM client WHERE registered_at = $1 AND created_at < $2 \
    AND name NOT IN (SELECT client FROM consent WHERE realm = $1)";
const REMOVE_CLIENT: &str = "DELETE FROM client WHERE name = $1";

pub(super) const STATEMENTS: &[&str] = &[
    ADD_CLIENT,
    CLIENT,
    CLIENTS,
    SET_CLIENT_SECRET,
    SET_CLIENT_STATUS,
    COUNT_CLIENTS,
    REMOVE_UNUSED_CLIENTS,
    REMOVE_CLIENT,
];
