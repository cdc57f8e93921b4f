//! What is done beside requests, on a thread of its own, so that it never delays one.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::watch;
use tokio::time::{Interval, interval};

use crate::issue::{Accounts, Keys};
use crate::net::Tasks;
use crate::store::Store;
use crate::token::{TimeSource, Timestamp};
use crate::verify::{Issuers, Revocations, Sightings, TokenCache};

/// The runtime of the chores. Dropping it ends them.
#[derive(Debug)]
pub(super) struct Chores(Option<Runtime>);

impl Chores {
    pub(super) fn start() -> std::io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("chores")
            .enable_all()
            .build()?;
        Ok(Self(Some(runtime)))
    }

    /// The runtime's handle, for work that must outlive the request that asked for it.
    pub(super) fn handle(&self) -> Option<&Handle> {
        self.0.as_ref().map(Runtime::handle)
    }

    /// Starts a chore.
    pub(super) fn spawn(&self, tasks: &Tasks, chore: impl Future<Output = ()> + Send + 'static) {
        let Some(runtime) = self.handle() else { return };
        let _inside = runtime.enter();
        tasks.spawn(chore);
    }
}

impl Drop for Chores {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

const PERIOD: Duration = Duration::from_secs(1);

/// The beats of a chore: one now, and one after each period, until the server drains.
struct Beats {
    ticks: Interval,
    tasks: Tasks,
}

impl Beats {
    fn every(period: Duration, tasks: Tasks) -> Self {
        Self {
            ticks: interval(period),
            tasks,
        }
    }

    /// Waits for the next one; false if there is none.
    async fn next(&mut self) -> bool {
        tokio::select! {
            () = self.tasks.draining() => false,
            _ = self.ticks.tick() => true,
        }
    }
}

/// Keeps issuers' keys fresh, once a second.
pub(super) async fn refresh_keys(issuers: Arc<Issuers>, time: TimeSource, tasks: Tasks) {
    let mut beats = Beats::every(PERIOD, tasks);
    while beats.next().await {
        issuers.tick(time.now());
    }
}

/// Drops remembered tokens that are over, once a minute.
pub(super) async fn tidy(tokens: TokenCache, time: TimeSource, tasks: Tasks) {
    let mut beats = Beats::every(SWEEP, tasks);
    while beats.next().await {
        tokens.tidy(time.now());
    }
}

/// Lets signing keys come and go, and takes over what other processes did with them, once a second.
pub(super) async fn tend_keys(keys: Vec<Keys>, time: TimeSource, tasks: Tasks) {
    let mut beats = Beats::every(PERIOD, tasks);
    while beats.next().await {
        for keys in &keys {
            if let Err(error) = keys.tend(time.now()).await {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                let mount = &*keys.terms().realm;
                tracing::warn!(mount, %error, cause, "could not tend to the signing keys");
            }
        }
    }
}

/// Learns what it costs to compare with the passwords there are.
pub(super) async fn acquaint(accounts: Accounts) {
    if let Err(error) = accounts.acquaint().await {
        tracing::warn!(%error, "could not learn what passwords from elsewhere cost");
    }
}

/// Hears what other processes took back.
#[derive(Debug)]
pub(super) struct Follower {
    pub(super) store: Store,
    pub(super) revocations: Revocations,
    pub(super) time: TimeSource,
    /// For how long a shared store may be silent before our own tokens are refused. None: nobody else takes tokens back
    /// but the command line, and a store that fails is no reason to refuse anybody.
    pub(super) patience: Option<Duration>,
}

impl Follower {
    /// Reads the store once a second, and whenever it says that there is something to read.
    pub(super) async fn follow(self, tasks: Tasks) {
        let mut beats = Beats::every(PERIOD, tasks);
        let mut news = self.store.watch();
        let mut heard = self.time.now();
        loop {
            tokio::select! {
                goes_on = beats.next() => if !goes_on { return },
                () = told(&mut news) => {}
                () = pass(self.left(heard)) => {}
            }
            heard = self.listen(heard).await;
        }
    }

    /// Reads what is new, and returns when the store was last heard.
    async fn listen(&self, heard: Timestamp) -> Timestamp {
        let now = self.time.now();
        let limit = self.left(heard).map_or(PERIOD, |left| left.min(PERIOD));
        let read = self.revocations.follow(&self.store, now);
        let cause = match tokio::time::timeout(limit, read).await {
            Ok(Ok(())) => {
                self.revocations.hear(true);
                return now;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "wait any longer for an answer of the store".to_owned(),
        };
        tracing::warn!(cause, "could not follow what was taken back in the store");
        if self.patience.is_some() && self.left(heard).is_none() {
            self.revocations.hear(false);
        }
        heard
    }

    /// How much longer the store may be silent; none if it may be for ever, or has been for too long.
    fn left(&self, heard: Timestamp) -> Option<Duration> {
        let left = self.patience?.checked_sub(self.time.now().since(heard));
        left.filter(|left| *left > ROUNDING)
    }
}

/// What a timer and a clock may differ by when they count the same span.
const ROUNDING: Duration = Duration::from_millis(10);

/// Waits so long; forever, if there is nothing to wait for.
async fn pass(span: Option<Duration>) {
    match span {
        Some(span) => tokio::time::sleep(span).await,
        None => std::future::pending().await,
    }
}

/// Waits until the store says that there is something to read; forever, if it cannot.
async fn told(news: &mut Option<watch::Receiver<u64>>) {
    if let Some(receiver) = news
        && receiver.changed().await.is_ok()
    {
        return;
    }
    // A closed store tells nothing more.
    *news = None;
    std::future::pending::<()>().await;
}

/// Carries to the store, once a second, which generations of sessions have been seen.
pub(super) async fn keep_sightings(sightings: Sightings, store: Store, tasks: Tasks) {
    let mut beats = Beats::every(PERIOD, tasks);
    while beats.next().await {
        carry(&sightings, &store).await;
    }
}

/// Carries all notes to the store. Those it does not take stay for the next time.
pub(super) async fn carry(sightings: &Sightings, store: &Store) {
    let notes = sightings.notes();
    if notes.is_empty() {
        return;
    }
    match store.note_seen(notes.clone()).await {
        Ok(()) => sightings.strike(&notes),
        Err(error) => tracing::warn!(%error, "could not keep which sessions were seen"),
    }
}

/// Forgets, once a minute, what nobody can use any more.
pub(super) async fn sweep(
    revocations: Revocations,
    store: Store,
    (time, tasks): (TimeSource, Tasks),
) {
    let mut beats = Beats::every(SWEEP, tasks);
    while beats.next().await {
        let now = time.now();
        revocations.forget(now);
        forget(&store, now, &beats.tasks).await;
    }
}

/// The store forgets a bounded piece at a time, so that nobody waits long behind it.
async fn forget(store: &Store, now: Timestamp, tasks: &Tasks) {
    loop {
        match store.sweep(now).await {
            Ok(0) => return,
            Ok(_) if tasks.is_draining() => return,
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "could not forget what is over");
                return;
            }
        }
    }
}

const SWEEP: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Revocation, Revoked, SessionId, StoreSettings};

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
    const ONE: SessionId = SessionId::from_bytes([1; 16]);

    async fn follower(folder: &tempfile::TempDir, patience: Option<Duration>) -> Follower {
        let file = StoreSettings::default();
        Follower {
            store: Store::open(&file, folder.path()).await.unwrap(),
            revocations: Revocations::default(),
            time: TimeSource::manual(NOW),
            patience,
        }
    }

    #[tokio::test]
    async fn what_was_taken_back_elsewhere_is_heard_of() {
        let folder = tempfile::tempdir().unwrap();
        let follower = follower(&folder, None).await;
        let verdict = Revocation {
            realm: "oauth".to_owned(),
            of: Revoked::Session(ONE),
            at: NOW,
            until: NOW.plus(Duration::from_mins(10)),
        };
        follower.store.revoke(verdict).await.unwrap();
        assert_eq!(follower.listen(NOW).await, NOW);
        let named = ONE.to_string();
        assert!(follower.revocations.has_session("oauth", &named));
        follower.store.close().await;
    }

    #[tokio::test]
    async fn a_shared_store_that_is_silent_for_too_long_is_no_longer_trusted_to_be_heard() {
        for (patience, hears) in [(Some(Duration::from_secs(5)), false), (None, true)] {
            let folder = tempfile::tempdir().unwrap();
            let follower = follower(&folder, patience).await;
            follower.store.close().await;
            follower.time.advance(Duration::from_secs(4));
            let heard = follower.listen(NOW).await;
            assert!(heard == NOW && follower.revocations.hears());
            follower.time.advance(Duration::from_secs(1));
            follower.listen(heard).await;
            assert_eq!(follower.revocations.hears(), hears);
        }
    }

    #[tokio::test]
    async fn sightings_stay_until_the_store_has_them() {
        let folder = tempfile::tempdir().unwrap();
        let store = follower(&folder, None).await.store;
        let sightings = Sightings::default();
        let name = crate::verify::TokenName {
            session: ONE,
            generation: 1,
        };
        sightings.note(&name.write());
        carry(&sightings, &store).await;
        assert_eq!(sightings.newest(ONE), 0, "it is the store's now");
        sightings.note(&name.write());
        store.close().await;
        carry(&sightings, &store).await;
        assert_eq!(sightings.newest(ONE), 1);
    }
}
