//! Sessions: one row per login, from which every token of it is derived.
//!
//! A session counts its generations. Each renewal spends one and begins the next, in one conditional statement, so that
//! of all who come with the same refresh token one wins; what the others hear is for the windows of the profile to say.
//! No refresh token is kept: the one of a generation is computed from the master key, the session and the salt in its
//! row, and can be computed again as long as the windows allow it to be sent again.

use std::time::Duration;

use super::audit::{self, Who};
use super::grant::{RotatingRefresh, Spent};
use super::sign::{Bearer, sign_for_session};
use super::{IssueError, Issued, LocalIssuer, MasterKey, random};
use crate::store::{
    Account, AccountId, Ended, Ending, Revocation, Revoked, Session, SessionId, Status, Store,
    Turn, Whose,
};
use crate::token::{KeyError, Renewal, Rotation, Scope, Secret, Subject, Timestamp};
use crate::verify::{Revocations, Sightings, TokenName};

/// Opens, renews and ends sessions. A clone does the same.
#[derive(Clone, Debug)]
pub struct Sessions {
    store: Store,
    refresh: RotatingRefresh,
    revocations: Revocations,
    sightings: Sightings,
}

/// A session to be opened.
#[derive(Clone, Debug)]
pub struct Opening<'a> {
    /// Whose login it is; none if the client's own.
    pub account: Option<&'a Account>,
    /// The client it is opened for.
    pub client: &'a str,
    /// The most its tokens may do.
    pub scope: Scope,
    /// The root of the session it continues.
    pub continues: Option<SessionId>,
    /// On what ground, in the words of the audit log.
    pub grant: &'static str,
}

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
    pub(super) fn new(store: Store, master: &MasterKey) -> Result<Self, KeyError> {
        Ok(Self {
            store,
            refresh: RotatingRefresh::new(master)?,
            revocations: Revocations::default(),
            sightings: Sightings::default(),
        })
    }

    pub(super) const fn revocations(&self) -> &Revocations {
        &self.revocations
    }

    pub(super) const fn sightings(&self) -> &Sightings {
        &self.sightings
    }
}

/// How sessions begin.
impl Sessions {
    /// The row of a session that begins now. Nothing is kept yet.
    pub fn plan(
        &self,
        opening: &Opening<'_>,
        issuer: &LocalIssuer,
        now: Timestamp,
    ) -> Result<Session, IssueError> {
        let id = SessionId::from_bytes(random::bytes()?);
        let (idle_end, absolute_end) = ends(issuer, now);
        let subject = match (opening.account, issuer.profile.subject) {
            (None, _) => opening.client.to_owned(),
            (Some(account), Subject::Id) => account.id.to_string(),
            (Some(account), Subject::Name) => account.name.clone(),
        };
        let mut session = Session {
            id,
            root: opening.continues.unwrap_or(id),
            realm: issuer.name.to_string(),
            account: opening.account.map(|account| account.id),
            subject,
            client: opening.client.to_owned(),
            scope: opening.scope.clone(),
            salt: random::bytes()?,
            generation: 0,
            seen: 0,
            renewed_at: now,
            idle_end,
            absolute_end,
            digest: None,
            exclusive: false,
            created_at: now,
            ended: None,
        };
        if let Some(rotation) = rotation(issuer) {
            session.exclusive = rotation.exclusive;
            session.digest = self.refresh.digest(&session, rotation.form);
        }
        Ok(session)
    }

    /// The tokens of a session's generation. The row must be kept already, as it is here.
    pub fn issue(
        &self,
        session: &Session,
        issuer: &LocalIssuer,
        now: Timestamp,
    ) -> Result<Issued, IssueError> {
        self.tokens(session, session.scope.clone(), issuer, now)
    }

    /// Opens a session, and returns its first tokens.
    pub async fn open(
        &self,
        opening: &Opening<'_>,
        issuer: &LocalIssuer,
        now: Timestamp,
    ) -> Result<Issued, IssueError> {
        let session = self.plan(opening, issuer, now)?;
        self.store.add_session(session.clone()).await?;
        self.is_still_theirs(&session, opening.account, issuer, now)
            .await?;
        audit::session_opened(&session, opening.grant);
        self.issue(&session, issuer, now)
    }

    /// Whoever proved a password that was changed, or an account that was disabled, between the proof and the keeping of
    /// the session is too late: the change has ended the sessions it found, and this was not among them.
    async fn is_still_theirs(
        &self,
        session: &Session,
        proven: Option<&Account>,
        issuer: &LocalIssuer,
        now: Timestamp,
    ) -> Result<(), IssueError> {
        let Some(proven) = proven else { return Ok(()) };
        let same = self.store.account(proven.id).await?.filter(|account| {
            account.status == Status::Active && account.generation == proven.generation
        });
        if same.is_none() {
            self.end(session.root, Ending::Account, issuer, now).await?;
            return Err(IssueError::InvalidCredentials);
        }
        Ok(())
    }

    fn tokens(
        &self,
        session: &Session,
        scope: Scope,
        issuer: &LocalIssuer,
        now: Timestamp,
    ) -> Result<Issued, IssueError> {
        let name = TokenName {
            session: session.id,
            generation: session.generation,
        };
        let bearer = Bearer {
            subject: &session.subject,
            client: Some(&session.client),
            scope,
        };
        let whose = (&*session.subject, Some(&*session.client));
        let issued = self.revocations.issued_at(&issuer.name, whose, now);
        let signed = sign_for_session(&bearer, (session.root, name), issuer, issued)?;
        audit::token_issued(
            &issuer.name,
            "session",
            &Who::Session(session.root),
            signed.id.as_deref(),
            &bearer.scope,
        );
        let refresh = rotation(issuer).map(|rotation| {
            let left = session.idle_end.min(session.absolute_end).since(now);
            (self.refresh.token(session, rotation.form), left)
        });
        let (refresh_token, refresh_expires_in) = refresh.unzip();
        Ok(Issued {
            access_token: signed.token,
            expires_in: signed.expires_in,
            refresh_token,
            refresh_expires_in,
            session: Some(session.root.to_string()),
            scope: bearer.scope,
            scope_as_asked: true,
        })
    }
}

/// How sessions go on.
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
        next.digest = self.refresh.digest(&next, rotation.form);
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

/// How sessions end.
impl Sessions {
    /// Ends a session and all that continue it: no token of theirs is worth anything when this returns. False: there was
    /// none alive.
    pub async fn end(
        &self,
        root: SessionId,
        why: Ending,
        issuer: &LocalIssuer,
        now: Timestamp,
    ) -> Result<bool, IssueError> {
        let verdict = verdict(Revoked::Session(root), issuer, now);
        let ended = Ended { at: now, why };
        let was_alive = self
            .store
            .end_session(root, ended, Some(verdict.clone()))
            .await?;
        if !was_alive
            && !self
                .revocations
                .has_session(&issuer.name, &root.to_string())
        {
            // One that was superseded has access tokens that live.
            self.store.revoke(verdict.clone()).await?;
        }
        self.revocations.add(&verdict);
        if was_alive {
            audit::session_ended(&issuer.name, root, why);
        }
        Ok(was_alive)
    }

    /// Ends all sessions of an account, and takes back every token that speaks for it. Returns how many there were.
    pub async fn end_all_of(
        &self,
        (account, subject): (AccountId, &str),
        why: Ending,
        issuer: &LocalIssuer,
        now: Timestamp,
    ) -> Result<u64, IssueError> {
        let verdict = verdict(Revoked::Subject(subject.to_owned()), issuer, now);
        self.end_those(Whose::Account(account), why, &verdict).await
    }

    /// Ends all sessions that were opened for a client at this mount, and takes back every token it was given here.
    pub async fn end_all_for(
        &self,
        client: &str,
        issuer: &LocalIssuer,
        now: Timestamp,
    ) -> Result<u64, IssueError> {
        let verdict = verdict(Revoked::Client(client.to_owned()), issuer, now);
        self.end_those(Whose::Client(client), Ending::Revoked, &verdict)
            .await
    }

    /// Takes back what is named, which is no session.
    pub(super) async fn revoke(&self, verdict: Revocation) -> Result<(), IssueError> {
        self.store.revoke(verdict.clone()).await?;
        self.revocations.add(&verdict);
        audit::revoked(&verdict);
        Ok(())
    }

    async fn end_those(
        &self,
        whose: Whose<'_>,
        why: Ending,
        verdict: &Revocation,
    ) -> Result<u64, IssueError> {
        let ended = Ended {
            at: verdict.at,
            why,
        };
        let count = self
            .store
            .end_sessions(&verdict.realm, whose, ended, Some(verdict.clone()))
            .await?;
        self.revocations.add(verdict);
        audit::revoked(verdict);
        Ok(count)
    }
}

/// A verdict that holds until the last access token issued before it is dead.
pub(super) fn verdict(of: Revoked, issuer: &LocalIssuer, now: Timestamp) -> Revocation {
    Revocation {
        realm: issuer.name.to_string(),
        of,
        at: now,
        // A token may be dated up to a second ahead.
        until: now.plus(issuer.profile.access_lifetime + Duration::from_secs(1)),
    }
}

const fn rotation(issuer: &LocalIssuer) -> Option<Rotation> {
    match issuer.profile.renewal {
        Renewal::Rotating(rotation) => Some(rotation),
        Renewal::Never | Renewal::Standing => None,
    }
}

/// Until when a session that begins now can be renewed, unused and at all. One that cannot be renewed lives as long as
/// its only access token.
fn ends(issuer: &LocalIssuer, now: Timestamp) -> (Timestamp, Timestamp) {
    let Some(rotation) = rotation(issuer) else {
        let end = now.plus(issuer.profile.access_lifetime);
        return (end, end);
    };
    let absolute = rotation
        .absolute
        .map_or(Timestamp::from_millis(i64::MAX), |span| now.plus(span));
    (now.plus(rotation.idle).min(absolute), absolute)
}

/// What an access token may do if its session may do `granted` (RFC 6749 §6). The session keeps all of it.
fn narrowed(granted: &Scope, asked: Option<&Scope>) -> Result<Scope, IssueError> {
    match asked.filter(|scope| !scope.is_empty()) {
        None => Ok(granted.clone()),
        Some(asked) if granted.covers(asked) => Ok(asked.clone()),
        Some(_) => Err(IssueError::InvalidScope),
    }
}
