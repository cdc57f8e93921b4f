//! Which of our own tokens were taken back: what the store holds of it, in memory.
//!
//! A signed token is good by itself until it expires, so whoever takes one back must tell everybody who verifies. Every
//! verdict that some token alive could still be under is held here. It comes from three sides: read at start, told by
//! whoever speaks it in this process before they answer, and followed in the store for what other processes speak.
//!
//! A request costs one atomic read: the version moves whenever a verdict is added, and an identity remembers the version
//! at which it was last found good. What flows on after its request was judged, a WebSocket or a stream, waits for the
//! version to move, which costs nothing while it does not.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::Notify;

use super::{Identity, VerifyError};
use crate::store::{Revocation, Revoked, Store, StoreError};
use crate::token::Timestamp;

/// The verdicts on our own tokens. A clone is the same set.
#[derive(Clone, Debug, Default)]
pub struct Revocations(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Moves on with every verdict that was added, and with every change of hearing; never zero.
    version: AtomicU64,
    /// Rings when it has moved.
    moved: Notify,
    live: RwLock<Live>,
    /// The number of the last verdict read from the store.
    followed: AtomicI64,
}

impl Default for Inner {
    fn default() -> Self {
        Self {
            version: AtomicU64::new(1),
            moved: Notify::new(),
            live: RwLock::default(),
            followed: AtomicI64::new(0),
        }
    }
}

#[derive(Debug, Default)]
struct Live {
    /// By mount.
    realms: HashMap<Box<str>, Verdicts>,
    /// Whether the store has been silent for too long: nobody knows what was taken back meanwhile.
    deaf: bool,
}

/// The verdicts on the tokens of one mount, by what they are about.
#[derive(Debug, Default)]
struct Verdicts {
    sessions: HashMap<Box<str>, Cut>,
    subjects: HashMap<Box<str>, Cut>,
    clients: HashMap<Box<str>, Cut>,
    keys: HashMap<Box<str>, Cut>,
    tokens: HashMap<Box<str>, Cut>,
}

/// Tokens issued in this second or before are dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cut {
    at: Timestamp,
    /// From when on there are no such tokens any more.
    until: Timestamp,
}

/// The version of the verdicts at which an identity was last found good. It is forgotten by a clone.
#[derive(Debug, Default)]
pub(super) struct FoundGood(AtomicU64);

impl Clone for FoundGood {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Revocations {
    /// Takes a verdict to heart: from the moment this returns, no token it is about is accepted in this process.
    pub fn add(&self, verdict: &Revocation) {
        let mut live = self.0.live.write().unwrap_or_else(PoisonError::into_inner);
        if live.add(verdict) {
            self.move_on();
        }
    }

    /// Reads from the store what has been spoken since it was last read, at start everything.
    pub async fn follow(&self, store: &Store, now: Timestamp) -> Result<(), StoreError> {
        loop {
            let since = self.0.followed.load(Ordering::Relaxed);
            let news = store.revocations_since(since).await?;
            let Some((last, _)) = news.last() else {
                return Ok(());
            };
            for (_, verdict) in news.iter().filter(|(_, verdict)| now < verdict.until) {
                self.add(verdict);
            }
            self.0.followed.store(*last, Ordering::Relaxed);
        }
    }

    /// Forgets the verdicts whose last token is dead by itself.
    pub fn forget(&self, now: Timestamp) {
        let mut live = self.0.live.write().unwrap_or_else(PoisonError::into_inner);
        for verdicts in live.realms.values_mut() {
            for kind in verdicts.kinds() {
                kind.retain(|_, cut| now < cut.until);
            }
        }
        live.realms.retain(|_, verdicts| !verdicts.is_empty());
    }

    /// Says whether verdicts of other processes reach us. While they do not, no token that could be under one is
    /// accepted.
    pub fn hear(&self, hears: bool) {
        let mut live = self.0.live.write().unwrap_or_else(PoisonError::into_inner);
        if live.deaf == hears {
            live.deaf = !hears;
            self.move_on();
        }
    }

    /// Whether verdicts of other processes reach us.
    pub fn hears(&self) -> bool {
        let live = self.0.live.read().unwrap_or_else(PoisonError::into_inner);
        !live.deaf
    }

    /// Whether the tokens of this session were taken back.
    pub fn has_session(&self, realm: &str, session: &str) -> bool {
        let live = self.0.live.read().unwrap_or_else(PoisonError::into_inner);
        let verdicts = live.realms.get(realm);
        verdicts.is_some_and(|verdicts| verdicts.sessions.contains_key(session))
    }

    /// The earliest `iat` a token for this subject and client may bear to be accepted, if it is asked for `now`: a cut
    /// is as coarse as `iat` is, so what is issued later in the same second is dated the next one.
    pub fn issued_at(
        &self,
        realm: &str,
        (subject, client): (&str, Option<&str>),
        now: Timestamp,
    ) -> Timestamp {
        let live = self.0.live.read().unwrap_or_else(PoisonError::into_inner);
        let Some(verdicts) = live.realms.get(realm) else {
            return now;
        };
        let of_subject = verdicts.subjects.get(subject);
        let of_client = client.and_then(|client| verdicts.clients.get(client));
        let same_second =
            |cut: &&Cut| cut.at < now && cut.at.seconds() == now.seconds() && now < cut.until;
        match [of_subject, of_client]
            .into_iter()
            .flatten()
            .find(same_second)
        {
            Some(_) => Timestamp::from_seconds(now.seconds() + 1),
            None => now,
        }
    }

    /// Whether this identity may still be used. One of somebody else's tokens always may, as far as we know.
    pub fn check(&self, identity: &Identity) -> Result<(), VerifyError> {
        let version = self.0.version.load(Ordering::Acquire);
        let Some(own) = &identity.own else {
            return Ok(());
        };
        if own.found_good.0.load(Ordering::Relaxed) == version {
            return Ok(());
        }
        self.look_up(identity)?;
        // The version of before looking: a verdict that was added meanwhile is looked for at the next request.
        own.found_good.0.store(version, Ordering::Relaxed);
        Ok(())
    }

    /// Waits until this identity may be used no more, and says why. Its own end is not waited for.
    ///
    /// Verdicts that come close together are looked at together, so that whoever takes back many tokens does not keep
    /// busy all who wait here: an end is noticed within a quarter of a second.
    pub async fn until_taken_back(self, identity: Arc<Identity>) -> VerifyError {
        if !identity.can_be_taken_back() {
            return std::future::pending().await;
        }
        loop {
            let mut moved = std::pin::pin!(self.0.moved.notified());
            // From here on: a verdict that is added while we look is not missed.
            moved.as_mut().enable();
            if let Err(error) = self.check(&identity) {
                return error;
            }
            moved.await;
            tokio::time::sleep(TOGETHER).await;
        }
    }

    fn move_on(&self) {
        self.0.version.fetch_add(1, Ordering::Release);
        self.0.moved.notify_waiters();
    }

    #[cold]
    fn look_up(&self, identity: &Identity) -> Result<(), VerifyError> {
        let live = self.0.live.read().unwrap_or_else(PoisonError::into_inner);
        if live.deaf {
            return Err(VerifyError::RevocationsUnknown);
        }
        match live.realms.get(&*identity.issuer) {
            Some(verdicts) if verdicts.hit(identity) => Err(VerifyError::Revoked),
            _ => Ok(()),
        }
    }
}

/// For how long verdicts are gathered before those who wait look at them.
const TOGETHER: Duration = Duration::from_millis(250);

impl Live {
    /// Whether that is news.
    fn add(&mut self, verdict: &Revocation) -> bool {
        let verdicts = self.realms.entry(Box::from(&*verdict.realm)).or_default();
        let (kind, name) = match &verdict.of {
            Revoked::Session(id) => (&mut verdicts.sessions, id.to_string()),
            Revoked::Subject(subject) => (&mut verdicts.subjects, subject.clone()),
            Revoked::Client(client) => (&mut verdicts.clients, client.clone()),
            Revoked::Key(kid) => (&mut verdicts.keys, kid.clone()),
            Revoked::Token(id) => (&mut verdicts.tokens, id.clone()),
        };
        let cut = Cut {
            at: verdict.at,
            until: verdict.until,
        };
        let held = kind.get(&*name).copied().unwrap_or(cut);
        let merged = Cut {
            at: held.at.max(cut.at),
            until: held.until.max(cut.until),
        };
        kind.insert(name.into_boxed_str(), merged) != Some(merged)
    }
}

impl Verdicts {
    fn hit(&self, identity: &Identity) -> bool {
        let named = |kind: &HashMap<Box<str>, Cut>, name: Option<&str>| {
            name.is_some_and(|name| kind.contains_key(name))
        };
        // A token that does not say when it was issued counts as one of before.
        let issued = identity.own.as_ref().and_then(|own| own.issued_at);
        let issued = issued.map_or(i64::MIN, Timestamp::seconds);
        let before = |kind: &HashMap<Box<str>, Cut>, name: Option<&str>| {
            let cut = name.and_then(|name| kind.get(name));
            cut.is_some_and(|cut| issued <= cut.at.seconds())
        };
        let key = identity.key.as_ref().and_then(|key| key.kid());
        named(&self.sessions, identity.session())
            || named(&self.tokens, identity.token_id())
            || before(&self.subjects, identity.subject.as_deref())
            || before(&self.clients, identity.client.as_deref())
            || before(&self.keys, key)
    }

    const fn kinds(&mut self) -> [&mut HashMap<Box<str>, Cut>; 5] {
        [
            &mut self.sessions,
            &mut self.subjects,
            &mut self.clients,
            &mut self.keys,
            &mut self.tokens,
        ]
    }

    fn is_empty(&mut self) -> bool {
        self.kinds().iter().all(|kind| kind.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::FutureExt;
    use serde_json::json;
    use tokio::time::timeout;

    use super::*;
    use crate::store::SessionId;
    use crate::token::Profile;
    use crate::verify::testing::{NOW, Plan, World, claims, key, later, ring, token};

    const US: &str = "https://gw.test/oauth";

    fn verdict(of: Revoked, at: Timestamp) -> Revocation {
        Revocation {
            realm: "oauth".to_owned(),
            of,
            at,
            until: later(600),
        }
    }

    fn world() -> (World, String, String) {
        let key = key();
        let sid = SessionId::from_bytes([7; 16]).to_string();
        let token = token(&key, &claims(US, json!({ "sid": sid })));
        let world = Plan::default()
            .local("oauth", &Profile::standard(), &ring(&key))
            .build();
        (world, token, key.kid().to_owned())
    }

    async fn is_revoked(world: &World, token: &str) -> bool {
        let verdict = world.ask(token, NOW).await;
        matches!(verdict, Err(VerifyError::Revoked))
    }

    /// V07, X-22
    #[tokio::test]
    async fn a_verdict_holds_at_once_for_a_token_that_was_found_good_before() {
        for kind in 0..5 {
            let (world, token, kid) = world();
            let of = match kind {
                0 => Revoked::Session(SessionId::from_bytes([7; 16])),
                1 => Revoked::Subject("u1".to_owned()),
                2 => Revoked::Client("c1".to_owned()),
                3 => Revoked::Key(kid),
                _ => Revoked::Token("t1".to_owned()),
            };
            assert_eq!(world.ask(&token, NOW).await.unwrap().1, "verified");
            assert_eq!(world.ask(&token, NOW).await.unwrap().1, "memo");
            let revocations = world.verifier.issuers().revocations();
            let elsewhere = Revocation {
                realm: "hub".to_owned(),
                ..verdict(of.clone(), NOW)
            };
            revocations.add(&elsewhere);
            assert!(!is_revoked(&world, &token).await, "another mount's");
            revocations.add(&verdict(of.clone(), NOW));
            assert!(is_revoked(&world, &token).await, "{of:?}");
            assert!(is_revoked(&world, &token).await, "and stays so");
        }
    }

    /// V07: whoever waits is told of the verdict on itself, and of no other.
    #[tokio::test]
    async fn whoever_waits_hears_of_its_own_end() {
        for kind in 0..5 {
            let (world, token, kid) = world();
            let of = match kind {
                0 => Revoked::Session(SessionId::from_bytes([7; 16])),
                1 => Revoked::Subject("u1".to_owned()),
                2 => Revoked::Client("c1".to_owned()),
                3 => Revoked::Key(kid),
                _ => Revoked::Token("t1".to_owned()),
            };
            let (identity, _) = world.ask(&token, NOW).await.unwrap();
            let revocations = world.verifier.issuers().revocations();
            let mut waiting = pin!(revocations.clone().until_taken_back(identity));
            assert!((&mut waiting).now_or_never().is_none());
            revocations.add(&verdict(Revoked::Subject("u2".to_owned()), NOW));
            assert!(timeout(2 * TOGETHER, &mut waiting).await.is_err());
            revocations.add(&verdict(of.clone(), NOW));
            let told = timeout(Duration::from_secs(1), waiting).await;
            assert!(matches!(told, Ok(VerifyError::Revoked)), "{of:?}: {told:?}");
        }
    }

    #[tokio::test]
    async fn whoever_waits_hears_that_nothing_is_heard_any_more() {
        let (world, token, _) = world();
        let (identity, _) = world.ask(&token, NOW).await.unwrap();
        let revocations = world.verifier.issuers().revocations();
        let mut waiting = pin!(revocations.clone().until_taken_back(identity));
        assert!((&mut waiting).now_or_never().is_none());
        revocations.hear(false);
        assert!(matches!(waiting.await, VerifyError::RevocationsUnknown));
    }

    #[tokio::test]
    async fn what_is_issued_after_a_cut_is_good() {
        let (world, token, _) = world();
        let revocations = world.verifier.issuers().revocations();
        let before = Timestamp::from_millis(NOW.millis() - 1);
        revocations.add(&verdict(Revoked::Subject("u1".to_owned()), before));
        assert!(!is_revoked(&world, &token).await);
        revocations.add(&verdict(Revoked::Subject("u1".to_owned()), NOW));
        assert!(is_revoked(&world, &token).await);
    }

    #[test]
    fn a_token_issued_in_the_second_of_a_cut_is_dated_the_next() {
        let revocations = Revocations::default();
        revocations.add(&verdict(Revoked::Subject("u1".to_owned()), NOW));
        let dated = |subject, now| revocations.issued_at("oauth", (subject, None), now);
        let soon = Timestamp::from_millis(NOW.millis() + 1);
        assert_eq!(dated("u1", soon), later(1));
        assert_eq!(dated("u2", soon), soon);
        assert_eq!(dated("u1", later(1)), later(1));
        assert_eq!(
            dated("u1", NOW),
            NOW,
            "asked for before the cut: it stays dead"
        );
    }

    #[test]
    fn verdicts_are_forgotten_when_their_last_token_is_dead() {
        let revocations = Revocations::default();
        let session = SessionId::from_bytes([7; 16]);
        revocations.add(&verdict(Revoked::Session(session), NOW));
        let has = || revocations.has_session("oauth", &session.to_string());
        revocations.forget(later(599));
        assert!(has());
        revocations.forget(later(600));
        assert!(!has());
        let live = revocations.0.live.read().unwrap();
        assert!(live.realms.is_empty());
    }

    /// While verdicts of other nodes do not reach us, nobody knows.
    #[tokio::test]
    async fn a_node_that_hears_nothing_accepts_none_of_our_own_tokens() {
        let (world, token, _) = world();
        world.ask(&token, NOW).await.unwrap();
        let revocations = world.verifier.issuers().revocations();
        revocations.hear(false);
        for _ in 0..2 {
            let verdict = world.ask(&token, NOW).await;
            assert!(matches!(verdict, Err(VerifyError::RevocationsUnknown)));
        }
        revocations.hear(true);
        assert!(world.ask(&token, NOW).await.is_ok());
    }
}
