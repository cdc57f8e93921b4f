//! Tokens we must ask about (RFC 7662).
//!
//! One answer serves all who wait for it, and for a short while those who come later. An endpoint that cannot answer
//! makes no token bad: that is an error of its own, and nobody remembers it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Request, StatusCode};
use http_body_util::Full;
use moka::future::Cache;
use tokio::runtime::Handle;

use super::jwks::with_causes;
use crate::net::{Address, Outbound};
use crate::token::{Claims, Digest, DigestHasher, Secret, Timestamp};
use crate::verify::judge::Question;
use crate::verify::rules::Rules;
use crate::verify::wanted::Wanted;
use crate::verify::{AskError, Identity, VerifyError};

/// An issuer that is asked about each token.
#[derive(Debug)]
pub(in crate::verify) struct Introspection {
    desk: Arc<Desk>,
    chores: Handle,
}

/// How to ask, and for how long to believe the answer.
#[derive(Debug)]
pub(in crate::verify) struct Plan {
    pub(in crate::verify) rules: Rules,
    pub(in crate::verify) address: Address,
    pub(in crate::verify) outbound: Outbound,
    pub(in crate::verify) client_id: String,
    pub(in crate::verify) client_secret: Secret,
    /// The longest an active token is believed to be so.
    pub(in crate::verify) active: Duration,
    /// How long an inactive one is.
    pub(in crate::verify) inactive: Duration,
    /// How many answers are kept.
    pub(in crate::verify) capacity: u64,
    /// How long beyond that an active one is believed while the endpoint cannot answer.
    pub(in crate::verify) stale: Duration,
}

struct Desk {
    plan: Plan,
    credentials: HeaderValue,
    verdicts: Cache<Digest, Verdict, DigestHasher>,
    asked: AtomicU64,
    failed: AtomicU64,
    failing: AtomicBool,
}

#[derive(Clone)]
struct Verdict {
    /// None: not active.
    identity: Option<Arc<Identity>>,
    until: Timestamp,
    /// Until when it stands in for an answer that cannot be had.
    stale_until: Timestamp,
}

/// One question, owned by the task that asks it.
struct Asking {
    token: Secret,
    digest: Digest,
    wanted: Arc<Wanted>,
    now: Timestamp,
}

impl Introspection {
    /// Fails if the client's name and secret cannot be sent.
    pub(in crate::verify) fn new(plan: Plan, chores: Handle) -> Result<Self, http::Error> {
        let credentials = basic(&plan.client_id, &plan.client_secret)?;
        let verdicts = Cache::builder()
            .max_capacity(plan.capacity)
            .build_with_hasher(DigestHasher::default());
        let desk = Desk {
            plan,
            credentials,
            verdicts,
            asked: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            failing: AtomicBool::new(false),
        };
        Ok(Self {
            desk: Arc::new(desk),
            chores,
        })
    }

    pub(in crate::verify) fn name(&self) -> &Arc<str> {
        &self.desk.plan.rules.issuer
    }

    /// Whether a token that names this issuer, or none, may be shown to the endpoint.
    pub(in crate::verify) fn may_know(&self, identifier: Option<&str>) -> bool {
        match (&self.desk.plan.rules.identifier, identifier) {
            (Some(ours), Some(named)) => **ours == *named,
            _ => true,
        }
    }

    /// How often the endpoint was asked, and how often that failed.
    pub(in crate::verify) fn counts(&self) -> (u64, u64) {
        let Desk { asked, failed, .. } = &*self.desk;
        (
            asked.load(Ordering::Relaxed),
            failed.load(Ordering::Relaxed),
        )
    }

    /// Whose token this is, by an answer that is fresh or by a new one.
    pub(in crate::verify) async fn identify(
        &self,
        question: Question<'_>,
    ) -> Result<Arc<Identity>, VerifyError> {
        let known = self.desk.verdicts.get(&question.digest).await;
        let verdict = match known.filter(|verdict| question.now < verdict.until) {
            Some(verdict) => verdict,
            None => self.ask(question).await.map_err(|cause| {
                let issuer = Arc::clone(self.name());
                VerifyError::IntrospectionUnavailable { issuer, cause }
            })?,
        };
        verdict.identity.ok_or(VerifyError::Inactive)
    }

    async fn ask(&self, question: Question<'_>) -> Result<Verdict, Arc<AskError>> {
        let asking = Asking {
            token: Secret::new(question.token),
            digest: question.digest,
            wanted: Arc::clone(question.wanted),
            now: question.now,
        };
        let desk = Arc::clone(&self.desk);
        // A task of its own: a client that goes away takes nobody's answer with it.
        let task = self.chores.spawn(async move { desk.verdict(asking).await });
        task.await
            .unwrap_or_else(|_| Err(Arc::new(AskError::Stopped)))
    }
}

impl Desk {
    /// The verdict, from the one call that all who ask at once share.
    async fn verdict(&self, asking: Asking) -> Result<Verdict, Arc<AskError>> {
        let digest = asking.digest;
        let old = self.verdicts.get(&digest).await;
        if let Some(old) = &old {
            if asking.now < old.until {
                return Ok(old.clone());
            }
            self.verdicts.invalidate(&digest).await;
        }
        let answer = self.call(asking, old);
        self.verdicts
            .try_get_with(digest, answer)
            .await
            .map_err(|error| {
                // Shared among those who waited, and gone with them.
                Arc::clone(&error)
            })
    }

    async fn call(&self, asking: Asking, old: Option<Verdict>) -> Result<Verdict, AskError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let now = asking.now;
        let answer = self.exchange(&asking).await;
        match answer.and_then(|claims| self.judge(&claims, &asking)) {
            Ok(verdict) => {
                self.note_answer();
                Ok(verdict)
            }
            Err(error) => {
                self.note_outage(&error);
                match old.filter(|old| old.identity.is_some() && now < old.stale_until) {
                    Some(old) => Ok(old.stretched(now)),
                    None => Err(error),
                }
            }
        }
    }

    // An outage is worth a line when it begins and one when it ends, not one for each request.
    fn note_outage(&self, error: &AskError) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        if !self.failing.swap(true, Ordering::Relaxed) {
            let (issuer, error) = (&*self.plan.rules.issuer, with_causes(error));
            tracing::warn!(event = "issuer.introspection", issuer, error, "no answer");
        }
    }

    fn note_answer(&self) {
        if self.failing.swap(false, Ordering::Relaxed) {
            let issuer = &*self.plan.rules.issuer;
            tracing::warn!(event = "issuer.introspection", issuer, "answers again");
        }
    }

    async fn exchange(&self, asking: &Asking) -> Result<Claims, AskError> {
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("token", asking.token.reveal())
            .append_pair("token_type_hint", "access_token")
            .finish();
        let request = Request::post(self.plan.address.as_str())
            .header(AUTHORIZATION, &self.credentials)
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::new(Bytes::from(form)))
            .map_err(|_| AskError::Answer("no such address"))?;
        let answer = self.plan.outbound.send(request, DEADLINE).await?;
        if answer.status() != StatusCode::OK {
            return Err(AskError::Status(answer.status()));
        }
        Claims::read(answer.body()).map_err(|_| AskError::Answer("not a JSON object"))
    }

    /// What the answer means (RFC 7662 §2.2). An answer of the wrong shape is none.
    fn judge(&self, claims: &Claims, asking: &Asking) -> Result<Verdict, AskError> {
        let active = claims.truth("active").ok().flatten();
        let active = active.ok_or(AskError::Answer("`active` is not true or false"))?;
        if !active {
            return Ok(self.inactive(asking.now));
        }
        let judged = self.plan.rules.check(claims, asking.now).and_then(|span| {
            let rules = &self.plan.rules;
            rules.identity(claims, span, asking.digest, &asking.wanted)
        });
        match judged {
            Ok(identity) => Ok(self.active(identity, asking.now)),
            Err(VerifyError::Malformed(_) | VerifyError::Claim(_)) => Err(AskError::Answer(
                "a member is missing or has the wrong type",
            )),
            // Expired by our clock, or for somebody else: active there is not active here.
            Err(_) => Ok(self.inactive(asking.now)),
        }
    }

    fn active(&self, identity: Identity, now: Timestamp) -> Verdict {
        let until = now.plus(self.plan.active).min(identity.expires_at);
        let stale_until = until.plus(self.plan.stale).min(identity.expires_at);
        Verdict {
            identity: Some(Arc::new(identity.fresh_until(until))),
            until,
            stale_until,
        }
    }

    fn inactive(&self, now: Timestamp) -> Verdict {
        let until = now.plus(self.plan.inactive);
        Verdict {
            identity: None,
            until,
            stale_until: until,
        }
    }
}

impl Verdict {
    /// The same for a moment longer, so that not every request waits for an endpoint that does not answer.
    fn stretched(self, now: Timestamp) -> Self {
        let until = now.plus(STRETCH).min(self.stale_until);
        let identity = self.identity.map(|identity| {
            let same = Identity::clone(&identity);
            Arc::new(same.fresh_until(until))
        });
        Self {
            identity,
            until,
            ..self
        }
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Introspection({})", self.plan.address.as_str())
    }
}

/// Name and secret are form-encoded before they are joined (RFC 6749 §2.3.1).
fn basic(id: &str, secret: &Secret) -> Result<HeaderValue, http::Error> {
    use base64::Engine;
    let encode =
        |text: &str| -> String { form_urlencoded::byte_serialize(text.as_bytes()).collect() };
    let pair = format!("{}:{}", encode(id), encode(secret.reveal()));
    let pair = base64::engine::general_purpose::STANDARD.encode(pair);
    let mut value = HeaderValue::try_from(format!("Basic {pair}"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// How long the endpoint may take.
const DEADLINE: Duration = Duration::from_secs(2);
/// How long an old answer stands in before the endpoint is asked again.
const STRETCH: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;
    use serde_json::{Value, json};

    use crate::observe::Refusal;
    use crate::token::Timestamp;
    use crate::verify::Memo;
    use crate::verify::testing::{FakeIssuer, NOW, Plan, World, claims, key, later, token};

    fn section(issuer: &FakeIssuer, more: &str) -> String {
        let url = &issuer.url;
        format!(
            "kind = \"introspection\"\nurl = \"{url}/i\"\n\
             client = {{ id = \"toll gate\", secret = {{ literal = \"s:1\" }} }}\n{more}"
        )
    }

    fn world(issuer: &FakeIssuer, more: &str) -> World {
        Plan::default().remote("n", &section(issuer, more)).build()
    }

    fn active(issuer: &FakeIssuer) {
        let exp = NOW.seconds() + 3600;
        let answer =
            json!({ "active": true, "sub": "u1", "client_id": "c1", "scope": "a b", "exp": exp });
        issuer.json("/i", &answer);
    }

    async fn code(world: &World, token: &str, now: Timestamp) -> &'static str {
        match world.ask(token, now).await {
            Ok(_) => "ok",
            Err(error) => Refusal::from(error).code(),
        }
    }

    #[tokio::test]
    async fn an_opaque_token_is_asked_about_with_our_credentials() {
        let issuer = FakeIssuer::start().await;
        active(&issuer);
        let world = world(&issuer, "");
        let (identity, source) = world.ask("opaque+/1", NOW).await.unwrap();
        assert_eq!(source, "introspected");
        assert_eq!(identity.subject.as_deref(), Some("u1"));
        assert_eq!(identity.client.as_deref(), Some("c1"));
        assert!(identity.scope.contains("b"));
        let request = issuer.requests().remove(0);
        // base64 of "toll+gate:s%3A1"
        assert!(request.contains("Basic dG9sbCtnYXRlOnMlM0Ex"), "{request}");
        assert!(request.ends_with("token=opaque%2B%2F1&token_type_hint=access_token"));
    }

    #[tokio::test]
    async fn is_07_a_revoked_token_passes_no_longer_than_its_answer_is_believed() {
        let issuer = FakeIssuer::start().await;
        active(&issuer);
        let world = world(&issuer, "");
        assert_eq!(code(&world, "t", NOW).await, "ok");
        issuer.json("/i", &json!({ "active": false }));
        assert_eq!(world.ask("t", later(59)).await.unwrap().1, "memo");
        assert_eq!(code(&world, "t", later(60)).await, "inactive");
        active(&issuer);
        assert_eq!(code(&world, "t", later(64)).await, "inactive");
        assert_eq!(code(&world, "t", later(65)).await, "ok");
        assert_eq!(issuer.count(), 3);
    }

    #[tokio::test]
    async fn is_06_all_who_ask_about_one_token_share_one_call() {
        let issuer = FakeIssuer::start().await;
        active(&issuer);
        let world = world(&issuer, "");
        let memos: Vec<Memo> = (0..200).map(|_| Memo::default()).collect();
        let all = memos.iter().map(|memo| world.ask_with(memo, "t", NOW));
        for verdict in join_all(all).await {
            verdict.unwrap();
        }
        assert_eq!(issuer.count(), 1);
    }

    #[tokio::test]
    async fn a_client_that_goes_away_takes_nobodys_answer_with_it() {
        let issuer = FakeIssuer::start().await;
        active(&issuer);
        issuer.hold();
        let world = world(&issuer, "");
        let (gone, memo) = (Memo::default(), Memo::default());
        {
            let asking = world.ask_with(&gone, "t", NOW);
            tokio::select! {
                _ = asking => unreachable!("the answer is held back"),
                () = issuer.was_asked(1) => {}
            }
        }
        let waiting = world.ask_with(&memo, "t", NOW);
        let release = async { issuer.release() };
        let (verdict, ()) = tokio::join!(waiting, release);
        verdict.unwrap();
        assert_eq!(issuer.count(), 1);
    }

    #[tokio::test]
    async fn is_09_an_endpoint_that_cannot_answer_makes_no_token_bad() {
        let issuer = FakeIssuer::start().await;
        let world = world(&issuer, "");
        let lists = [
            json!({ "active": "true" }),
            json!({ "active": 1 }),
            json!({}),
            json!([true]),
            json!({ "active": true, "exp": "soon" }),
            json!({ "active": true, "sub": 7 }),
        ];
        let bodies = lists.iter().map(Value::to_string);
        let bodies = bodies.chain(["<html>".to_owned(), String::new()]);
        for body in bodies {
            issuer.reply("/i", "200 OK", "", &body);
            assert_eq!(
                code(&world, "t", NOW).await,
                "introspection_unavailable",
                "{body}"
            );
        }
        for status in ["500 Internal Server Error", "401 Unauthorized", "302 Found"] {
            issuer.reply("/i", status, "", "{\"active\":true}");
            assert_eq!(code(&world, "t", NOW).await, "introspection_unavailable");
        }
        active(&issuer);
        assert_eq!(code(&world, "t", NOW).await, "ok");
    }

    #[tokio::test]
    async fn an_outage_is_bridged_where_the_operator_wrote_so() {
        let issuer = FakeIssuer::start().await;
        let denying = world(&issuer, "");
        let bridging = world(&issuer, "on_outage = \"use_stale:5m\"");
        active(&issuer);
        assert_eq!(code(&denying, "t", NOW).await, "ok");
        assert_eq!(code(&bridging, "t", NOW).await, "ok");
        issuer.reply("/i", "500 Internal Server Error", "", "");
        assert_eq!(
            code(&denying, "t", later(60)).await,
            "introspection_unavailable"
        );
        assert_eq!(code(&bridging, "t", later(60)).await, "ok");
        let asked = issuer.count();
        assert_eq!(code(&bridging, "t", later(64)).await, "ok");
        assert_eq!(issuer.count(), asked);
        assert_eq!(code(&bridging, "t", later(359)).await, "ok");
        assert_eq!(
            code(&bridging, "t", later(360)).await,
            "introspection_unavailable"
        );
    }

    #[tokio::test]
    async fn is_08_what_one_endpoint_says_counts_only_where_it_is_asked() {
        let (one, two) = (FakeIssuer::start().await, FakeIssuer::start().await);
        active(&one);
        two.json("/i", &json!({ "active": false }));
        let mut plan = Plan::default()
            .remote("n1", &section(&one, ""))
            .remote("n2", &section(&two, ""));
        let (x, y) = (plan.issuers.set(["n1"]), plan.issuers.set(["n2"]));
        let mut world = plan.build();
        world.accepted.issuers = x.unwrap();
        assert_eq!(code(&world, "t", NOW).await, "ok");
        world.accepted.issuers = y.unwrap();
        assert_eq!(code(&world, "t", NOW).await, "inactive");
        assert_eq!(two.count(), 1);
    }

    #[tokio::test]
    async fn of_two_endpoints_one_that_cannot_answer_leaves_the_question_open() {
        let (one, two) = (FakeIssuer::start().await, FakeIssuer::start().await);
        two.json("/i", &json!({ "active": false }));
        let world = Plan::default()
            .remote("n1", &section(&one, ""))
            .remote("n2", &section(&two, ""))
            .build();
        assert_eq!(code(&world, "t", NOW).await, "introspection_unavailable");
        active(&two);
        assert_eq!(code(&world, "u", NOW).await, "ok");
    }

    #[tokio::test]
    async fn a_token_is_shown_only_to_those_who_may_know_it() {
        let issuer = FakeIssuer::start().await;
        let world = world(
            &issuer,
            "issuer = \"https://n.test/\"\naudiences = [\"api\"]",
        );
        let key = key();
        let foreign = token(&key, &claims("https://a.test/", json!({})));
        assert_eq!(code(&world, &foreign, NOW).await, "unknown_issuer");
        assert_eq!(issuer.count(), 0);

        let theirs = token(&key, &claims("https://n.test/", json!({})));
        for (change, expected) in [
            (json!({ "aud": "other" }), "inactive"),
            (json!({ "iss": "https://a.test/" }), "inactive"),
            (json!({ "exp": NOW.seconds() - 31 }), "inactive"),
            (json!({}), "ok"),
        ] {
            let mut answer = json!({ "active": true, "aud": "api", "iss": "https://n.test/" });
            for (name, value) in change.as_object().unwrap() {
                answer[name] = value.clone();
            }
            issuer.json("/i", &answer);
            let world = Plan::default()
                .remote(
                    "n",
                    &section(
                        &issuer,
                        "issuer = \"https://n.test/\"\naudiences = [\"api\"]",
                    ),
                )
                .build();
            assert_eq!(code(&world, &theirs, NOW).await, expected, "{change}");
        }
    }
}
