//! From a path to a running store.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::writer::{self, Writer};
use super::{Sqlite, schema};
use crate::store::{Migrate, StoreError};

/// Opens the file on a thread of its own, which lives until the store is closed.
pub(super) async fn open(path: PathBuf, migrate: Migrate) -> Result<Sqlite, StoreError> {
    let (tell, told) = oneshot::channel();
    let runtime = Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(StoreError::Start)?;
    let thread = thread::Builder::new().name("store".to_owned());
    thread
        .spawn(move || live(&runtime, path, migrate, tell))
        .map_err(StoreError::Start)?;
    told.await.map_err(|_| StoreError::Closed)?
}

/// The life of the store's thread.
fn live(
    runtime: &Runtime,
    path: PathBuf,
    migrate: Migrate,
    tell: oneshot::Sender<Result<Sqlite, StoreError>>,
) {
    let stopped = CancellationToken::new();
    // Dropped last, also if something below panics: whoever waits for the end gets it.
    let _told_at_the_end = stopped.clone().drop_guard();
    runtime.block_on(async {
        let (connection, readers) = match connect(&path, migrate).await {
            Ok(opened) => opened,
            Err(error) => {
                let _ = tell.send(Err(error));
                return;
            }
        };
        let (writer, changes) = Writer::new();
        let stop = CancellationToken::new();
        let opened = Sqlite {
            path: Arc::new(path),
            runtime: Handle::current(),
            readers: readers.clone(),
            writer,
            stop: stop.clone(),
            stopped,
        };
        if tell.send(Ok(opened)).is_ok() {
            writer::serve(connection, changes, stop).await;
        }
        readers.close().await;
    });
}

async fn connect(
    path: &Path,
    migrate: Migrate,
) -> Result<(SqliteConnection, SqlitePool), StoreError> {
    prepare_file(path)?;
    let options = options(path);
    let failed = |error| opening(path, error);
    let writing = options
        .clone()
        .pragma("cache_size", WRITER_CACHE)
        .pragma("wal_autocheckpoint", CHECKPOINT);
    let mut writer = writing.connect().await.map_err(failed)?;
    write_ahead(&mut writer).await.map_err(failed)?;
    schema::bring_up_to_date(path, migrate, &mut writer).await?;
    let readers = SqlitePoolOptions::new()
        .max_connections(READERS)
        .acquire_timeout(READER_WAIT)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .connect_with(options.pragma("query_only", "ON"))
        .await
        .map_err(failed)?;
    Ok((writer, readers))
}

/// How every connection to the file is opened.
pub(super) fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true)
        .synchronous(SqliteSynchronous::Full)
        .disable_statement_logging()
}

/// Makes the folder and an empty file, both for the owner alone; the files beside it take over its mode.
fn prepare_file(path: &Path) -> Result<(), StoreError> {
    let folder = path.parent().unwrap_or(path);
    let unwritable = |source| StoreError::Folder {
        folder: folder.to_owned(),
        source,
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(unwritable)?;
    let creation = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match creation {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        other => {
            other.map_err(unwritable)?;
            return Ok(());
        }
    }
    let found = path.metadata().map_err(unwritable)?;
    if found.is_dir() {
        return Err(StoreError::IsFolder {
            path: path.to_owned(),
        });
    }
    if found.mode() & 0o007 != 0 {
        return Err(StoreError::Exposed {
            path: path.to_owned(),
        });
    }
    Ok(())
}

/// Switches to write-ahead mode. The switch does not wait for other connections by itself, so a second process that
/// starts at the same moment is given the same patience as a lock.
async fn write_ahead(connection: &mut SqliteConnection) -> sqlx::Result<()> {
    let mut patience = BUSY_TIMEOUT;
    loop {
        let switched = sqlx::raw_sql("PRAGMA journal_mode = WAL")
            .execute(&mut *connection)
            .await;
        match switched {
            Err(error) if primary_code(&error) == Some(5) && !patience.is_zero() => {
                tokio::time::sleep(BUSY_PAUSE).await;
                patience = patience.saturating_sub(BUSY_PAUSE);
            }
            other => return other.map(|_| ()),
        }
    }
}

/// What an error means that came before the store was open.
pub(super) fn opening(path: &Path, source: sqlx::Error) -> StoreError {
    let path = path.to_owned();
    match primary_code(&source) {
        // SQLITE_CORRUPT, SQLITE_NOTADB
        Some(11 | 26) => StoreError::Corrupt { path, source },
        // SQLITE_PERM, SQLITE_READONLY, SQLITE_CANTOPEN
        Some(3 | 8 | 14) => StoreError::Barred { path, source },
        _ => StoreError::Open { path, source },
    }
}

/// The result code of SQLite without the part that only refines it.
pub(super) fn primary_code(error: &sqlx::Error) -> Option<u32> {
    let code: u32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}

/// How long a lock of another process is waited for.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// What the writing connection keeps in memory, as SQLite counts it: 32 MiB.
const WRITER_CACHE: &str = "-32768";

/// After how many pages the log is written back into the file. Renewals are all over it, and the more of them are written
/// back together, the fewer ways the disk has to go; the log stays below 40 MiB.
const CHECKPOINT: &str = "8192";

/// Reading connections, each with a thread of its own, and how long one is waited for.
const READERS: u32 = 4;
const READER_WAIT: Duration = Duration::from_secs(2);
