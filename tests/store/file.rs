//! What a store in one file promises besides.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use tollgate::store::{Addition, Store, StoreError, StoreSettings};

use crate::bed::{account, at, client, key, session, start};

#[tokio::test]
async fn what_was_acknowledged_is_there_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    let ada = account("hub", "ada");
    assert_eq!(
        store.add_account(ada.clone()).await.unwrap(),
        Addition::Added
    );
    assert_eq!(
        store.add_client(client("shop")).await.unwrap(),
        Addition::Added
    );
    store.add_key(key("hub", "k1")).await.unwrap();
    store.close().await;

    let store = open(&folder).await;
    let found = store.account_by_name("hub", "ada").await.unwrap().unwrap();
    assert_eq!(format!("{found:?}"), format!("{ada:?}"));
    assert_eq!(found.password.reveal(), ada.password.reveal());
    let found = store
        .account_by_key("hub", &ada.key)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.id, ada.id);
    let found = store.client("shop").await.unwrap().unwrap();
    assert_eq!(format!("{found:?}"), format!("{:?}", client("shop")));
    assert_eq!(store.keys("hub").await.unwrap(), [key("hub", "k1")]);
}

/// As sessions are that were opened before there was a time to look at them.
#[tokio::test]
async fn sessions_of_an_earlier_schema_are_looked_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    let mut live = session(None);
    (live.idle_end, live.absolute_end) = (at(900_000), at(900_000));
    for session in [session(None), live.clone()] {
        store.add_session(session).await.unwrap();
    }
    store.close().await;
    tamper(&folder, "UPDATE session SET due = 0").await;
    let store = open(&folder).await;
    let late = at(100_000);
    assert_eq!(store.sweep(late).await.unwrap(), 2, "one gone, one put off");
    assert_eq!(store.sweep(late).await.unwrap(), 0);
    assert!(store.session(live.id).await.unwrap().is_some());
}

/// Whoever ends all sessions of a client, or looks for what is over, does not read those of everybody.
#[tokio::test]
async fn what_concerns_many_sessions_is_found_by_an_index() {
    use sqlx::Connection;
    let folder = tempfile::tempdir().unwrap();
    open(&folder).await.close().await;
    let options =
        sqlx::sqlite::SqliteConnectOptions::new().filename(folder.path().join("tollgate.db"));
    let mut connection = sqlx::SqliteConnection::connect_with(&options)
        .await
        .unwrap();
    for (question, index) in [
        (
            "EXPLAIN QUERY PLAN UPDATE session SET due = 1 WHERE realm = 'a' AND client = 'b' AND ended_at IS NULL",
            "session_client",
        ),
        (
            "EXPLAIN QUERY PLAN SELECT id FROM session WHERE due <= 1 ORDER BY due LIMIT 1000",
            "session_due",
        ),
    ] {
        let plan: Vec<(i64, i64, i64, String)> = sqlx::query_as(question)
            .fetch_all(&mut connection)
            .await
            .unwrap();
        assert!(plan.iter().any(|step| step.3.contains(index)), "{plan:?}");
    }
}

#[tokio::test]
async fn an_acknowledged_change_survives_a_process_that_never_closes() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    let _ = store.add_account(account("hub", "ada")).await.unwrap();
    // What a killed process leaves behind: the files as they are now.
    let left = tempfile::tempdir().unwrap();
    for file in fs::read_dir(folder.path()).unwrap().map(Result::unwrap) {
        fs::copy(file.path(), left.path().join(file.file_name())).unwrap();
    }
    let store = open(&left).await;
    assert!(store.account_by_name("hub", "ada").await.unwrap().is_some());
}

#[tokio::test]
async fn changes_that_share_a_commit_fail_each_on_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    let ada = account("hub", "ada").id;
    let taken = session(Some(ada));
    store.add_session(taken.clone()).await.unwrap();
    let changes: Vec<_> = (0..200)
        .map(|n| {
            let store = store.clone();
            let mut session = session(Some(ada));
            if n % 3 == 0 {
                // Not a name that is taken, which is an answer, but a statement that fails.
                session.id = taken.id;
            }
            start(async move { (n, store.add_session(session).await) })
        })
        .collect();
    for change in changes {
        let (n, outcome) = change.await.unwrap();
        match outcome {
            Ok(()) => assert!(n % 3 != 0, "{n}"),
            Err(StoreError::Statement(_)) => assert_eq!(n % 3, 0),
            Err(error) => panic!("{n}: {error}"),
        }
    }
    let sessions = store.sessions("hub", Some(ada)).await.unwrap();
    assert_eq!(sessions.len(), 1 + 133);
}

#[tokio::test]
async fn every_statement_fits_the_schema_and_the_file_is_sound() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    store.integrity().await.unwrap();
    store.ping().await.unwrap();
}

#[test]
fn a_store_may_be_asked_from_any_runtime() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
    };
    let store = runtime().block_on(open(&folder));
    let _ = runtime()
        .block_on(store.add_account(account("hub", "ada")))
        .unwrap();
    let found = runtime()
        .block_on(store.account_by_name("hub", "ada"))
        .unwrap();
    assert!(
        found.is_some(),
        "the runtime that opened the store is long gone"
    );
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    store.close().await;
    store.close().await;
    assert!(matches!(
        store.client("shop").await,
        Err(StoreError::Closed)
    ));
    assert!(matches!(
        store.add_client(client("shop")).await,
        Err(StoreError::Closed)
    ));
}

#[tokio::test]
async fn the_last_one_to_leave_closes_the_store() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(&folder).await);
    let log = folder.path().join("tollgate.db-wal");
    // SQLite removes the write-ahead log when the last connection closes.
    let gone = async {
        while log.exists() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone)
        .await
        .unwrap();
}

#[tokio::test]
async fn the_file_belongs_to_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("a/b");
    let store = Store::open(&StoreSettings::default(), &deep).await.unwrap();
    let _ = store.add_client(client("shop")).await.unwrap();
    for file in fs::read_dir(&deep).unwrap().map(Result::unwrap) {
        assert_eq!(mode(&file.path()), 0o600, "{:?}", file.path());
    }
    assert_eq!(mode(&deep), 0o700);
    store.close().await;

    let file = deep.join("tollgate.db");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let error = Store::open(&StoreSettings::default(), &deep)
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains(&format!("chmod 600 {}", file.display())),
        "{error}"
    );
}

#[tokio::test]
async fn a_damaged_file_is_named_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tollgate.db");
    fs::write(
        &file,
        "this is not a database, whatever its name says\n".repeat(99),
    )
    .unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let error = refused(&folder).await;
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
    let sentence = error.to_string();
    assert!(
        sentence.contains(&*file.to_string_lossy()) && sentence.contains("backup"),
        "{sentence}"
    );
}

#[tokio::test]
async fn damage_inside_the_file_is_found_by_whoever_looks() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    for n in 0..200 {
        let _ = store
            .add_account(account("hub", &format!("name-{n}")))
            .await
            .unwrap();
    }
    store.close().await;
    let file = folder.path().join("tollgate.db");
    let mut bytes = fs::read(&file).unwrap();
    let end = bytes.len();
    bytes[end - 4096..].fill(0xA5);
    fs::write(&file, bytes).unwrap();
    let store = open(&folder).await;
    let error = store.integrity().await.unwrap_err();
    assert!(
        matches!(error, StoreError::Damaged(_) | StoreError::Corrupt { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let blocked = folder.path().join("file");
    fs::write(&blocked, "").unwrap();
    let below = blocked.join("data");
    let error = Store::open(&StoreSettings::default(), &below)
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::Folder { .. }), "{error:?}");
    assert!(
        error.to_string().contains(&*below.to_string_lossy()),
        "{error}"
    );
}

#[tokio::test]
async fn a_folder_in_place_of_the_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tollgate.db");
    fs::create_dir(&file).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o700)).unwrap();
    let error = refused(&folder).await;
    assert!(matches!(error, StoreError::IsFolder { .. }), "{error:?}");
    assert!(
        error.to_string().contains(&*file.to_string_lossy()),
        "{error}"
    );
}

#[tokio::test]
async fn a_newer_schema_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    open(&folder).await.close().await;
    tamper(
        &folder,
        "INSERT INTO schema_version VALUES (3, x'00'), (4, x'00')",
    )
    .await;
    let error = refused(&folder).await;
    assert!(
        matches!(
            error,
            StoreError::Newer {
                found: 4,
                known: 2,
                ..
            }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_schema_made_by_another_build_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    open(&folder).await.close().await;
    tamper(&folder, "UPDATE schema_version SET sha256 = x'00'").await;
    let error = refused(&folder).await;
    assert!(
        matches!(error, StoreError::Altered { step: 1, .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn the_database_of_another_program_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    tamper(&folder, "CREATE TABLE songs (title TEXT)").await;
    fs::set_permissions(
        folder.path().join("tollgate.db"),
        fs::Permissions::from_mode(0o600),
    )
    .unwrap();
    let error = refused(&folder).await;
    assert!(matches!(error, StoreError::Foreign { .. }), "{error:?}");
}

#[tokio::test]
async fn a_lock_held_by_another_process_ends_in_an_answer_and_passes() {
    use sqlx::Connection;
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    let options =
        sqlx::sqlite::SqliteConnectOptions::new().filename(folder.path().join("tollgate.db"));
    let mut other = sqlx::SqliteConnection::connect_with(&options)
        .await
        .unwrap();
    sqlx::raw_sql("BEGIN IMMEDIATE")
        .execute(&mut other)
        .await
        .unwrap();
    let unmade = store.add_client(client("shop")).await;
    assert!(matches!(unmade, Err(StoreError::Unmade)), "{unmade:?}");
    assert!(
        store.client("shop").await.unwrap().is_none(),
        "reading needs no lock"
    );
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    assert_eq!(
        store.add_client(client("shop")).await.unwrap(),
        Addition::Added
    );
}

#[tokio::test]
async fn a_password_hash_is_not_printed() {
    let printed = format!("{:?}", account("hub", "ada"));
    assert!(!printed.contains("argon2id"), "{printed}");
}

async fn open(folder: &TempDir) -> Store {
    Store::open(&StoreSettings::default(), folder.path())
        .await
        .unwrap()
}

async fn refused(folder: &TempDir) -> StoreError {
    Store::open(&StoreSettings::default(), folder.path())
        .await
        .unwrap_err()
}

async fn tamper(folder: &TempDir, sql: &'static str) {
    use sqlx::Connection;
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(folder.path().join("tollgate.db"))
        .create_if_missing(true);
    let mut connection = sqlx::SqliteConnection::connect_with(&options)
        .await
        .unwrap();
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}
