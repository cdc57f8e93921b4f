//! From an address to a running store.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::{ConnectOptions, Connection};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::lend::Lender;
use super::listen::Ear;
use super::{Postgres, Way, schema};
use crate::store::{Migrate, PoolSettings, StoreError};

/// Connects on a thread of its own, which lives until the store is closed.
pub(super) async fn open(way: Way) -> Result<Postgres, StoreError> {
    let (tell, told) = oneshot::channel();
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(StoreError::Start)?;
    let thread = thread::Builder::new().name("store".to_owned());
    thread
        .spawn(move || live(&runtime, way, tell))
        .map_err(StoreError::Start)?;
    told.await.map_err(|_| StoreError::Closed)?
}

/// The life of the store's thread.
fn live(runtime: &Runtime, way: Way, tell: oneshot::Sender<Result<Postgres, StoreError>>) {
    let stopped = CancellationToken::new();
    // Dropped last, also if something below panics: whoever waits for the end gets it.
    let _told_at_the_end = stopped.clone().drop_guard();
    runtime.block_on(async {
        let place = name(&way.options);
        let options = options(way.options, &way.pool);
        let (lender, ear) = match connect(&place, way.migrate, &way.pool, options).await {
            Ok(connected) => connected,
            Err(error) => {
                let _ = tell.send(Err(error));
                return;
            }
        };
        let (announce, news) = watch::channel(0);
        let stop = CancellationToken::new();
        let opened = Postgres {
            place: place.into(),
            lender: lender.clone(),
            news,
            stop: stop.clone(),
            stopped,
            _last: Arc::new(stop.clone().drop_guard()),
        };
        if tell.send(Ok(opened)).is_ok() {
            tokio::select! {
                () = stop.cancelled() => {}
                () = ear.listen(&announce) => {}
            }
        }
        lender.pool.close().await;
    });
}

/// Connects, brings the schema up to date, and makes the pool.
async fn connect(
    place: &str,
    migrate: Migrate,
    settings: &PoolSettings,
    options: PgConnectOptions,
) -> Result<(Lender, Ear), StoreError> {
    let failed = |source| StoreError::Connect {
        place: place.to_owned(),
        source,
    };
    let mut first = options.connect().await.map_err(failed)?;
    schema::bring_up_to_date(place, migrate, &mut first).await?;
    first.close().await.map_err(failed)?;
    let pool = PgPoolOptions::new()
        .max_connections(settings.max)
        .acquire_timeout(settings.acquire_timeout.duration())
        .test_before_acquire(false)
        .before_acquire(|connection, meta| Box::pin(is_alive(connection, meta.idle_for)))
        .connect_with(options.clone())
        .await
        .map_err(failed)?;
    let lender = Lender {
        pool,
        runtime: Handle::current(),
        // The server gives up first, and says so.
        patience: settings.statement_timeout.duration() + GRACE,
    };
    Ok((lender, Ear { options }))
}

fn options(options: PgConnectOptions, settings: &PoolSettings) -> PgConnectOptions {
    let limit = millis(settings.statement_timeout.duration());
    options
        .application_name("tollgate")
        .options([
            ("synchronous_commit", "on".to_owned()),
            ("statement_timeout", limit.clone()),
            ("lock_timeout", limit),
            ("idle_in_transaction_session_timeout", millis(ABANDONED)),
        ])
        .disable_statement_logging()
}

/// A connection that has been still may have been cut off, with or without a word; asking each time would cost a round
/// trip. One that does not answer makes room for another.
async fn is_alive(connection: &mut PgConnection, still_for: Duration) -> sqlx::Result<bool> {
    if still_for <= STILL {
        return Ok(true);
    }
    match tokio::time::timeout(ANSWER, connection.ping()).await {
        Ok(answer) => answer.map(|()| true),
        Err(elapsed) => Err(sqlx::Error::Io(elapsed.into())),
    }
}

/// The database without anything secret.
fn name(options: &PgConnectOptions) -> String {
    let place = options.get_socket().map_or_else(
        || options.get_host().to_owned(),
        |path| path.display().to_string(),
    );
    let database = options
        .get_database()
        .unwrap_or_else(|| options.get_username());
    format!("postgres://{place}:{}/{database}", options.get_port())
}

fn millis(span: Duration) -> String {
    span.as_millis().to_string()
}

/// A transaction that nobody goes on with is broken off by the server.
const ABANDONED: Duration = Duration::from_secs(10);

/// A connection that has not been used for so long is tried before it is.
const STILL: Duration = Duration::from_secs(1);

/// How long one that is tried may take to answer.
const ANSWER: Duration = Duration::from_millis(500);

/// How much longer than the server we wait for its answer.
const GRACE: Duration = Duration::from_secs(1);
