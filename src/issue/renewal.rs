//! How sessions go on: a refresh token is spent, and the next one begins (RFC 6749 §6, RFC 9700 §4.14.2).

use super::grant::Spent;
use super::session::{Sessions, rotation};
use super::{IssueError, Issued, LocalIssuer, audit};
use crate::store::{Ending, Session, Status, Turn};
use crate::token::{Rotation, Scope, Secret, Timestamp};

/// A refresh token, and who brought it.
#[derive(Clone, Debug)]
pub(super) struct Renewing<'a> {
    /// The refresh token.
    pub(super) refresh_token: &'a Secret,
    /// The program that brought it.
    pub(super) program: &'a str,
    /// Whether that is only what it calls itself.
    pub(super) is_public: bool,
    /// What the new access token is to permit; nothing said means all the session may.
    pub(super) scope: Option<Scope>,
}

impl Sessions {
    /// The session of a refresh token, and the generation it was given for: not necessarily the live one, nor is the
    /// session necessarily alive.
    pub async fn find(
        &self,
        refresh_token: &Secret,
        issuer: &LocalIssuer,
    ) -> Result<(Session, u32), IssueError> {
        let rotation = rotation(issuer).ok_or(IssueError::InvalidGrant)?;
        self.refresh
            .find(&self.store, &issuer.name, refresh_token, rotation.form)
            .await
    }

    /// New tokens for a refresh token, which is spent by this.
    pub(super) async fn renew(
        &self,
        renewing: &Renewing<'_>,
        issuer: &LocalIssuer,
        now: Timestamp,
    ) -> Result<Issued, IssueError> {
        let rotation = rotation(issuer).ok_or(IssueError::InvalidGrant)?;
        let (session, presented) = self.find(renewing.refresh_token, issuer).await?;
        if session.client != renewing.program {
            audit::session_refused(&session, "brought by another client");
            return Err(IssueError::InvalidGrant);
        }
        self.is_alive(&session, now).await?;
        let scope = narrowed(&session.scope, renewing.scope.as_ref())?;
        let mut session = session;
        if presented == session.generation {
            if let Some(next) = self.turn(&session, &rotation, now).await? {
                return self.tokens(&next, scope, issuer, now);
            }
            // Somebody was faster, or ended it.
            session = match self.store.session(session.id).await? {
                Some(session) if session.ended.is_none() => session,
                _ => return Err(IssueError::InvalidGrant),
            };
        }
        let seen = session.seen.max(self.sightings.newest(session.id));
        match Spent::judge(&session, presented, seen, &rotation, now) {
            Spent::Race => {
                audit::session_answered_again(&session, "race");
                self.same_again(&session, scope, issuer, now)
            }
            Spent::LostAnswer => {
                audit::session_answered_again(&session, "lost answer");
                self.tokens(&session, scope, issuer, now)
            }
            Spent::Ahead => {
                audit::session_refused(&session, "of a generation yet to come");
                Err(IssueError::InvalidGrant)
            }
            Spent::Replay => {
                let ends = rotation.on_replay.ends(renewing.is_public);
                audit::session_replayed(&session, presented, ends);
                if ends {
                    self.end(session.root, Ending::Replayed, issuer, now)
                        .await?;
                }
                Err(IssueError::InvalidGrant)
            }
        }
    }

    /// The answer that somebody else has just got for the same refresh token, for what is left of its time.
    fn same_again(
        &self,
        session: &Session,
        scope: Scope,
        issuer: &LocalIssuer,
        now: Timestamp,
    ) -> Result<Issued, IssueError> {
        let age = now.since(session.renewed_at);
        let then = self.tokens(session, scope.clone(), issuer, session.renewed_at)?;
        let left = then.expires_in.saturating_sub(age);
        if left.is_zero() {
            return self.tokens(session, scope, issuer, now);
        }
        Ok(Issued {
            expires_in: left,
            refresh_expires_in: then.refresh_expires_in.map(|span| span.saturating_sub(age)),
            ..then
        })
    }

    /// Spends the session's generation, and returns the session as it is from now on; none if somebody else did.
    async fn turn(
        &self,
        session: &Session,
        rotation: &Rotation,
        now: Timestamp,
    ) -> Result<Option<Session>, IssueError> {
        let mut next = Session {
            generation: session
                .generation
                .checked_add(1)
                .ok_or(IssueError::InvalidGrant)?,
            renewed_at: now,
            idle_end: now.plus(rotation.idle).min(session.absolute_end),
            ..session.clone()
        };
        next.digest = self.refresh.digest(&next, rotation.form)?;
        let turn = Turn {
            id: session.id,
            from: session.generation,
            now,
            idle_end: next.idle_end,
            digest: next.digest,
        };
        let won = self.store.rotate_session(turn).await?;
        Ok(won.then_some(next))
    }

    async fn is_alive(&self, session: &Session, now: Timestamp) -> Result<(), IssueError> {
        let over =
            session.ended.is_some() || session.idle_end <= now || session.absolute_end <= now;
        if over {
            return Err(IssueError::InvalidGrant);
        }
        let Some(id) = session.account else {
            return Ok(());
        };
        let account = self.store.account(id).await?;
        account
            .filter(|account| account.status == Status::Active && !account.must_reset)
            .map(drop)
            .ok_or(IssueError::InvalidGrant)
    }
}

/// What an access token may do if its session may do `granted` (RFC 6749 §6). The session keeps all of it.
fn narrowed(granted: &Scope, asked: Option<&Scope>) -> Result<Scope, IssueError> {
    match asked.filter(|scope| !scope.is_empty()) {
        None => Ok(granted.clone()),
        Some(asked) if granted.covers(asked) => Ok(asked.clone()),
        Some(_) => Err(IssueError::InvalidScope),
    }
}
