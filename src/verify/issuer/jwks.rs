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
            // A fetch may have ended between the look and the question.
            return match self.choose(compact, now) {
                Choice::Key(key) => Ok(key),
                _ => Err(self.unknown(now)),
            };
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

    /// A fetch to wait for: the one that is under way, or a new one if there may be one. A file is read whenever it
    /// changes, so only a request that comes before the first reading may ask for it.
    fn ask_for(self: &Arc<Self>, name: Digest, now: Timestamp) -> Option<watch::Receiver<u64>> {
        let mut desk = self.desk();
        if !desk.fetching {
            let may_fetch = if self.source.is_remote() {
                desk.diary.take(name, now)
            } else {
                desk.fetches == 0
            };
            if !may_fetch {
                return None;
            }
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::future::join_all;
    use serde_json::json;

    use crate::observe::Refusal;
    use crate::token::{SigningKey, Timestamp};
    use crate::verify::testing::{
        FakeIssuer, NOW, Plan, World, claims, key, later, settings, token,
    };
    use crate::verify::{Issuers, Memo};

    const A: &str = "https://a.test/";

    fn section(url: &str) -> String {
        format!("issuer = \"{A}\"\naudiences = [\"api\"]\njwks = {{ url = \"{url}/keys\" }}")
    }

    fn world(issuer: &FakeIssuer) -> World {
        Plan::default().remote("a", &section(&issuer.url)).build()
    }

    fn good(key: &SigningKey) -> String {
        let exp = NOW.seconds() + 200_000;
        token(key, &claims(A, json!({ "exp": exp })))
    }

    async fn code(world: &World, token: &str, now: Timestamp) -> &'static str {
        match world.ask(token, now).await {
            Ok(_) => "ok",
            Err(error) => Refusal::from(error).code(),
        }
    }

    #[tokio::test]
    async fn is_01_an_issuer_that_is_down_is_no_bad_token_and_comes_back_by_itself() {
        let (issuer, key) = (FakeIssuer::start().await, key());
        let world = world(&issuer);
        world.tick(NOW);
        let token = good(&key);
        assert_eq!(code(&world, &token, NOW).await, "keys_unavailable");
        issuer.publish(&[&key]);
        assert_eq!(code(&world, &token, later(10)).await, "ok");
    }

    #[tokio::test]
    async fn is_06_all_who_lack_a_key_wait_for_one_fetch() {
        let (issuer, key) = (FakeIssuer::start().await, key());
        issuer.publish(&[&key]);
        let world = world(&issuer);
        let token = good(&key);
        let memos: Vec<Memo> = (0..200).map(|_| Memo::default()).collect();
        let all = memos.iter().map(|memo| world.ask_with(memo, &token, NOW));
        for verdict in join_all(all).await {
            verdict.unwrap();
        }
        assert_eq!(issuer.count(), 1);
    }

    #[tokio::test]
    async fn is_02_unknown_names_cause_few_fetches() {
        let (issuer, ours) = (FakeIssuer::start().await, key());
        issuer.publish(&[&ours]);
        let world = world(&issuer);
        assert_eq!(code(&world, &good(&ours), NOW).await, "ok");
        for _ in 0..30 {
            assert_eq!(code(&world, &good(&key()), NOW).await, "unknown_key");
        }
        assert_eq!(issuer.count(), 2);
    }

    #[tokio::test]
    async fn is_03_a_new_key_is_found_by_its_first_token_and_an_old_one_goes() {
        let (issuer, first, second) = (FakeIssuer::start().await, key(), key());
        issuer.publish(&[&first]);
        let world = world(&issuer);
        let (old, new) = (good(&first), good(&second));
        assert_eq!(code(&world, &old, NOW).await, "ok");
        issuer.publish(&[&first, &second]);
        assert_eq!(code(&world, &new, NOW).await, "ok");
        assert_eq!(world.ask(&old, NOW).await.unwrap().1, "cache");

        issuer.publish(&[&second]);
        world.tick(later(600));
        issuer.was_asked(3).await;
        // Whoever asks for an unknown key now waits for the fetch that is under way.
        assert_eq!(code(&world, &good(&key()), later(600)).await, "unknown_key");
        assert_eq!(code(&world, &old, later(600)).await, "unknown_key");
        assert_eq!(code(&world, &new, later(600)).await, "ok");
    }

    #[tokio::test]
    async fn is_05_a_failing_issuer_keeps_its_last_good_keys_for_a_day() {
        let (issuer, key) = (FakeIssuer::start().await, key());
        issuer.publish(&[&key]);
        let world = world(&issuer);
        let token = good(&key);
        assert_eq!(code(&world, &token, NOW).await, "ok");
        let mut asked = 1;
        let large = " ".repeat(1024 * 1024 + 1);
        for (place, (status, body)) in [
            ("500 Internal Server Error", ""),
            ("200 OK", "<html>"),
            ("200 OK", "{}"),
            ("200 OK", "{\"keys\":[]}"),
            ("200 OK", &large),
        ]
        .into_iter()
        .enumerate()
        {
            issuer.reply("/keys", status, "", body);
            let now = later(600 * (1 + place as u64));
            world.tick(now);
            asked += 1;
            issuer.was_asked(asked).await;
            let foreign = code(&world, &good(&crate::verify::testing::key()), now).await;
            assert_eq!(foreign, "keys_unavailable", "{status} {body:.9}");
            asked = issuer.count();
            assert_eq!(code(&world, &token, now).await, "ok");
        }
        assert_eq!(code(&world, &token, later(86_399)).await, "ok");
        assert_eq!(
            code(&world, &token, later(86_400)).await,
            "keys_unavailable"
        );
        issuer.publish(&[&key]);
        assert_eq!(code(&world, &token, later(86_410)).await, "ok");
    }

    #[tokio::test]
    async fn is_04_a_redirect_is_not_followed() {
        let (issuer, elsewhere, key) =
            (FakeIssuer::start().await, FakeIssuer::start().await, key());
        elsewhere.publish(&[&key]);
        let location = format!("location: {}/keys\r\n", elsewhere.url);
        for status in ["302 Found", "307 Temporary Redirect"] {
            issuer.reply("/keys", status, &location, "");
            let world = world(&issuer);
            assert_eq!(code(&world, &good(&key), NOW).await, "keys_unavailable");
        }
        assert_eq!(elsewhere.count(), 0);
    }

    #[tokio::test]
    async fn discovery_finds_the_keys_in_either_place_and_only_of_this_issuer() {
        for place in [
            "/.well-known/openid-configuration",
            "/.well-known/oauth-authorization-server",
        ] {
            let (issuer, key) = (FakeIssuer::start().await, key());
            issuer.publish(&[&key]);
            let keys = format!("{}/keys", issuer.url);
            issuer.json(place, &json!({ "issuer": issuer.url, "jwks_uri": keys }));
            let section = format!("issuer = \"{}\"\naudiences = \"any\"", issuer.url);
            let world = Plan::default().remote("a", &section).build();
            let token = token(&key, &claims(&issuer.url, json!({})));
            assert_eq!(code(&world, &token, NOW).await, "ok", "{place}");

            issuer.json(
                place,
                &json!({ "issuer": "https://b.test/", "jwks_uri": keys }),
            );
            let world = Plan::default().remote("a", &section).build();
            assert_eq!(code(&world, &token, NOW).await, "keys_unavailable");
        }
    }

    /// JW-08
    #[tokio::test]
    async fn a_remote_clock_may_be_off_by_the_skew() {
        let (issuer, key) = (FakeIssuer::start().await, key());
        issuer.publish(&[&key]);
        let world = world(&issuer);
        for (name, offset, expected) in [
            ("exp", -32, "expired"),
            ("exp", -30, "expired"),
            ("exp", -27, "ok"),
            ("nbf", 33, "not_yet_valid"),
            ("nbf", 27, "ok"),
        ] {
            let token = token(&key, &claims(A, json!({ name: NOW.seconds() + offset })));
            assert_eq!(code(&world, &token, NOW).await, expected, "{name} {offset}");
        }
    }

    /// JW-07
    #[tokio::test]
    async fn a_remote_token_must_say_whose_it_is_whom_it_is_for_and_until_when() {
        let (issuer, key) = (FakeIssuer::start().await, key());
        issuer.publish(&[&key]);
        let mut world = world(&issuer);
        for (name, expected) in [
            ("iss", "unknown_issuer"),
            ("aud", "claim_type"),
            ("exp", "claim_type"),
            ("sub", "ok"),
        ] {
            let token = token(&key, &claims(A, json!({ name: null })));
            assert_eq!(code(&world, &token, NOW).await, expected, "{name}");
        }
        world.accepted.subject_needed = true;
        let nobody = token(&key, &claims(A, json!({ "sub": null })));
        assert_eq!(code(&world, &nobody, NOW).await, "claim_type");
    }

    #[tokio::test]
    async fn algorithms_and_types_that_are_not_allowed_are_refused_before_any_fetch() {
        let (issuer, key) = (FakeIssuer::start().await, key());
        let section = format!("{}\nalgorithms = [\"RS256\"]", section(&issuer.url));
        let narrow = Plan::default().remote("a", &section).build();
        assert_eq!(code(&narrow, &good(&key), NOW).await, "algorithm_refused");
        let world = world(&issuer);
        for header_type in ["id_token+jwt", "dpop+jwt", "logout+jwt", ""] {
            let profile = crate::token::Profile {
                header_type,
                ..crate::token::Profile::standard()
            };
            let token = key.token(&profile, &claims(A, json!({}))).unwrap();
            assert_eq!(code(&world, &token, NOW).await, "claim_type");
        }
        assert_eq!(issuer.count(), 0);
    }

    #[tokio::test]
    async fn a_key_file_is_read_again_when_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jwks.json");
        let (first, second) = (key(), key());
        std::fs::write(&path, first.jwk().to_string()).unwrap();
        let section =
            format!("issuer = \"{A}\"\naudiences = \"any\"\njwks = {{ file = {path:?} }}");
        let world = Plan::default().remote("a", &section).build();
        // The first request reads it, though nobody has yet come round to it.
        assert_eq!(code(&world, &good(&first), NOW).await, "ok");
        let has = async |key: &Arc<SigningKey>| {
            world.tick(NOW);
            while code(&world, &good(key), NOW).await != "ok" {
                tokio::task::yield_now().await;
            }
        };
        has(&first).await;
        std::fs::write(&path, second.public_pem().unwrap()).unwrap();
        has(&second).await;
        std::fs::remove_file(&path).unwrap();
        world.tick(NOW);
        assert_eq!(code(&world, &good(&second), later(90_000)).await, "ok");
    }

    #[tokio::test]
    async fn a_reload_takes_the_keys_of_an_unchanged_issuer_over() {
        let (issuer, key) = (FakeIssuer::start().await, key());
        issuer.publish(&[&key]);
        let world = world(&issuer);
        assert_eq!(code(&world, &good(&key), NOW).await, "ok");
        let chores = tokio::runtime::Handle::current();
        let earlier = world.verifier.issuers();
        for (toml, is_same) in [
            (section(&issuer.url), true),
            (
                format!("{}\nclock_skew = \"1s\"", section(&issuer.url)),
                false,
            ),
        ] {
            let mut next = Issuers::default();
            let settings = settings(&toml);
            next.add_remote("a", &settings, &chores, Some(earlier))
                .unwrap();
            assert_eq!(next.states(NOW)[0].keys == 1, is_same);
        }
    }
}
