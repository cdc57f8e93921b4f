//! Whether the server is fit for traffic, and what it has counted: for whoever probes and scrapes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use super::skew::Skew;
use crate::admin::{self, Check, Health};
use crate::listen::{Bound, ListenError, Listening, Tallies};
use crate::observe::{Journal, Observer};
use crate::store::Store;
use crate::token::TimeSource;
use crate::verify::Issuers;

/// Whether the server is fit for traffic. Cloning gives another view of the same server.
#[derive(Clone, Debug)]
pub(super) struct State {
    phase: Arc<AtomicU8>,
    store: Store,
    issuers: Arc<Issuers>,
    time: TimeSource,
}

const STARTING: u8 = 0;
const OPEN: u8 = 1;
const CLOSING: u8 = 2;

impl State {
    /// A server that is still starting.
    pub(super) fn new(store: Store, issuers: Arc<Issuers>, time: TimeSource) -> Self {
        Self {
            phase: Arc::new(AtomicU8::new(STARTING)),
            store,
            issuers,
            time,
        }
    }

    /// The listeners accept.
    pub(super) fn is_open(&self) {
        self.phase.store(OPEN, Ordering::Relaxed);
    }

    /// The server stops: send no more traffic.
    pub(super) fn is_closing(&self) {
        self.phase.store(CLOSING, Ordering::Relaxed);
    }

    /// Answers probes and scrapes.
    pub(super) fn serve(
        &self,
        bound: Bound,
        observer: &Arc<Observer>,
        tallies: Tallies,
    ) -> Result<Listening, ListenError> {
        let (state, observer) = (self.clone(), Arc::clone(observer));
        let health = move || {
            let state = state.clone();
            async move { state.health().await }
        };
        let metrics = move || {
            let dropped = observer.journal.as_ref().map_or(0, Journal::dropped);
            observer
                .metrics
                .render(dropped, tallies.clone())
                .unwrap_or_default()
        };
        admin::start(bound, health, metrics)
    }

    async fn health(&self) -> Health {
        let phase = self.phase.load(Ordering::Relaxed);
        let listeners = match phase {
            OPEN => Ok(()),
            STARTING => Err("starting".to_owned()),
            _ => Err("stopping".to_owned()),
        };
        let asked = async {
            self.store.ping().await?;
            Skew::of(&self.store, &self.time).await
        };
        let (store, clock) = match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Ok(skew)) => (Ok(()), skew.map_or(Ok(()), |skew| Err(skew.to_string()))),
            Ok(Err(error)) => (Err(error.to_string()), Ok(())),
            Err(_) => (Err("it has not answered in time".to_owned()), Ok(())),
        };
        let revocations = if self.issuers.revocations().hears() {
            Ok(())
        } else {
            Err(DEAF.to_owned())
        };
        let keys = self.issuers.are_ready(self.time.now());
        let issuers = if keys {
            Ok(())
        } else {
            Err("an issuer that is required at start has no keys yet".to_owned())
        };
        let checks = vec![
            Check::new("listeners", listeners),
            Check::new("store", store),
            Check::new("clock", clock),
            Check::new("revocations", revocations),
            Check::new("issuers", issuers),
        ];
        Health {
            started: phase != STARTING,
            checks,
        }
    }
}

/// How long a probe waits for the store.
const PATIENCE: Duration = Duration::from_secs(2);

const DEAF: &str = "the store has been silent for too long to know what other nodes took back: tokens issued here are \
                    answered with 503";
