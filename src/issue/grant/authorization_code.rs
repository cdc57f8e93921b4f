//! A token for a person who sent the client a code (RFC 6749 §4.1.3).
//!
//! A code is good for one minute and one use. Whoever brings it with anything wrong has spent it; whoever brings it a
//! second time ends what the first use began (RFC 9700 §4.2.4): one of the two is a thief.

use std::time::Duration;

use aws_lc_rs::{constant_time, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::Grant;
use crate::issue::client::KnownClient;
use crate::issue::session::{Opening, Sessions};
use crate::issue::{IssueError, Issued, LocalIssuer, audit, random};
use crate::store::{
    Account, AccountId, Addition, Ending, OneTime, OneTimeKind, Redeemed, SessionId, Status, Store,
};
use crate::token::{Digest, KeyError, Scope, Secret, Timestamp};

/// What a code stands for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::issue) struct AuthorizationCode {
    /// Whom it was given to.
    pub(in crate::issue) client: String,
    /// Where it was sent.
    pub(in crate::issue) redirect_uri: String,
    /// What the verifier must hash to (RFC 7636 §4.2).
    pub(in crate::issue) challenge: Option<String>,
    /// What its tokens may do.
    pub(in crate::issue) scope: Scope,
    /// Whether that is what was asked for.
    pub(in crate::issue) scope_as_asked: bool,
    /// Whose leave it is: the account, in hexadecimal digits.
    pub(in crate::issue) account: String,
    /// The account's generation when they gave it.
    pub(in crate::issue) generation: u32,
    /// Who gave it.
    pub(in crate::issue) issuer: String,
    /// When it is worth nothing any more, in milliseconds, where what it stands for is kept for longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::issue) good_until: Option<i64>,
}

/// The form by which a person agreed.
#[derive(Clone, Copy, Debug)]
pub struct Agreement<'a> {
    /// The mark of the form, which no other form has.
    pub mark: &'a str,
    /// For how long a browser could send it again.
    pub lives: Duration,
}

/// A code, as a client brings it.
#[derive(Clone, Debug)]
pub(in crate::issue) struct Brought {
    code: Secret,
    redirect_uri: Option<String>,
    verifier: Option<Secret>,
}

impl Brought {
    pub(in crate::issue) const fn new(
        code: Secret,
        redirect_uri: Option<String>,
        verifier: Option<Secret>,
    ) -> Self {
        Self {
            code,
            redirect_uri,
            verifier,
        }
    }
}

impl AuthorizationCode {
    /// Makes the code and keeps what it stands for; in the store lies its digest alone.
    pub(in crate::issue) async fn keep(
        &self,
        store: &Store,
        now: Timestamp,
    ) -> Result<Secret, IssueError> {
        let code = Secret::new(format!("{PREFIX}{}", random::base62(LENGTH)?));
        match self.keep_as(&code, now.plus(LIFETIME), store).await? {
            Addition::Added => Ok(code),
            // Two of 256 random bits are never the same.
            Addition::NameTaken => Err(IssueError::Sign(KeyError::Cryptography)),
        }
    }

    /// The same for a form, which gets one code however often it is sent: whoever clicked twice, or never saw the first
    /// answer, is sent on with it again while it is good. None: it was used, or is no longer good. `derived` is the
    /// form's own; what the code stands for is kept for as long as the form could come back.
    pub(in crate::issue) async fn keep_for(
        mut self,
        derived: &str,
        lives: Duration,
        store: &Store,
        now: Timestamp,
    ) -> Result<Option<(Secret, Addition)>, IssueError> {
        let code = Secret::new(format!("{PREFIX}{derived}"));
        self.good_until = Some(now.plus(LIFETIME).millis());
        let until = now.plus(lives.max(LIFETIME));
        let kept = self.keep_as(&code, until, store).await?;
        if kept == Addition::Added {
            return Ok(Some((code, kept)));
        }
        let digest = Digest::of(code.reveal().as_bytes());
        let before = store.one_time(OneTimeKind::Code, digest).await?;
        let before = before.and_then(|kept| Self::read(&kept, now));
        Ok(before.map(|_| (code, kept)))
    }

    async fn keep_as(
        &self,
        code: &Secret,
        until: Timestamp,
        store: &Store,
    ) -> Result<Addition, IssueError> {
        let payload = serde_json::to_string(self);
        let kept = store.keep_once(OneTime {
            kind: OneTimeKind::Code,
            digest: Digest::of(code.reveal().as_bytes()),
            payload: payload.map_err(|_| IssueError::Sign(KeyError::Cryptography))?,
            expires_at: until,
        });
        Ok(kept.await?)
    }

    /// What a code stands for, while it is good.
    fn read(kept: &OneTime, now: Timestamp) -> Option<Self> {
        let code: Self = serde_json::from_str(&kept.payload).ok()?;
        let until = code.good_until.map(Timestamp::from_millis);
        (now < kept.expires_at && until.is_none_or(|until| now < until)).then_some(code)
    }

    /// Whether this is the client, the address, the verifier and the issuer that the code was made for.
    fn fits(&self, brought: &Brought, client: &KnownClient, issuer: &LocalIssuer) -> bool {
        self.client == client.name
            && self.issuer == issuer.identifier
            && brought.redirect_uri.as_deref() == Some(&self.redirect_uri)
            && match (&self.challenge, &brought.verifier) {
                (Some(challenge), Some(verifier)) => is_verified(challenge, verifier.reveal()),
                (None, None) => true,
                // Somebody has taken the challenge out of the request, or the verifier out of this (RFC 9700 §4.8.2).
                (None, Some(_)) | (Some(_), None) => false,
            }
    }

    async fn account(&self, store: &Store) -> Result<Option<Account>, IssueError> {
        let Some(id) = account_id(&self.account) else {
            return Ok(None);
        };
        let found = store.account(id).await?;
        Ok(found.filter(|account| {
            account.status == Status::Active && account.generation == self.generation
        }))
    }
}

/// Gives an authenticated client the first tokens of the session that its code opens.
pub(in crate::issue) async fn redeem(
    brought: &Brought,
    client: &KnownClient,
    (store, sessions): (&Store, &Sessions),
    issuer: &LocalIssuer,
    now: Timestamp,
) -> Result<Issued, IssueError> {
    if !client.grants.contains(&Grant::AuthorizationCode) {
        return Err(IssueError::UnauthorizedClient);
    }
    let digest = Digest::of(brought.code.reveal().as_bytes());
    let kept = store.one_time(OneTimeKind::Code, digest).await?;
    let code = kept.and_then(|kept| AuthorizationCode::read(&kept, now));
    let code = code.filter(|code| code.fits(brought, client, issuer));
    let account = match &code {
        Some(code) => code.account(store).await?,
        None => None,
    };
    let (Some(code), Some(account)) = (code, account) else {
        let spent = store.redeem(OneTimeKind::Code, digest, now, None).await?;
        return Err(refused(spent, (store, sessions), issuer, now).await);
    };
    let opening = Opening {
        account: Some(&account),
        client: &client.name,
        scope: code.scope.clone(),
        continues: None,
        grant: Grant::AuthorizationCode.word(),
    };
    let session = sessions.plan(&opening, issuer, now)?;
    let redeemed = store
        .redeem(OneTimeKind::Code, digest, now, Some(session.clone()))
        .await?;
    let Redeemed::First(_) = redeemed else {
        return Err(refused(redeemed, (store, sessions), issuer, now).await);
    };
    sessions
        .is_still_theirs(&session, Some(&account), issuer, now)
        .await?;
    audit::session_opened(&session, opening.grant);
    let tokens = sessions.issue(&session, issuer, now)?;
    let renewable = client.grants.contains(&Grant::RefreshToken);
    Ok(Issued {
        refresh_token: tokens.refresh_token.filter(|_| renewable),
        refresh_expires_in: tokens.refresh_expires_in.filter(|_| renewable),
        scope_as_asked: code.scope_as_asked,
        ..tokens
    })
}

/// Ends what a code began that was used before.
async fn refused(
    spent: Redeemed,
    (store, sessions): (&Store, &Sessions),
    issuer: &LocalIssuer,
    now: Timestamp,
) -> IssueError {
    let Redeemed::Again(Some(id)) = spent else {
        return IssueError::InvalidGrant;
    };
    match end(id, (store, sessions), issuer, now).await {
        Ok(()) => IssueError::InvalidGrant,
        Err(error) => error,
    }
}

async fn end(
    id: SessionId,
    (store, sessions): (&Store, &Sessions),
    issuer: &LocalIssuer,
    now: Timestamp,
) -> Result<(), IssueError> {
    if let Some(session) = store.session(id).await? {
        sessions
            .end(session.root, Ending::Replayed, issuer, now)
            .await?;
    }
    Ok(())
}

/// RFC 7636 §4.6; the verifier is 43 to 128 unreserved characters (§4.1).
fn is_verified(challenge: &str, verifier: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if !(43..=128).contains(&verifier.len()) || !verifier.bytes().all(fits) {
        return false;
    }
    let hash = digest::digest(&digest::SHA256, verifier.as_bytes());
    let expected = URL_SAFE_NO_PAD.encode(hash);
    constant_time::verify_slices_are_equal(expected.as_bytes(), challenge.as_bytes()).is_ok()
}

/// Reads 32 hexadecimal digits.
pub(in crate::issue) fn account_id(text: &str) -> Option<AccountId> {
    let number = u128::from_str_radix(text, 16).ok()?;
    (text.len() == 32 && !text.starts_with('+'))
        .then(|| AccountId::from_bytes(number.to_be_bytes()))
}

/// How long a code lives. RFC 6749 §4.1.2 allows ten minutes.
const LIFETIME: Duration = Duration::from_mins(1);
const PREFIX: &str = "tgac_";
/// 256 bits.
const LENGTH: usize = 43;

#[cfg(test)]
mod tests {
    use super::*;

    // P05
    #[test]
    fn a_verifier_is_43_to_128_unreserved_characters_that_hash_to_the_challenge() {
        // RFC 7636 appendix B
        let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        assert!(is_verified(
            challenge,
            "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
        ));
        let of = |verifier: &str| {
            URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()))
        };
        for (verifier, good) in [
            ("a".repeat(43), true),
            ("~".repeat(128), true),
            ("a".repeat(42), false),
            ("a".repeat(129), false),
            ("a".repeat(42) + "+", false),
            ("a".repeat(42) + "\u{e9}", false),
        ] {
            assert_eq!(is_verified(&of(&verifier), &verifier), good, "{verifier}");
        }
        assert!(!is_verified(challenge, &"a".repeat(43)));
    }

    #[test]
    fn an_account_is_named_by_32_digits() {
        let id = AccountId::from_bytes([0xab; 16]);
        assert_eq!(account_id(&id.to_string()), Some(id));
        assert_eq!(account_id("ab"), None);
        assert_eq!(account_id(&format!("+{}", "a".repeat(31))), None);
    }
}
