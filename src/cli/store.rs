//! `tollgate store`: what must survive, looked at, kept safe and moved.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;

use super::command::Global;
use super::desk::{configuration, runtime};
use super::{CliError, console};
use crate::config::Config;
use crate::settings::SecretSource;
use crate::store::{Count, Migrate, Store, StoreSettings};

/// What must survive: accounts, clients, keys, sessions.
#[derive(Debug, Subcommand)]
pub(super) enum StoreCommand {
    /// Say where the store is, how far its schema has come and what is in it
    Status {
        /// Read it all through and look for damage, too; takes long
        #[arg(long)]
        deep: bool,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Bring the schema up to date
    Migrate,
    /// Write a copy of the store to a new file, while the gateway runs
    Backup {
        /// The file; nobody but its owner may read it
        file: PathBuf,
    },
    /// Copy everything, as it is at this moment, to another store, which must be empty. What a gateway does with the old
    /// one from then on is not in the new one: stop it first if it is to go on with the copy
    Copy {
        /// The other store, as in `postgres://tollgate@db.internal/tollgate` or `sqlite:other.db`
        #[arg(long, value_name = "URL")]
        to: String,
        /// A file with the password for it
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
}

/// Obeys.
pub(super) fn obey(global: &Global, command: StoreCommand) -> Result<(), CliError> {
    let config = configuration(global)?;
    let runtime = runtime()?;
    runtime.block_on(async {
        match command {
            StoreCommand::Status { deep, json } => status(&config, deep, json).await,
            StoreCommand::Migrate => migrate(&config).await,
            StoreCommand::Backup { file } => {
                let store = open(&config, Migrate::Check).await?;
                let done = store.backup(&file).await;
                store.close().await;
                done?;
                global.note(format_args!("wrote {}", file.display()));
                Ok(())
            }
            StoreCommand::Copy { to, password_file } => {
                let target = StoreSettings {
                    password: password_file.map(|file| SecretSource {
                        file: Some(file.into()),
                        ..SecretSource::default()
                    }),
                    ..StoreSettings::at(to)
                };
                copy(&config, &target).await
            }
        }
    })
}

async fn open(config: &Config, migrate: Migrate) -> Result<Store, CliError> {
    let settings = StoreSettings {
        migrate,
        ..config.store.clone()
    };
    Ok(Store::open(&settings, config.data_dir()).await?)
}

async fn status(config: &Config, deep: bool, as_json: bool) -> Result<(), CliError> {
    let store = open(config, Migrate::Check).await?;
    if deep {
        store.integrity().await?;
    }
    let standing = store.standing().await?;
    let counts = store.count().await?;
    let place = store.place();
    store.close().await;
    if as_json {
        let rows: serde_json::Map<_, _> = counts
            .iter()
            .map(|count| (count.table.to_owned(), json!(count.rows)))
            .collect();
        return console::answer_json(&json!({
            "store": place,
            "schema": standing.taken,
            "schema_known": standing.known,
            "rows": rows,
        }));
    }
    console::answer(format_args!("store   {place}"))?;
    console::answer(format_args!(
        "schema  {} of {}",
        standing.taken, standing.known
    ))?;
    console::answer(table(&counts))
}

async fn migrate(config: &Config) -> Result<(), CliError> {
    let store = open(config, Migrate::Auto).await?;
    let standing = store.standing().await?;
    let place = store.place();
    store.close().await;
    console::answer(format_args!("{place} is at schema {}", standing.taken))
}

async fn copy(config: &Config, target: &StoreSettings) -> Result<(), CliError> {
    let store = open(config, Migrate::Check).await?;
    let target = Store::open(target, config.data_dir()).await?;
    let counts = store.copy_to(&target).await;
    store.close().await;
    target.close().await;
    console::answer(table(&counts?))
}

fn table(counts: &[Count]) -> String {
    let rows: Vec<_> = counts
        .iter()
        .map(|count| vec![count.table.to_owned(), count.rows.to_string()])
        .collect();
    console::table(&["TABLE", "ROWS"], &rows)
}
