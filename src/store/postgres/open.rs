//! From an address to a running store.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::{Postgres, Way, listen, schema};
use crate::store::StoreError;

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
        let pool = match connect(&place, way).await {
            Ok(pool) => pool,
            Err(error) => {
                let _ = tell.send(Err(error));
                return;
            }
        };
        let (announce, news) = watch::channel(0);
        let stop = CancellationToken::new();
        let opened = Postgres {
            place: place.into(),
            runtime: Handle::current(),
            pool: pool.clone(),
            news,
            stop: stop.clone(),
            stopped,
            _last: Arc::new(stop.clone().drop_guard()),
        };
        if tell.send(Ok(opened)).is_ok() {
            tokio::select! {
                () = stop.cancelled() => {}
                () = listen::listen(&pool, &announce) => {}
            }
        }
        pool.close().await;
    });
}

async fn connect(place: &str, way: Way) -> Result<PgPool, StoreError> {
    let options = way
        .options
        .application_name("tollgate")
        .options([
            ("synchronous_commit", "on".to_owned()),
            (
                "statement_timeout",
                millis(way.pool.statement_timeout.duration()),
            ),
            (
                "lock_timeout",
                millis(way.pool.statement_timeout.duration()),
            ),
            ("idle_in_transaction_session_timeout", millis(ABANDONED)),
        ])
        .disable_statement_logging();
    let failed = |source| StoreError::Connect {
        place: place.to_owned(),
        source,
    };
    let mut first = options.connect().await.map_err(failed)?;
    schema::bring_up_to_date(place, way.migrate, &mut first).await?;
    first.close().await.map_err(failed)?;
    PgPoolOptions::new()
        .max_connections(way.pool.max.saturating_add(LISTENING))
        .acquire_timeout(way.pool.acquire_timeout.duration())
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                // One that has been still may have been cut off; asking each time would cost a round trip.
                if meta.idle_for > STILL {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .connect_with(options)
        .await
        .map_err(failed)
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

/// One connection does nothing but listen.
const LISTENING: u32 = 1;
