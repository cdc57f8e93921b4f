//! Tokens we must ask about (RFC 7662).
//!
//! One answer serves all who wait for it, and for a short while those who come later. An endpoint that cannot answer
//! makes no token bad: that is an error of its own, and nobody remembers it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
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
        match self.exchange(&asking).await {
            Ok(claims) => self.judge(&claims, &asking),
            Err(error) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                let name = &self.plan.rules.issuer;
                let text = with_causes(&error);
                tracing::warn!(event = "issuer.introspection", issuer = %name, error = text, "no answer");
                match old.filter(|old| old.identity.is_some() && now < old.stale_until) {
                    Some(old) => Ok(old.stretched(now)),
                    None => Err(error),
                }
            }
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
