//! Someone else's keys, fetched and kept fresh.
//!
//! Keys are fetched ahead of need, by [`Jwks::tick`]; a request causes a fetch only when it lacks a key, rarely, and
//! all who lack one wait for the same fetch. A failed fetch never drops a good set: it serves until it is too old, and
//! then the question cannot be answered.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::key_source::{Fetched, KeySource};
use super::pace::{Diary, Pace};
use crate::token::{Algorithm, Claims, Digest, Timestamp, VerifyingKey};
use crate::verify::judge::Question;
use crate::verify::jwt::Compact;
use crate::verify::keys::Choice;
use crate::verify::rules::Rules;
use crate::verify::{AskError, Identity, KeySet, VerifyError};

/// An issuer whose tokens are signed with keys that it publishes.
#[derive(Debug)]
pub(in crate::verify) struct Jwks {
    rules: Rules,
    allowed: Box<[Algorithm]>,
    source: KeySource,
    current: ArcSwap<KeySet>,
    desk: Mutex<Desk>,
    /// Moves on when a fetch has ended.
    ended: watch::Sender<u64>,
    chores: Handle,
    /// The section of the operator's file that it was made from.
    written: String,
}

#[derive(Debug)]
struct Desk {
    diary: Diary,
    fetching: bool,
    last_error: Option<String>,
    fetches: u64,
    failures: u64,
}

/// What an operator should know about the keys.
#[derive(Clone, Debug)]
pub(super) struct KeyState {
    pub(super) keys: usize,
    pub(super) last_success: Option<Timestamp>,
    pub(super) last_error: Option<String>,
    pub(super) fetches: u64,
    pub(super) failures: u64,
}

impl Jwks {
    pub(in crate::verify) fn new(
        rules: Rules,
        allowed: Box<[Algorithm]>,
        (source, pace): (KeySource, Pace),
        chores: Handle,
        written: String,
    ) -> Self {
        Self {
            rules,
            allowed,
            source,
            current: ArcSwap::default(),
            desk: Mutex::new(Desk {
                diary: Diary::new(pace),
                fetching: false,
                last_error: None,
                fetches: 0,
                failures: 0,
            }),
            ended: watch::Sender::default(),
            chores,
            written,
        }
    }

    pub(in crate::verify) fn name(&self) -> &Arc<str> {
        &self.rules.issuer
    }

    /// Whether it was made from just this section.
    pub(super) fn is_written(&self, section: &str) -> bool {
        self.written == section
    }

    pub(in crate::verify) fn identifier(&self) -> Option<&str> {
        self.rules.identifier.as_deref()
    }

    /// Whose token this is. Everything that can be seen without the key is looked at first.
    pub(in crate::verify) async fn identify(
        self: &Arc<Self>,
        compact: &Compact<'_>,
        claims: &Claims,
        question: Question<'_>,
    ) -> Result<Identity, VerifyError> {
        if !self.allowed.contains(&compact.algorithm) {
            return Err(VerifyError::AlgorithmRefused);
        }
        if !is_access_token_type(compact.header_type.as_deref()) {
            return Err(VerifyError::NotAnAccessToken);
        }
        let span = self.rules.check(claims, question.now)?;
        let key = self.key(compact, question.now).await?;
        compact.verify(&key)?;
        let identity = self
            .rules
            .identity(claims, span, question.digest, question.wanted)?;
        Ok(identity.signed_by(key))
    }

    /// Fetches the keys if that is due. To be called every second or so.
    pub(super) fn tick(self: &Arc<Self>, now: Timestamp) {
        let changed = self.source.has_changed();
        let mut desk = self.desk();
        let due = if self.source.is_remote() {
            desk.diary.is_due(now)
        } else {
            changed || desk.fetches == 0
        };
        let starts = due && desk.begin();
        drop(desk);
        if starts {
            self.fetch(now);
        }
    }

    /// Whether there are keys that may be used.
    pub(super) fn has_keys(&self, now: Timestamp) -> bool {
        self.current
            .load()
            .keys()
            .iter()
            .any(|key| key.is_trusted(now))
    }

    pub(super) fn state(&self, now: Timestamp) -> KeyState {
        let current = self.current.load();
        let desk = self.desk();
        KeyState {
            keys: current
                .keys()
                .iter()
                .filter(|key| key.is_trusted(now))
                .count(),
            last_success: desk.diary.last_success,
            last_error: desk.last_error.clone(),
            fetches: desk.fetches,
            failures: desk.failures,
        }
    }

    async fn key(
        self: &Arc<Self>,
        compact: &Compact<'_>,
        now: Timestamp,
    ) -> Result<Arc<VerifyingKey>, VerifyError> {
        match self.choose(compact, now) {
            Choice::Key(key) => return Ok(key),
            Choice::OtherAlgorithm => return Err(VerifyError::AlgorithmRefused),
            Choice::Several => return Err(VerifyError::UnknownKey),
            Choice::None => {}
        }
        let name = Digest::of(compact.kid.as_deref().unwrap_or_default().as_bytes());
        let Some(mut ended) = self.ask_for(name, now) else {
            return Err(self.unknown(now));
        };
        // Longer than this nobody waits: the fetch goes on, and the next request may profit.
        let waited = tokio::time::timeout(PATIENCE, ended.changed()).await;
        match self.choose(compact, now) {
            Choice::Key(key) => Ok(key),
            _ if !matches!(waited, Ok(Ok(()))) => Err(self.unavailable()),
            _ => {
                let mut desk = self.desk();
                if !desk.diary.is_failing() {
                    desk.diary.note_missing(name, now);
                }
                drop(desk);
                Err(self.unknown(now))
            }
        }
    }

    fn choose(&self, compact: &Compact<'_>, now: Timestamp) -> Choice {
        let current = self.current.load();
        match current.choose(compact.kid.as_deref(), compact.algorithm) {
            Choice::Key(key) if !key.is_trusted(now) => Choice::None,
            choice => choice,
        }
    }

    /// A fetch to wait for: the one that is under way, or a new one if there may be one.
    fn ask_for(self: &Arc<Self>, name: Digest, now: Timestamp) -> Option<watch::Receiver<u64>> {
        if !self.source.is_remote() {
            return None;
        }
        let mut desk = self.desk();
        if !desk.fetching && !desk.diary.take(name, now) {
            return None;
        }
        // Under the lock, so that the fetch cannot end before we listen.
        let ended = self.ended.subscribe();
        let starts = desk.begin();
        drop(desk);
        if starts {
            self.fetch(now);
        }
        Some(ended)
    }

    /// An unknown key is a bad token only if the keys are known: a failing issuer may have published it meanwhile.
    fn unknown(&self, now: Timestamp) -> VerifyError {
        if self.desk().diary.is_failing() || !self.has_keys(now) {
            self.unavailable()
        } else {
            VerifyError::UnknownKey
        }
    }

    fn unavailable(&self) -> VerifyError {
        VerifyError::KeysUnavailable {
            issuer: Arc::clone(self.name()),
        }
    }

    /// Starts the fetch that was begun. Not under the lock: a runtime that is stopping ends it at once, here.
    fn fetch(self: &Arc<Self>, now: Timestamp) {
        let fetch = Fetch {
            jwks: Arc::clone(self),
            now,
            outcome: None,
        };
        // On the chores' runtime: a client that goes away takes nobody's fetch with it.
        drop(self.chores.spawn(fetch.run()));
    }

    fn conclude(&self, outcome: Result<Fetched, AskError>, now: Timestamp) {
        let mut desk = self.desk();
        match outcome {
            Ok(Fetched { keys, life }) => {
                let mut end = desk.diary.note_success(life, now);
                if !self.source.is_remote() {
                    end = Timestamp::from_millis(i64::MAX);
                }
                desk.last_error = None;
                self.replace(keys, end);
                tracing::debug!(event = "issuer.refresh", issuer = %self.name(), "keys fetched");
            }
            Err(error) => {
                desk.diary.note_failure(now);
                desk.failures += 1;
                let error = with_causes(&error);
                tracing::warn!(event = "issuer.refresh", issuer = %self.name(), error, "keys not fetched");
                desk.last_error = Some(error);
            }
        }
        desk.fetching = false;
        self.ended.send_modify(|count| *count += 1);
    }

    fn replace(&self, keys: KeySet, end: Timestamp) {
        let old = self.current.load_full();
        let new = Arc::new(keys.keeping(&old));
        for key in new.keys() {
            key.trust_until(end);
        }
        for key in old.keys() {
            if !new.keys().iter().any(|kept| Arc::ptr_eq(kept, key)) {
                key.withdraw();
            }
        }
        self.current.store(new);
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Desk {
    /// Notes that a fetch begins; false if one is under way.
    const fn begin(&mut self) -> bool {
        if self.fetching {
            return false;
        }
        self.fetching = true;
        self.fetches += 1;
        true
    }
}

/// One fetch. However it ends, those who wait for it are told.
struct Fetch {
    jwks: Arc<Jwks>,
    now: Timestamp,
    outcome: Option<Result<Fetched, AskError>>,
}

impl Fetch {
    async fn run(mut self) {
        let fetch = self.jwks.source.fetch(&self.jwks.allowed);
        let outcome = tokio::time::timeout(DEADLINE, fetch).await;
        let outcome = outcome.unwrap_or_else(|_| Err(AskError::Answer("none in time")));
        self.outcome = Some(outcome);
    }
}

impl Drop for Fetch {
    fn drop(&mut self) {
        let outcome = self.outcome.take().unwrap_or(Err(AskError::Stopped));
        self.jwks.conclude(outcome, self.now);
    }
}

/// What the issuer's access tokens may call themselves (RFC 9068 §2.1, RFC 7519 §5.1).
fn is_access_token_type(header_type: Option<&str>) -> bool {
    header_type.is_none_or(|header_type| {
        ["JWT", "at+jwt", "application/at+jwt"]
            .iter()
            .any(|fine| header_type.eq_ignore_ascii_case(fine))
    })
}

pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// For all of one fetch, metadata included.
const DEADLINE: Duration = Duration::from_secs(5);
/// How long a request waits for a fetch.
const PATIENCE: Duration = Duration::from_millis(800);
