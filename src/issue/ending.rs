//! What the operator ends: sessions, and the tokens of an account, a client or a key.
//!
//! Each is in force in this process when it returns, and in every other one as soon as that has read the store.

use super::revoke::{Shown, revoke_access};
use super::session::verdict;
use super::{IssueError, LocalIssuer, Mint};
use crate::store::{Account, Ending, Revoked, Session, SessionId};
use crate::token::{Secret, Subject, Timestamp};

impl Mint {
    /// The live sessions of a mount, newest first: all, or those of one account. None: no such account.
    pub async fn list_sessions(
        &self,
        account: Option<&str>,
        issuer: &LocalIssuer,
    ) -> Result<Option<Vec<Session>>, IssueError> {
        let id = match account {
            None => None,
            Some(name) => match self.store.account_by_name(&issuer.name, name).await? {
                Some(account) => Some(account.id),
                None => return Ok(None),
            },
        };
        Ok(Some(self.store.sessions(&issuer.name, id).await?))
    }

    /// Ends the session this one belongs to. False: none of this mount was alive.
    pub async fn end_session(
        &self,
        session: SessionId,
        issuer: &LocalIssuer,
        now: Timestamp,
    ) -> Result<bool, IssueError> {
        let found = self.store.session(session).await?;
        match found.filter(|session| *session.realm == *issuer.name) {
            Some(session) => {
                self.sessions
                    .end(session.root, Ending::Revoked, issuer, now)
                    .await
            }
            None => Ok(false),
        }
    }

    /// Ends every session of an account, and takes back every token that speaks for it: it was disabled, or has another
    /// password. Returns how many sessions there were; none: no such account.
    pub async fn end_account(
        &self,
        name: &str,
        issuer: &LocalIssuer,
        now: Timestamp,
    ) -> Result<Option<u64>, IssueError> {
        let Some(account) = self.store.account_by_name(&issuer.name, name).await? else {
            return Ok(None);
        };
        let mut count = 0;
        for account in self.household(account).await? {
            let subject = match issuer.profile.subject {
                Subject::Id => account.id.to_string(),
                Subject::Name => account.name,
            };
            let whose = (account.id, &*subject);
            let ended = self
                .sessions
                .end_all_of(whose, Ending::Account, issuer, now);
            count += ended.await?;
        }
        Ok(Some(count))
    }

    /// An account and its members: what they have, they have by its secret.
    async fn household(&self, account: Account) -> Result<Vec<Account>, IssueError> {
        let mut all = self.store.accounts(&account.realm).await?;
        all.retain(|other| other.owner == Some(account.id));
        all.push(account);
        Ok(all)
    }

    /// Ends every session that was opened for a client at this mount, and takes back every token it was given here.
    /// Returns how many sessions there were.
    pub async fn end_client(
        &self,
        client: &str,
        issuer: &LocalIssuer,
        now: Timestamp,
    ) -> Result<u64, IssueError> {
        self.sessions.end_all_for(client, issuer, now).await
    }

    /// Takes back every token that this key signed so far. The key itself goes by other means.
    pub async fn revoke_key(
        &self,
        kid: &str,
        issuer: &LocalIssuer,
        now: Timestamp,
    ) -> Result<(), IssueError> {
        let verdict = verdict(Revoked::Key(kid.to_owned()), issuer, now);
        self.sessions.revoke(verdict).await
    }

    /// Takes back the token of this `jti`, and no other.
    pub async fn revoke_id(
        &self,
        token_id: &str,
        issuer: &LocalIssuer,
        now: Timestamp,
    ) -> Result<(), IssueError> {
        let verdict = verdict(Revoked::Token(token_id.to_owned()), issuer, now);
        self.sessions.revoke(verdict).await
    }

    /// Takes a token back, of either kind, with the session it belongs to. False: it is none of ours.
    pub async fn revoke_token(
        &self,
        token: &Secret,
        issuer: &LocalIssuer,
        now: Timestamp,
    ) -> Result<bool, IssueError> {
        match Shown::find(token, &self.sessions, issuer).await? {
            Shown::Nothing => return Ok(false),
            Shown::Refresh(session, _) => {
                self.sessions
                    .end(session.root, Ending::Revoked, issuer, now)
                    .await?;
            }
            Shown::Access(identity) => {
                let kept = (&self.sessions, &self.store);
                revoke_access(&identity, kept, issuer, now).await?;
            }
        }
        Ok(true)
    }
}
