//! A copy of the file while it is in use.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use sqlx::{ConnectOptions, Connection};

use super::open;
use crate::store::StoreError;

/// Writes everything that is committed now to a new file for its owner alone, and returns when it is on the disk. No
/// half of it is left behind.
pub(super) async fn write(path: &Path, file: &Path) -> Result<(), StoreError> {
    let failed = |source| StoreError::Backup {
        path: file.to_owned(),
        source,
    };
    let words = file
        .to_str()
        .ok_or_else(|| failed(io::ErrorKind::InvalidInput.into()))?;
    // SQLite takes an empty file for none, and so the mode is ours from the beginning.
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .map_err(failed)?;
    let written = copy(path, words).await;
    if written.is_err() {
        // What is there is no backup.
        let _ = std::fs::remove_file(file);
    }
    written?;
    File::open(file)
        .and_then(|file| file.sync_all())
        .map_err(failed)
}

async fn copy(path: &Path, words: &str) -> Result<(), StoreError> {
    let opening = |error| open::opening(path, error);
    // A connection of its own, which may write: the readers may not, not even another file.
    let mut connection = open::options(path).connect().await.map_err(opening)?;
    sqlx::query("VACUUM INTO $1")
        .bind(words.to_owned())
        .execute(&mut connection)
        .await
        .map_err(StoreError::Statement)?;
    connection.close().await.map_err(opening)
}
