//! Taking a token back at the word of its client (RFC 7009).

use super::client::KnownClient;
use super::session::{Sessions, verdict};
use super::{IssueError, LocalIssuer, audit};
use crate::store::{Ending, Revocation, Revoked, Session, Store};
use crate::token::{Secret, Timestamp};
use crate::verify::{Identity, Local, TokenName};

/// What a token that a client showed turned out to be.
#[derive(Debug)]
pub(super) enum Shown {
    /// A refresh token, live or spent, of this session.
    Refresh(Box<Session>, u32),
    /// An access token that we signed; it may be dead.
    Access(Box<Identity>),
    /// Nothing of ours.
    Nothing,
}

impl Shown {
    /// Finds out what a token is. Both kinds are tried whatever the client thinks it is (RFC 7009 §2.1).
    pub(super) async fn find(
        token: &Secret,
        sessions: &Sessions,
        issuer: &LocalIssuer,
    ) -> Result<Self, IssueError> {
        match sessions.find(token, issuer).await {
            Ok((session, generation)) => Ok(Self::Refresh(Box::new(session), generation)),
            Err(IssueError::InvalidGrant) => Ok(ours(issuer)
                .read(token.reveal(), None)
                .map_or(Self::Nothing, |identity| Self::Access(Box::new(identity)))),
            Err(error) => Err(error),
        }
    }
}

/// Takes a token back, with the session it belongs to. What is nobody's, or somebody else's, is left alone, and nobody
/// is told which of the two it was.
pub(super) async fn revoke(
    client: &KnownClient,
    token: &Secret,
    (sessions, store): (&Sessions, &Store),
    issuer: &LocalIssuer,
    now: Timestamp,
) -> Result<(), IssueError> {
    match Shown::find(token, sessions, issuer).await? {
        Shown::Nothing => Ok(()),
        Shown::Refresh(session, _) => {
            if session.client == client.name {
                sessions
                    .end(session.root, Ending::Revoked, issuer, now)
                    .await?;
            } else {
                audit::session_refused(&session, "shown for revocation by another client");
            }
            Ok(())
        }
        Shown::Access(identity) => {
            if identity.client.as_deref() == Some(&*client.name) {
                revoke_access(&identity, (sessions, store), issuer, now).await
            } else {
                audit::not_theirs_to_revoke(&issuer.name, &client.name);
                Ok(())
            }
        }
    }
}

/// Takes an access token back: with its session, if it has one.
pub(super) async fn revoke_access(
    identity: &Identity,
    (sessions, store): (&Sessions, &Store),
    issuer: &LocalIssuer,
    now: Timestamp,
) -> Result<(), IssueError> {
    let id = identity.token_id().ok_or(IssueError::NotOffered)?;
    let session = match TokenName::read(id).filter(|_| identity.session().is_some()) {
        Some(name) => store.session(name.session).await?,
        None => None,
    };
    match session {
        Some(session) => {
            // Also when the token itself is dead: it still says which session is meant.
            sessions
                .end(session.root, Ending::Revoked, issuer, now)
                .await?;
        }
        None if now < identity.expires_at => {
            let verdict = Revocation {
                until: identity.expires_at,
                ..verdict(Revoked::Token(id.to_owned()), issuer, now)
            };
            sessions.revoke(verdict).await?;
        }
        None => {}
    }
    Ok(())
}

/// What verifying a token of this issuer takes.
pub(super) fn ours(issuer: &LocalIssuer) -> Local {
    Local {
        name: issuer.name.clone(),
        identifier: issuer.identifier.clone(),
        audience: issuer.audience.clone(),
        profile: issuer.profile.clone(),
        keyring: issuer.keyring.clone(),
    }
}
