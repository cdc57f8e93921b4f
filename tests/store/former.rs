//! A store as the first schema left it, with rows in every table.

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use sqlx::{AssertSqlSafe, Connection};
use tollgate::token::Digest;

/// Makes it in a new file.
pub(crate) async fn in_file(file: &Path) {
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true);
    let connecting = sqlx::SqliteConnection::connect_with(&options);
    let mut connection = connecting.await.unwrap();
    let first = include_str!("../../src/store/migrations/sqlite/0001_start.sql");
    let version = "CREATE TABLE schema_version (step INTEGER NOT NULL PRIMARY KEY, sha256 BLOB NOT NULL) STRICT";
    for text in [version, first, &taken(first), ROWS] {
        let making = sqlx::raw_sql(AssertSqlSafe(text.to_owned()));
        making.execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
    // What others may read is refused.
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
}

/// Makes it in a new database.
pub(crate) async fn on_server(url: &str) {
    let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
    let first = include_str!("../../src/store/migrations/postgres/0001_start.sql");
    let version =
        "CREATE TABLE schema_version (step BIGINT NOT NULL PRIMARY KEY, sha256 BYTEA NOT NULL)";
    let (taken, rows) = (taken(first), ROWS);
    let [taken, rows] = [&*taken, rows].map(|text| text.replace("x'", "'\\x"));
    for text in [version, first, &taken, &rows] {
        let making = sqlx::raw_sql(AssertSqlSafe(text.to_owned()));
        making.execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
}

/// That the first step was taken, and no other.
fn taken(first: &str) -> String {
    let hex = Digest::of(first.as_bytes())
        .bytes()
        .iter()
        .fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").unwrap();
            hex
        });
    format!("INSERT INTO schema_version (step, sha256) VALUES (1, x'{hex}')")
}

/// Bytes as SQLite writes them, moments in milliseconds. Session 1 is renewed and has tokens out, 2 continues it, 3 was
/// ended, 4 was over long ago.
const ROWS: &str = "
INSERT INTO account (id, realm, name, account_key, password, scope, generation, status, created_at, email, title, totp)
VALUES (x'0a000000000000000000000000000000', 'hub', 'ada', 'ada-key', '$argon2id$..', 'orders:read', 3, 'active', 1000,
        'ada@example.com', 'Ada L', x'010203');
INSERT INTO account (id, realm, name, account_key, password, scope, generation, status, created_at, owner, must_reset)
VALUES (x'0b000000000000000000000000000000', 'hub', 'bob', 'bob-key', '', '', 0, 'disabled', 2000,
        x'0a000000000000000000000000000000', 1);
INSERT INTO client (name, secret, former_secret, former_until, scope, grants, status, created_at, redirect_uris, title,
                    registered_at)
VALUES ('cart', x'1111111111111111111111111111111111111111111111111111111111111111',
        x'2222222222222222222222222222222222222222222222222222222222222222', 900000000, 'orders:read',
        'authorization_code refresh_token', 'active', 3000, 'https://c.test/cb https://c.test/2', 'Cart', 'hub');
INSERT INTO signing_key (kid, realm, algorithm, sealed, state, created_at, since)
VALUES ('k1', 'hub', 'RS256', x'040506', 'active', 4000, 5000);
INSERT INTO session (id, root, realm, account, subject, client, scope, salt, generation, seen, renewed_at, idle_end,
                     absolute_end, digest, exclusive, created_at, ended_at, ending)
VALUES (x'51000000000000000000000000000000', NULL, 'hub', x'0a000000000000000000000000000000', 'ada', 'cart',
        'orders:read', x'5a000000000000000000000000000000', 7, 6, 20000, 900000000, 950000000,
        x'3333333333333333333333333333333333333333333333333333333333333333', 1, 10000, NULL, NULL);
INSERT INTO session (id, root, realm, account, subject, client, scope, salt, generation, seen, renewed_at, idle_end,
                     absolute_end, digest, exclusive, created_at, ended_at, ending)
VALUES (x'52000000000000000000000000000000', x'51000000000000000000000000000000', 'hub',
        x'0a000000000000000000000000000000', 'ada', 'cart', 'orders:read', x'5b000000000000000000000000000000', 0, 0,
        30000, 900000000, 950000000, NULL, 0, 30000, NULL, NULL);
INSERT INTO session (id, root, realm, account, subject, client, scope, salt, generation, seen, renewed_at, idle_end,
                     absolute_end, digest, exclusive, created_at, ended_at, ending)
VALUES (x'53000000000000000000000000000000', NULL, 'hub', NULL, 'shop', 'shop', '', x'5c000000000000000000000000000000',
        1, 1, 40000, 900000000, 950000000, NULL, 0, 30000, 45000, 'revoked');
INSERT INTO session (id, root, realm, account, subject, client, scope, salt, generation, seen, renewed_at, idle_end,
                     absolute_end, digest, exclusive, created_at, ended_at, ending)
VALUES (x'54000000000000000000000000000000', NULL, 'hub', NULL, 'shop', 'shop', '', x'5d000000000000000000000000000000',
        0, 0, 10000, 20000, 20000, NULL, 0, 10000, NULL, NULL);
INSERT INTO one_time (kind, digest, payload, expires_at, used_at, session)
VALUES ('code', x'4444444444444444444444444444444444444444444444444444444444444444', 'unspent', 900000000, NULL, NULL);
INSERT INTO one_time (kind, digest, payload, expires_at, used_at, session)
VALUES ('nonce', x'5555555555555555555555555555555555555555555555555555555555555555', 'spent', 900000000, 50000,
        x'51000000000000000000000000000000');
INSERT INTO consent (realm, account, client, scope, given_at)
VALUES ('hub', x'0a000000000000000000000000000000', 'cart', 'orders:read', 6000);
INSERT INTO revocation (realm, kind, named, revoked_at, expires_at)
VALUES ('hub', 'session', '53000000000000000000000000000000', 45000, 900000000);
INSERT INTO revocation (realm, kind, named, revoked_at, expires_at) VALUES ('hub', 'token', 't1', 46000, 900000000);
";
