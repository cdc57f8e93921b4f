//! Every statement the tables are asked with, in SQL that SQLite and PostgreSQL both read.

pub(super) const PING: &str = "SELECT 1";

pub(super) const ADD_ACCOUNT: &str = "\
    INSERT INTO account (id, realm, name, account_key, password, scope, generation, status, created_at, email, title, \
    owner, totp, must_reset) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) ON CONFLICT (realm, name) DO NOTHING";
pub(super) const ACCOUNT_BY_NAME: &str = "\
    SELECT id, realm, name, account_key, password, scope, generation, status, created_at, email, title, owner, totp, \
    must_reset FROM account \
    WHERE realm = $1 AND name = $2";
pub(super) const ACCOUNT_BY_KEY: &str = "\
    SELECT id, realm, name, account_key, password, scope, generation, status, created_at, email, title, owner, totp, \
    must_reset FROM account \
    WHERE account_key = $2 AND realm = $1";
pub(super) const ACCOUNTS: &str = "\
    SELECT id, realm, name, account_key, password, scope, generation, status, created_at, email, title, owner, totp, \
    must_reset FROM account \
    WHERE realm = $1 ORDER BY name";
pub(super) const SET_PASSWORD: &str =
    "UPDATE account SET password = $2, generation = generation + 1 WHERE id = $1";
pub(super) const REHASH_PASSWORD: &str =
    "UPDATE account SET password = $3 WHERE id = $1 AND password = $2";
pub(super) const SET_SCOPE: &str = "UPDATE account SET scope = $2 WHERE id = $1";
pub(super) const SET_ACCOUNT_STATUS: &str = "UPDATE account SET status = $2 WHERE id = $1";
pub(super) const BUMP_GENERATION: &str =
    "UPDATE account SET generation = generation + 1 WHERE id = $1 RETURNING generation";

pub(super) const ADD_CLIENT: &str = "\
    INSERT INTO client (name, secret, former_secret, former_until, scope, grants, status, created_at, redirect_uris, \
    title, registered_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (name) DO NOTHING";
pub(super) const CLIENT: &str = "\
    SELECT name, secret, former_secret, former_until, scope, grants, status, created_at, redirect_uris, title, \
    registered_at FROM client \
    WHERE name = $1";
pub(super) const CLIENTS: &str = "\
    SELECT name, secret, former_secret, former_until, scope, grants, status, created_at, redirect_uris, title, \
    registered_at FROM client \
    ORDER BY name";
pub(super) const SET_CLIENT_SECRET: &str = "\
    UPDATE client SET secret = $2, former_secret = $3, former_until = $4 \
    WHERE name = $1 AND secret = $3";
pub(super) const SET_CLIENT_STATUS: &str = "UPDATE client SET status = $2 WHERE name = $1";
pub(super) const REMOVE_CLIENT: &str = "DELETE FROM client WHERE name = $1";

pub(super) const KEYS: &str = "\
    SELECT kid, realm, algorithm, sealed, state, created_at FROM signing_key \
    WHERE realm = $1 ORDER BY created_at, kid";
pub(super) const ADD_KEY: &str = "\
    INSERT INTO signing_key (kid, realm, algorithm, sealed, state, created_at) \
    VALUES ($1, $2, $3, $4, 'active', $5) \
    ON CONFLICT (realm, algorithm) WHERE state = 'active' DO NOTHING";
pub(super) const ACTIVE_KEY: &str = "\
    SELECT kid, realm, algorithm, sealed, state, created_at FROM signing_key \
    WHERE realm = $1 AND algorithm = $2 AND state = 'active'";

/// All of them: whoever looks for damage prepares each once, so that a schema that does not fit is found there.
pub(super) const ALL: [&str; 19] = [
    PING,
    ADD_ACCOUNT,
    ACCOUNT_BY_NAME,
    ACCOUNT_BY_KEY,
    ACCOUNTS,
    SET_PASSWORD,
    REHASH_PASSWORD,
    SET_SCOPE,
    SET_ACCOUNT_STATUS,
    BUMP_GENERATION,
    ADD_CLIENT,
    CLIENT,
    CLIENTS,
    SET_CLIENT_SECRET,
    SET_CLIENT_STATUS,
    REMOVE_CLIENT,
    KEYS,
    ADD_KEY,
    ACTIVE_KEY,
];
