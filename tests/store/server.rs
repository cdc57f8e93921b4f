//! What a store on a PostgreSQL server promises besides, and that both engines have the same tables.

use std::collections::BTreeSet;
use std::time::Duration;

use sqlx::{Connection, Executor, Row};
use tollgate::store::{Addition, Revoked, Store, StoreError, StoreSettings};

use crate::bed::{Bed, account, at_once, client, verdict};
use crate::postgres::Server;

#[tokio::test]
async fn what_was_acknowledged_is_there_after_reopening() {
    let bed = Bed::postgres();
    let store = bed.open().await;
    let ada = account("hub", "ada");
    assert_eq!(
        store.add_account(ada.clone()).await.unwrap(),
        Addition::Added
    );
    store.close().await;
    assert!(matches!(
        store.client("shop").await,
        Err(StoreError::Closed)
    ));
    let store = bed.open().await;
    let found = store.account_by_name("hub", "ada").await.unwrap().unwrap();
    assert_eq!(format!("{found:?}"), format!("{ada:?}"));
    assert_eq!(found.password.reveal(), ada.password.reveal());
}

#[tokio::test]
async fn every_statement_fits_the_schema_of_the_server() {
    let store = Bed::postgres().open().await;
    store.integrity().await.unwrap();
    store.ping().await.unwrap();
}

#[tokio::test]
async fn a_verdict_of_one_node_is_heard_by_the_others_within_a_second() {
    let bed = Bed::postgres();
    let (here, there) = (bed.open().await, bed.open().await);
    let mut news = there.watch().unwrap();
    // The first news is that it listens now.
    tokio::time::timeout(Duration::from_secs(10), news.changed())
        .await
        .unwrap()
        .unwrap();
    let spoken = verdict(Revoked::Subject("ada".to_owned()));
    here.revoke(spoken.clone()).await.unwrap();
    tokio::time::timeout(Duration::from_secs(1), news.changed())
        .await
        .unwrap()
        .unwrap();
    let read = there.revocations_since(0).await.unwrap();
    assert_eq!(read[0].1, spoken);
}

#[tokio::test]
async fn a_file_has_nobody_to_tell_of_verdicts() {
    assert!(Bed::sqlite().open().await.watch().is_none());
}

#[tokio::test]
async fn nodes_that_start_together_make_the_schema_once() {
    let url = Server::shared().database();
    let opened = at_once((0..4).map(|_| {
        let settings = StoreSettings::at(url.clone());
        async move { Store::open(&settings, "".as_ref()).await.unwrap() }
    }))
    .await;
    for store in opened {
        let standing = store.standing().await.unwrap();
        assert_eq!((standing.taken, standing.known), (2, 2));
    }
}

#[tokio::test]
async fn a_newer_schema_one_of_another_build_and_foreign_tables_are_left_alone() {
    for (tampering, expected) in [
        (
            "INSERT INTO schema_version VALUES (3, '\\x00'), (4, '\\x00')",
            "newer",
        ),
        (
            "UPDATE schema_version SET sha256 = '\\x00'",
            "another build",
        ),
        (
            "DROP TABLE schema_version; CREATE TABLE songs (title TEXT)",
            "another program",
        ),
    ] {
        let url = Server::shared().database();
        let settings = StoreSettings::at(url.clone());
        Store::open(&settings, "".as_ref())
            .await
            .unwrap()
            .close()
            .await;
        tamper(&url, tampering).await;
        let error = Store::open(&settings, "".as_ref()).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_named_without_its_password() {
    let settings = StoreSettings {
        password: Some(tollgate::settings::SecretSource {
            literal: Some(tollgate::token::Secret::new("hunter2")),
            ..tollgate::settings::SecretSource::default()
        }),
        ..StoreSettings::at("postgres://tollgate@localhost:1/tollgate?host=/nonexistent")
    };
    let error = Store::open(&settings, "".as_ref()).await.unwrap_err();
    assert!(matches!(error, StoreError::Connect { .. }), "{error:?}");
    assert!(error.to_string().contains("/nonexistent"), "{error}");
    let all = format!("{error:?} {error} {settings:?}");
    assert!(!all.contains("hunter2"), "{all}");
}

#[tokio::test]
async fn a_server_that_went_away_ends_in_an_answer_and_is_used_again_when_it_is_back() {
    let server = Server::durable();
    let settings = StoreSettings::at(server.database());
    let store = Store::open(&settings, "".as_ref()).await.unwrap();
    assert_eq!(
        store.add_client(client("before")).await.unwrap(),
        Addition::Added
    );
    server.crash();
    // Connections that were cut off may each fail once.
    let again = async {
        while store.add_client(client("after")).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), again)
        .await
        .unwrap();
    assert!(store.client("before").await.unwrap().is_some());
    store.close().await;
}

#[tokio::test]
async fn both_engines_have_the_same_tables_columns_and_keys() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&StoreSettings::default(), folder.path())
        .await
        .unwrap();
    store.close().await;
    let file = folder.path().join("tollgate.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
    let mut sqlite = sqlx::SqliteConnection::connect_with(&options)
        .await
        .unwrap();
    let url = Server::shared().database();
    let settings = StoreSettings::at(url.clone());
    let store = Store::open(&settings, "".as_ref()).await.unwrap();
    store.close().await;
    let mut postgres = sqlx::PgConnection::connect(&url).await.unwrap();

    let there = lines(&mut sqlite, SQLITE_COLUMNS).await;
    assert_eq!(there, lines(&mut postgres, POSTGRES_COLUMNS).await);
    assert!(there.len() > 50, "{there:?}");
    let there = lines(&mut sqlite, SQLITE_INDEXES).await;
    assert_eq!(there, lines(&mut postgres, POSTGRES_INDEXES).await);
    assert!(there.len() >= 8, "{there:?}");
}

/// The rows of one column of text.
async fn lines<'c, D>(
    connection: impl Executor<'c, Database = D>,
    question: &'static str,
) -> BTreeSet<String>
where
    D: sqlx::Database,
    for<'q> <D as sqlx::Database>::Arguments: sqlx::IntoArguments<D>,
    for<'r> String: sqlx::Decode<'r, D> + sqlx::Type<D>,
    usize: sqlx::ColumnIndex<D::Row>,
{
    let rows = connection.fetch_all(sqlx::query(question)).await.unwrap();
    rows.iter().map(|row| row.get::<String, _>(0)).collect()
}

async fn tamper(url: &str, sql: &'static str) {
    let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// Table, column, kind, and whether it must have a value.
const SQLITE_COLUMNS: &str = "\
    SELECT t.name || '.' || c.name || ' ' || c.type || iif(c.\"notnull\", ' not null', '') \
    FROM sqlite_master AS t, pragma_table_info(t.name) AS c \
    WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%'";
const POSTGRES_COLUMNS: &str = "\
    SELECT table_name || '.' || column_name || ' ' || \
    CASE data_type WHEN 'bytea' THEN 'BLOB' WHEN 'bigint' THEN 'INTEGER' ELSE upper(data_type) END || \
    CASE is_nullable WHEN 'NO' THEN ' not null' ELSE '' END \
    FROM information_schema.columns WHERE table_schema = current_schema()";

/// The indexes with names of their own: table, name, whether they are unique and whether they are partial.
const SQLITE_INDEXES: &str = "\
    SELECT t.name || '.' || i.name || iif(i.\"unique\", ' unique', '') || iif(i.partial, ' partial', '') \
    FROM sqlite_master AS t, pragma_index_list(t.name) AS i \
    WHERE t.type = 'table' AND i.origin = 'c'";
const POSTGRES_INDEXES: &str = "\
    SELECT t.relname || '.' || i.relname || CASE WHEN x.indisunique THEN ' unique' ELSE '' END || \
    CASE WHEN x.indpred IS NOT NULL THEN ' partial' ELSE '' END \
    FROM pg_index AS x JOIN pg_class AS i ON i.oid = x.indexrelid JOIN pg_class AS t ON t.oid = x.indrelid \
    JOIN pg_namespace AS n ON n.oid = t.relnamespace \
    WHERE n.nspname = current_schema() AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = i.oid)";
