//! A session handed over to a browser: a code that says whose session it is, once, for half a minute.
//!
//! The code is no token and becomes none. Whoever redeems it learns which session it was made for.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::issue::{Answer, HandedOver, IssueError, LocalIssuer, Mint, audit, random};
use crate::store::{Addition, OneTime, OneTimeKind, Redeemed, SessionId};
use crate::token::{Digest, Secret, Timestamp};
use crate::verify::Identity;

/// What a code stands for, as it is kept.
#[derive(Debug, Deserialize, Serialize)]
struct Kept {
    realm: String,
    client: String,
    subject: String,
    session: String,
    redirect_uri: String,
}

impl Mint {
    /// A code for the session of a token.
    pub(in crate::issue) async fn begin_handoff(
        &self,
        identity: &Identity,
        redirect_uri: String,
        issuer: &LocalIssuer,
        now: Timestamp,
    ) -> Result<Answer, IssueError> {
        let id = identity.client.as_deref();
        let id = id.ok_or(IssueError::ForbiddenClient)?;
        let client = self.clients.find(id).await?;
        let client = client.filter(|client| client.is_for(issuer));
        let client = client.ok_or(IssueError::ForbiddenClient)?;
        let settings = match (client.handoff, client.wallets) {
            (Some(settings), _) => settings,
            (None, Some(_)) => return Err(IssueError::UnfitClient),
            (None, None) => return Err(IssueError::ForbiddenClient),
        };
        let mut targets = settings.redirect_uris.iter();
        if !targets.any(|target| leads_to(target, &redirect_uri)) {
            return Err(IssueError::InvalidRedirectUri(
                "the redirect URI is not one of the client's",
            ));
        }
        let session = identity.session().ok_or(IssueError::UnfitClient)?;
        let subject = identity.subject.as_deref().unwrap_or_default();
        let kept = Kept {
            realm: issuer.name.to_string(),
            client: client.name,
            subject: subject.to_owned(),
            session: session.to_owned(),
            redirect_uri,
        };
        let code = self.keep_handoff(&kept, now).await?;
        audit::handoff_begun(&kept.realm, &kept.client, &kept.subject, &kept.session);
        Ok(Answer::Handoff {
            code,
            expires_in: LIFETIME,
        })
    }

    async fn keep_handoff(&self, kept: &Kept, now: Timestamp) -> Result<Secret, IssueError> {
        let code = Secret::new(format!("ho_{}", random::base62(CODE_LEN)?));
        let one_time = OneTime {
            kind: OneTimeKind::Handoff,
            digest: Digest::of(code.reveal().as_bytes()),
            // Texts are always written.
            payload: serde_json::to_string(kept).unwrap_or_default(),
            expires_at: now.plus(LIFETIME),
        };
        match self.store.keep_once(one_time).await? {
            Addition::Added => Ok(code),
            // Nobody draws the same 256 bits twice.
            Addition::NameTaken => Err(IssueError::InvalidGrant),
        }
    }

    /// What a code stands for, if it is shown for the first time and in time, by the page of the client it was made for,
    /// and its session has not ended. Whoever shows it, it is spent.
    pub(in crate::issue) async fn redeem_handoff(
        &self,
        (code, client): (&Secret, &str),
        issuer: &LocalIssuer,
        now: Timestamp,
    ) -> Result<Answer, IssueError> {
        let digest = Digest::of(code.reveal().as_bytes());
        let redeemed = self.store.redeem(OneTimeKind::Handoff, digest, now, None);
        let Redeemed::First(one_time) = redeemed.await? else {
            return Err(IssueError::InvalidGrant);
        };
        let kept = serde_json::from_str::<Kept>(&one_time.payload).ok();
        let kept = kept.filter(|kept| kept.realm == *issuer.name && kept.client == client);
        let kept = kept.ok_or(IssueError::InvalidGrant)?;
        let session = match SessionId::from_hex(&kept.session) {
            Some(id) => self.store.session(id).await?,
            None => None,
        };
        if session.is_none_or(|session| session.ended.is_some()) {
            return Err(IssueError::InvalidGrant);
        }
        audit::handoff_redeemed(&kept.realm, &kept.client, &kept.subject, &kept.session);
        Ok(Answer::HandedOver(HandedOver {
            client: kept.client,
            subject: kept.subject,
            session: kept.session,
            redirect_uri: kept.redirect_uri,
        }))
    }
}

/// Whether a registered target is the one asked for: the same, byte for byte, or what stands before its `*` begins it.
fn leads_to(target: &str, uri: &str) -> bool {
    let Some(url) = Url::parse(uri).ok().filter(|_| is_plain(uri)) else {
        return false;
    };
    if RUNS_IN_THE_PAGE.contains(&url.scheme()) {
        return false;
    }
    match target.strip_suffix('*') {
        None => target == uri,
        // Held against what a browser makes of it too, which may lie elsewhere: `/cb/../x`.
        Some(start) => {
            names_its_host(start) && uri.starts_with(start) && url.as_str().starts_with(start)
        }
    }
}

/// Whether a beginning ends behind its host: else `https://app.test*` would let `https://app.test.evil` pass. The
/// addresses of apps (`shop://*`) have none.
fn names_its_host(start: &str) -> bool {
    match start.split_once("://") {
        Some(("http" | "https", rest)) => rest.contains('/'),
        Some((scheme, _)) => !scheme.is_empty(),
        None => false,
    }
}

fn is_plain(uri: &str) -> bool {
    uri.len() <= URI_MAX
        && uri
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'\\')
}

const LIFETIME: Duration = Duration::from_secs(30);
/// 256 bits.
const CODE_LEN: usize = 43;
const URI_MAX: usize = 2048;
const RUNS_IN_THE_PAGE: [&str; 6] = ["javascript", "data", "vbscript", "blob", "file", "about"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_the_same_or_begins_with_what_is_registered() {
        for (target, uri) in [
            ("https://app.test/cb", "https://app.test/cb"),
            ("https://app.test/cb?x=1", "https://app.test/cb?x=1"),
            ("https://app.test/*", "https://app.test/any/where?x=1#y"),
            ("yourapp://connections", "yourapp://connections"),
            ("yourapp://*", "yourapp://connections"),
        ] {
            assert!(leads_to(target, uri), "{target} {uri}");
        }
        for (target, uri) in [
            ("https://app.test/cb", "https://app.test/cb/"),
            ("https://app.test/cb", "https://app.test/cb?x"),
            ("https://app.test/cb", "https://APP.test/cb"),
            ("https://app.test*", "https://app.test.evil/"),
            ("https://app.test*", "https://app.test@evil.test/"),
            ("https://app.test/cb/*", "https://app.test/cb/../x"),
            ("https://app.test/cb/*", "https://app.test/cb/%2e%2e/x"),
            ("https://app.test/*", "https://app.test\\@evil.test/"),
            ("https://app.test/*", "https://app.test/a b"),
            ("https://app.test/*", "https://app.test/\u{e4}"),
            ("javascript:alert(1)", "javascript:alert(1)"),
            ("data:text/html,x", "data:text/html,x"),
            ("*", "https://evil.test/"),
            ("https://*", "https://evil.test"),
            ("", ""),
        ] {
            assert!(!leads_to(target, uri), "{target} {uri}");
        }
    }
}
