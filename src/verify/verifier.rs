//! From the token of a request to an identity: find, remember, ask.

use std::sync::Arc;

use http::HeaderMap;

use super::identity::Standing;
use super::issuer::{IssuerSet, Issuers};
use super::judge::Question;
use super::memo::{Memo, TokenCache};
use super::wanted::Wanted;
use super::{Identity, VerifyError, carrier};
use crate::observe::Trail;
use crate::token::{Carriers, ClaimError, Digest, Timestamp};

/// Turns the token in a request into an [`Identity`], or says why not.
#[derive(Debug)]
pub struct Verifier {
    issuers: Arc<Issuers>,
    wanted: Arc<Wanted>,
    cache: TokenCache,
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
        }
    }

    /// Whose request this is; nobody's if it brings no token.
    ///
    /// Whatever is remembered is held against `now` and against its key first. A token that cannot be judged now is an
    /// error of its own, never a pass and never a bad token.
    #[expect(
        clippy::too_many_arguments,
        reason = "the request, the route's word, what the connection remembers, the time and the notebook"
    )]
    pub async fn identify(
        &self,
        headers: &HeaderMap,
        route: &Accepted,
        memo: &Memo,
        now: Timestamp,
        trail: &mut Trail,
    ) -> Result<Option<Arc<Identity>>, VerifyError> {
        let Some(presented) = carrier::find(headers, route.carriers)? else {
            return Ok(None);
        };
        let sought = Sought {
            token: presented.token(),
            set: route.issuers.number(),
            epoch: self.cache.epoch(),
            now,
        };
        if let Some(identity) = memo.find(sought.token, sought.set, sought.epoch)
            && is_usable(&identity, now)?
        {
            return answer(identity, Source::Memo, route, trail);
        }
        let digest = Digest::of(sought.token.as_bytes());
        trail.token = Some(digest);
        if let Some(identity) = self.cache.find(digest, sought.set)
            && is_usable(&identity, now)?
        {
            memo.keep(sought.token, sought.set, sought.epoch, &identity);
            return answer(identity, Source::Cache, route, trail);
        }
        let (identity, source) = self.ask(sought, digest, route, trail).await?;
        // One that was forgotten meanwhile is used this once, and not remembered.
        if self.cache.epoch() == sought.epoch {
            self.cache.keep(&identity, sought.set, now);
            memo.keep(sought.token, sought.set, sought.epoch, &identity);
        }
        answer(identity, source, route, trail)
    }

    /// Forgets what is known of a token: it is judged anew when it comes again, on every connection.
    pub fn forget(&self, digest: Digest) {
        self.cache.forget(digest, self.issuers.set_numbers());
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
        let question = Question {
            token: sought.token,
            digest,
            wanted: &self.wanted,
            now: sought.now,
        };
        self.issuers.judge(question, &route.issuers, trail).await
    }
}

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
    trail.issuer = Some(Arc::clone(&identity.issuer));
    trail.client_id.clone_from(&identity.client);
    trail.subject.clone_from(&identity.subject);
    trail.token = Some(identity.digest);
    trail.source = Some(source.word());
    if route.subject_needed && identity.subject.is_none() {
        return Err(ClaimError::Missing("sub").into());
    }
    Ok(Some(identity))
}

fn is_usable(identity: &Identity, now: Timestamp) -> Result<bool, VerifyError> {
    match identity.standing(now) {
        Standing::Good => Ok(true),
        Standing::AskAgain => Ok(false),
        Standing::Expired => Err(VerifyError::Expired {
            at: identity.written_expiry,
        }),
        Standing::NotYet => Err(VerifyError::NotYetValid),
    }
}
