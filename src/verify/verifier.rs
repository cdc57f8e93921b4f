//! From the token of a request to an identity: find, remember, ask.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;

use super::identity::Standing;
use super::issuer::{IssuerSet, Issuers};
use super::judge::Question;
use super::memo::{Memo, TokenCache};
use super::wanted::Wanted;
use super::{Identity, VerifyError, carrier};
use crate::net::{Limit, neighbourhood};
use crate::observe::Trail;
use crate::token::{Carriers, ClaimError, Digest, Timestamp};

/// Turns the token in a request into an [`Identity`], or says why not.
#[derive(Debug)]
pub struct Verifier {
    issuers: Arc<Issuers>,
    wanted: Arc<Wanted>,
    cache: TokenCache,
    forgers: Limit,
}

/// Who makes a request, as far as one must know to find out who that is.
#[derive(Clone, Copy)]
pub struct Claimant<'a> {
    /// The fields of the request.
    pub headers: &'a HeaderMap,
    /// What its connection remembers.
    pub memo: &'a Memo,
    /// Where it comes from.
    pub client: IpAddr,
    /// The time it sees.
    pub now: Timestamp,
}

/// Where it comes from and when; its fields hold a token.
impl fmt::Debug for Claimant<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Claimant({} at {})", self.client, self.now)
    }
}

/// Whose tokens count on a route, and where they may travel.
#[derive(Clone, Debug, Default)]
pub struct Accepted {
    /// Whose tokens.
    pub issuers: Arc<IssuerSet>,
    /// Where they may travel.
    pub carriers: Carriers,
    /// Whether a token that names no subject is useless here, as when the upstream is told who is calling.
    pub subject_needed: bool,
}

/// How an identity was come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The connection's last token once more.
    Memo,
    /// Verified before, on some connection.
    Cache,
    /// Verified now.
    Verified,
    /// Its issuer was asked, or had been within the last moments.
    Introspected,
}

impl Source {
    /// The word in the log.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Memo => "memo",
            Self::Cache => "cache",
            Self::Verified => "verified",
            Self::Introspected => "introspected",
        }
    }
}

impl Verifier {
    /// A verifier for these issuers that keeps the wanted claims, and remembers in `cache`, which may be that of an
    /// earlier verifier.
    pub fn new(issuers: Arc<Issuers>, wanted: Wanted, cache: TokenCache) -> Self {
        Self {
            issuers,
            wanted: Arc::new(wanted),
            cache,
            forgers: Limit::gcra(FORGERIES, Duration::from_secs(1), 10 * FORGERIES),
        }
    }

    /// Whose request this is; nobody's if it brings no token.
    ///
    /// Whatever is remembered is held against the time and against its key first. A token that cannot be judged now is
    /// an error of its own, never a pass and never a bad token.
    pub async fn identify(
        &self,
        claimant: Claimant<'_>,
        route: &Accepted,
        trail: &mut Trail,
    ) -> Result<Option<Arc<Identity>>, VerifyError> {
        let Claimant {
            headers, memo, now, ..
        } = claimant;
        let Some(presented) = carrier::find(headers, &route.carriers)? else {
            return Ok(None);
        };
        let sought = Sought {
            token: presented.token(),
            set: route.issuers.number(),
            epoch: self.cache.epoch(),
            now,
        };
        if let Some(identity) = memo.find(sought.token, sought.set, sought.epoch)
            && self.is_usable(&identity, now, trail)?
        {
            return answer(identity, Source::Memo, route, trail);
        }
        let digest = Digest::of(sought.token.as_bytes());
        trail.token = Some(digest);
        if let Some(identity) = self.cache.find(digest, sought.set)
            && self.is_usable(&identity, now, trail)?
        {
            memo.keep(sought.token, sought.set, sought.epoch, &identity);
            return answer(identity, Source::Cache, route, trail);
        }
        // In a box, so that the common case does not carry the room that asking needs.
        let (identity, source) = Box::pin(async {
            let from = neighbourhood(claimant.client);
            self.is_no_forger(&from, now)?;
            let answer = self.ask(sought, digest, route, trail).await;
            self.note_forgery(&from, now, &answer);
            answer
        })
        .await?;
        self.was_not_taken_back(&identity, trail)?;
        if let Some(id) = identity.token_id() {
            self.issuers.sightings().note(id);
        }
        // One that was forgotten meanwhile is used this once, and not remembered.
        if self.cache.epoch() == sought.epoch {
            self.cache.keep(&identity, sought.set);
            memo.keep(sought.token, sought.set, sought.epoch, &identity);
        }
        answer(identity, source, route, trail)
    }

    /// Forgets what is known of a token: it is judged anew when it comes again, on every connection.
    pub fn forget(&self, digest: Digest) {
        self.cache.forget(digest, self.issuers.set_numbers());
    }

    /// What it remembers of tokens.
    pub const fn cache(&self) -> &TokenCache {
        &self.cache
    }

    /// The issuers it asks.
    pub fn issuers(&self) -> &Arc<Issuers> {
        &self.issuers
    }

    async fn ask(
        &self,
        sought: Sought<'_>,
        digest: Digest,
        route: &Accepted,
        trail: &mut Trail,
    ) -> Result<(Arc<Identity>, Source), VerifyError> {
        carrier::check(sought.token)?;
        let question = Question {
            token: sought.token,
            digest,
            wanted: &self.wanted,
            now: sought.now,
        };
        self.issuers.judge(question, &route.issuers, trail).await
    }

    /// A signature costs far more to verify than to make up. Whoever made up too many has no new token looked at for a
    /// while; those that are remembered as good still pass, until their issuer is to be asked again.
    fn is_no_forger(&self, from: &IpAddr, now: Timestamp) -> Result<(), VerifyError> {
        match self.forgers.wait(from, now) {
            None => Ok(()),
            Some(retry_after) => Err(VerifyError::TooManyForgeries { retry_after }),
        }
    }

    fn note_forgery<T>(&self, from: &IpAddr, now: Timestamp, answer: &Result<T, VerifyError>) {
        if let Err(VerifyError::BadSignature(_)) = answer {
            // The one that is too many is refused already; the next is not looked at.
            let _ = self.forgers.take(from, now);
        }
    }

    fn is_usable(
        &self,
        identity: &Identity,
        now: Timestamp,
        trail: &mut Trail,
    ) -> Result<bool, VerifyError> {
        let error = match identity.standing(now) {
            Standing::Good => return self.was_not_taken_back(identity, trail).map(|()| true),
            Standing::AskAgain => return Ok(false),
            Standing::Expired => VerifyError::Expired {
                at: identity.written_expiry,
            },
            Standing::NotYet => VerifyError::NotYetValid,
        };
        note(identity, trail);
        Err(error)
    }

    fn was_not_taken_back(
        &self,
        identity: &Identity,
        trail: &mut Trail,
    ) -> Result<(), VerifyError> {
        let verdict = self.issuers.revocations().check(identity);
        if verdict.is_err() {
            note(identity, trail);
        }
        verdict
    }
}

/// How many forged tokens a second are looked at from one place, ten times as many at first. At 50 microseconds each,
/// they take half a hundredth of a core.
const FORGERIES: u32 = 100;

/// A token under a route's issuers, and the state of the caches before it was looked up.
#[derive(Clone, Copy)]
struct Sought<'a> {
    token: &'a str,
    set: u32,
    epoch: u64,
    now: Timestamp,
}

fn answer(
    identity: Arc<Identity>,
    source: Source,
    route: &Accepted,
    trail: &mut Trail,
) -> Result<Option<Arc<Identity>>, VerifyError> {
    note(&identity, trail);
    trail.source = Some(source.word());
    if route.subject_needed && identity.subject.is_none() {
        return Err(ClaimError::Missing("sub").into());
    }
    Ok(Some(identity))
}

fn note(identity: &Identity, trail: &mut Trail) {
    trail.issuer = Some(Arc::clone(&identity.issuer));
    trail.client_id.clone_from(&identity.client);
    trail.subject.clone_from(&identity.subject);
    trail.token = Some(identity.digest);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::super::testing::{NOW, Plan, World, bearer, claims, key, later, ring, token};
    use super::*;
    use crate::observe::Refusal;
    use crate::token::{Algorithm, Profile, SigningKey};

    const US: &str = "https://gw.test/oauth";

    fn world(key: &Arc<SigningKey>) -> World {
        Plan::default()
            .local("oauth", &Profile::standard(), &ring(key))
            .build()
    }

    async fn code(world: &World, token: &str, now: Timestamp) -> &'static str {
        match world.ask(token, now).await {
            Ok(_) => "ok",
            Err(error) => Refusal::from(error).code(),
        }
    }

    #[tokio::test]
    async fn a_token_that_is_over_takes_no_memory_for_long() {
        let key = key();
        let world = world(&key);
        let token = token(&key, &claims(US, json!({})));
        let (identity, _) = world.ask(&token, NOW).await.unwrap();
        let cache = world.verifier.cache();
        let kept = |now| {
            cache.tidy(now);
            cache
                .find(identity.digest, world.accepted.issuers.number())
                .is_some()
        };
        assert!(kept(NOW));
        assert!(kept(identity.expires_at.minus(Duration::from_secs(1))));
        assert!(!kept(identity.expires_at));
    }

    #[tokio::test]
    async fn a_token_is_verified_once_and_then_remembered() {
        let key = key();
        let world = world(&key);
        let token = token(&key, &claims(US, json!({})));
        let (identity, source) = world.ask(&token, NOW).await.unwrap();
        assert_eq!(source, "verified");
        assert_eq!(identity.subject.as_deref(), Some("u1"));
        assert_eq!(identity.client.as_deref(), Some("c1"));
        assert_eq!(identity.token_id(), Some("t1"));
        assert_eq!(&*identity.issuer, "oauth");
        assert!(identity.scope.contains("read"));
        assert_eq!(world.ask(&token, NOW).await.unwrap().1, "memo");
        let other = Memo::default();
        let (same, source) = world.ask_with(&other, &token, NOW).await.unwrap();
        assert_eq!(source, "cache");
        assert!(Arc::ptr_eq(&identity, &same));
    }

    #[tokio::test]
    async fn a_token_is_dead_at_its_exp_wherever_it_is_remembered() {
        let key = key();
        let world = world(&key);
        let token = token(&key, &claims(US, json!({})));
        world.ask(&token, NOW).await.unwrap();
        let last = later(300).minus(Duration::from_millis(1));
        assert_eq!(world.ask(&token, last).await.unwrap().1, "memo");
        for memo in [&world.memo, &Memo::default()] {
            let verdict = world.ask_with(memo, &token, later(300)).await;
            let expected = later(300);
            assert!(matches!(verdict, Err(VerifyError::Expired { at }) if at == expected));
        }
    }

    /// JW-06, JW-07
    #[tokio::test]
    async fn a_claim_that_is_missing_or_of_another_type_is_refused() {
        let key = key();
        let world = world(&key);
        for name in ["exp", "aud", "sub", "client_id", "jti"] {
            let token = token(&key, &claims(US, json!({ name: null })));
            assert_eq!(code(&world, &token, NOW).await, "claim_type", "{name}");
        }
        for (name, value) in [
            ("exp", json!("9999999999")),
            ("exp", json!([1])),
            ("nbf", json!("9999999999")),
            ("nbf", json!([1])),
            ("iat", json!("now")),
            ("aud", json!(7)),
            ("aud", json!(["api", 7])),
            ("sub", json!(7)),
            ("scope", json!(7)),
            ("iss", json!([US])),
            ("nonce", json!("n")),
            ("at_hash", json!("h")),
        ] {
            let token = token(&key, &claims(US, json!({ name: value })));
            assert_eq!(code(&world, &token, NOW).await, "claim_type", "{name}");
        }
        let exp_null = claims(US, json!({}))
            .to_string()
            .replace("1800000300", "null");
        let exp_null: Value = serde_json::from_str(&exp_null).unwrap();
        assert_eq!(
            code(&world, &token(&key, &exp_null), NOW).await,
            "claim_type"
        );
    }

    /// JW-11
    #[tokio::test]
    async fn a_token_counts_only_for_its_issuer_audience_and_time() {
        let (ours, theirs) = (key(), key());
        let world = Plan::default()
            .local("oauth", &Profile::standard(), &ring(&ours))
            .local("other", &Profile::standard(), &ring(&theirs))
            .build();
        for (key, change, expected) in [
            (&ours, json!({}), "ok"),
            (
                &ours,
                json!({ "iss": "https://gw.test/other" }),
                "unknown_key",
            ),
            (
                &ours,
                json!({ "iss": "https://gw.test/OAUTH" }),
                "unknown_issuer",
            ),
            (&ours, json!({ "iss": null }), "unknown_issuer"),
            (&theirs, json!({}), "unknown_key"),
            (&ours, json!({ "aud": "other" }), "wrong_audience"),
            (&ours, json!({ "aud": ["other", "api"] }), "ok"),
            (&ours, json!({ "nbf": NOW.seconds() + 1 }), "not_yet_valid"),
            (&ours, json!({ "exp": NOW.seconds() }), "expired"),
        ] {
            let token = token(key, &claims(US, change.clone()));
            assert_eq!(code(&world, &token, NOW).await, expected, "{change}");
        }
        let named = SigningKey::from_pkcs8(ours.kid(), Algorithm::ES256, &theirs.pkcs8().unwrap());
        let forged = token(&named.unwrap(), &claims(US, json!({})));
        assert_eq!(code(&world, &forged, NOW).await, "bad_signature");
    }

    #[tokio::test]
    async fn a_token_of_one_route_is_judged_anew_on_another() {
        let (ours, theirs) = (key(), key());
        let mut plan = Plan::default()
            .local("oauth", &Profile::standard(), &ring(&ours))
            .local("other", &Profile::standard(), &ring(&theirs));
        let narrow = plan.issuers.set(["other"]).unwrap();
        let mut world = plan.build();
        let token = token(&ours, &claims(US, json!({})));
        assert_eq!(code(&world, &token, NOW).await, "ok");
        world.accepted.issuers = narrow;
        assert_eq!(code(&world, &token, NOW).await, "unknown_issuer");
    }

    fn old_profile() -> Profile {
        Profile {
            header_type: "JWT",
            key_id_in_header: false,
            subject_claim: "uid",
            scope_claim: "scp",
            identified: false,
            loose_scope: true,
            every_scope: Some("root"),
            ..Profile::standard()
        }
    }

    #[tokio::test]
    async fn tokens_without_iss_belong_to_the_member_whose_tokens_have_none() {
        let (first, second, standard) = (key(), key(), key());
        let old = ring(&first);
        let world = Plan::default()
            .local("oauth", &Profile::standard(), &ring(&standard))
            .local("hub", &old_profile(), &old)
            .build();
        let said = json!({ "uid": "ada", "scp": "a,b", "exp": NOW.seconds() + 60 });
        let token = first.token(&old_profile(), &said).unwrap();
        old.replace(Arc::clone(&second), &[Arc::clone(&first)]);
        let (identity, _) = world.ask(&token, NOW).await.unwrap();
        assert_eq!(identity.subject.as_deref(), Some("ada"));
        assert_eq!(&*identity.issuer, "hub");
        assert!(identity.scope.contains("b") && !identity.scope.contains("c"));

        for (change, expected) in [
            (json!({ "scp": "root" }), "ok"),
            (json!({ "aud": "api" }), "wrong_audience"),
            (json!({ "iss": "https://x.example/" }), "unknown_issuer"),
            (json!({ "uid": 7 }), "claim_type"),
        ] {
            let mut changed = said.clone();
            for (name, value) in change.as_object().unwrap() {
                changed[name] = value.clone();
            }
            let token = first.token(&old_profile(), &changed).unwrap();
            assert_eq!(code(&world, &token, NOW).await, expected, "{change}");
        }
        // A token of one API does not pass as another's, though both are ours.
        let foreign = standard.token(&old_profile(), &said).unwrap();
        assert_eq!(code(&world, &foreign, NOW).await, "bad_signature");
    }

    #[tokio::test]
    async fn a_key_that_left_takes_its_tokens_with_it() {
        let (first, second) = (key(), key());
        let keyring = ring(&first);
        let world = Plan::default()
            .local("oauth", &Profile::standard(), &keyring)
            .build();
        let token = token(&first, &claims(US, json!({})));
        world.ask(&token, NOW).await.unwrap();
        assert_eq!(world.ask(&token, NOW).await.unwrap().1, "memo");
        keyring.replace(second, &[]);
        assert_eq!(code(&world, &token, NOW).await, "unknown_key");
    }

    #[tokio::test]
    async fn a_forgotten_token_is_judged_anew_on_every_connection() {
        let key = key();
        let world = world(&key);
        let token = token(&key, &claims(US, json!({})));
        let (identity, _) = world.ask(&token, NOW).await.unwrap();
        world.verifier.forget(identity.digest);
        assert_eq!(world.ask(&token, NOW).await.unwrap().1, "verified");
    }

    #[tokio::test]
    async fn a_route_that_names_the_caller_upstream_wants_a_subject() {
        let key = key();
        let mut world = world(&key);
        world.accepted.subject_needed = true;
        let token = token(&key, &claims(US, json!({})));
        assert_eq!(code(&world, &token, NOW).await, "ok");
    }

    #[tokio::test]
    async fn whoever_forges_too_many_tokens_has_no_new_one_looked_at_for_a_while() {
        let key = key();
        let world = world(&key);
        let known = token(&key, &claims(US, json!({})));
        assert_eq!(code(&world, &known, NOW).await, "ok");
        let new = token(&key, &claims(US, json!({ "jti": "t2" })));
        let (head, _) = new.rsplit_once('.').unwrap();
        let (_, signature) = known.rsplit_once('.').unwrap();
        let forged = format!("{head}.{signature}");
        for _ in 0..10 * FORGERIES {
            assert_eq!(code(&world, &forged, NOW).await, "bad_signature");
        }
        for token in [&forged, &new] {
            assert_eq!(code(&world, token, NOW).await, "rate_limited");
        }
        assert_eq!(code(&world, &known, NOW).await, "ok", "it is remembered");
        let rested = NOW.plus(Duration::from_millis(10));
        assert_eq!(code(&world, &new, rested).await, "ok");
    }

    #[tokio::test]
    async fn no_token_is_nobody_and_two_are_too_many() {
        let world = world(&key());
        let mut trail = Trail::default();
        let mut headers = HeaderMap::new();
        let memo = Memo::default();
        let found = world.identify(&headers, &memo, NOW, &mut trail).await;
        assert!(found.unwrap().is_none());
        for value in bearer("a.b.c").into_iter().chain(bearer("a.b.c")) {
            headers.append(http::header::AUTHORIZATION, value.1);
        }
        let found = world.identify(&headers, &memo, NOW, &mut trail).await;
        assert!(matches!(found, Err(VerifyError::TwoCredentials)));
    }

    #[tokio::test]
    async fn wanted_claims_travel_with_the_identity() {
        let key = key();
        let mut plan = Plan::default().local("oauth", &Profile::standard(), &ring(&key));
        let tenant = plan.wanted.id("claims.tenant.name");
        let world = plan.build();
        let token = token(&key, &claims(US, json!({ "tenant": { "name": "Ö" } })));
        let (identity, _) = world.ask(&token, NOW).await.unwrap();
        let claim = identity.claim(tenant).unwrap();
        assert_eq!(claim.header.as_ref().unwrap(), "%C3%96");
        assert_eq!(claim.json, None, "no route requires a value of it");
    }
}
