//! What a token is worth now (RFC 7662), and the same as a statement that whoever asked can show to others (RFC 9701).

use serde_json::{Map, Value, json};

use super::client::KnownClient;
use super::revoke::Shown;
use super::session::Sessions;
use super::{Introspected, IssueError, LocalIssuer, audit};
use crate::store::{AccountId, Ending, Session, Store, StoreError};
use crate::token::{Secret, Timestamp};
use crate::verify::{Identity, TokenName, VerifyError};

/// What a token is worth to this client; nothing, for whatever reason, is one answer (RFC 7662 §2.2).
///
/// An access token is for whoever serves resources, so every client that proves which one it is may ask about it. A
/// refresh token is nobody's business but its client's.
pub(super) async fn introspect(
    client: &KnownClient,
    token: &Secret,
    (sessions, store): (&Sessions, &Store),
    issuer: &LocalIssuer,
    now: Timestamp,
) -> Result<Option<Introspected>, IssueError> {
    let found = match Shown::find(token, sessions, issuer).await? {
        Shown::Refresh(session, generation) => {
            let live = session.client == client.name
                && session.generation == generation
                && is_live(&session, now);
            if live {
                Some(refresh(&session, store, issuer).await?)
            } else {
                None
            }
        }
        Shown::Access(identity) if now < identity.expires_at => {
            access(&identity, (sessions, store), issuer).await?
        }
        Shown::Access(_) | Shown::Nothing => None,
    };
    let subject = found.as_ref().map(|found| &*found.subject);
    audit::introspected(&issuer.name, &client.name, subject);
    Ok(found)
}

/// The same, signed for the client that asked (RFC 9701 §5). It names neither a subject nor an end at its top, and is of
/// a type of its own: nobody takes it for an access token (§8.1).
pub(super) fn signed(
    found: Option<&Introspected>,
    client: &KnownClient,
    issuer: &LocalIssuer,
    now: Timestamp,
) -> Result<Secret, IssueError> {
    let statement = json!({
        "iss": issuer.identifier,
        "aud": client.name,
        "iat": now.seconds(),
        "token_introspection": Introspected::members(found),
    });
    let key = issuer.keyring.signing();
    Ok(Secret::new(key.statement(HEADER_TYPE, &statement)?))
}

impl Introspected {
    /// What is told of a token, by the names of RFC 7662 §2.2. One that is worth nothing is told from no other.
    pub fn members(found: Option<&Self>) -> Value {
        let Some(token) = found else {
            return json!({ "active": false });
        };
        let mut members = Map::new();
        let mut say = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                members.insert(name.to_owned(), value);
            }
        };
        let text = |value: &Option<String>| value.as_deref().map(Value::from);
        let time = |moment: Option<Timestamp>| moment.map(|moment| moment.seconds().into());
        let scope = Some(&token.scope).filter(|scope| !scope.is_empty());
        say("active", Some(true.into()));
        say("iss", Some(token.issuer.as_str().into()));
        say("sub", Some(token.subject.as_str().into()));
        say("aud", Some(token.audience.as_str().into()));
        let kind = (!token.is_refresh_token).then(|| "Bearer".into());
        say("token_type", kind);
        say("scope", scope.map(|scope| scope.as_str().into()));
        say("client_id", text(&token.client));
        say("username", text(&token.username));
        say("iat", time(token.issued_at));
        say("exp", time(token.expires_at));
        say("jti", text(&token.token_id));
        Value::Object(members)
    }
}

fn is_live(session: &Session, now: Timestamp) -> bool {
    session.ended.is_none() && now < session.idle_end && now < session.absolute_end
}

async fn access(
    identity: &Identity,
    (sessions, store): (&Sessions, &Store),
    issuer: &LocalIssuer,
) -> Result<Option<Introspected>, IssueError> {
    let Some(subject) = identity.subject.as_deref() else {
        return Ok(None);
    };
    match sessions.revocations().check(identity) {
        Ok(()) => {}
        // Nobody knows: that is no answer either way.
        Err(VerifyError::RevocationsUnknown) => return Err(StoreError::Closed.into()),
        Err(_) => return Ok(None),
    }
    if let Some(id) = identity.token_id() {
        // Whoever asks about it was shown it: its client has it.
        sessions.sightings().note(id);
    }
    let name = identity.token_id().and_then(TokenName::read);
    let session = match name.filter(|_| identity.session().is_some()) {
        Some(name) => store.session(name.session).await?,
        None => None,
    };
    // What another node ended is in the row before it is told here.
    let ended = session.as_ref().and_then(|session| session.ended);
    if ended.is_some_and(|ended| ended.why != Ending::Superseded) {
        return Ok(None);
    }
    let username = match session {
        Some(session) => username(session.account, store).await?,
        None => None,
    };
    Ok(Some(Introspected {
        subject: subject.to_owned(),
        username,
        client: identity.client.as_deref().map(str::to_owned),
        scope: identity.scope.clone(),
        issued_at: identity.own.as_ref().and_then(|own| own.issued_at),
        expires_at: Some(identity.expires_at),
        issuer: issuer.identifier.clone(),
        audience: issuer.audience.clone(),
        token_id: identity.token_id().map(str::to_owned),
        is_refresh_token: false,
    }))
}

async fn refresh(
    session: &Session,
    store: &Store,
    issuer: &LocalIssuer,
) -> Result<Introspected, IssueError> {
    Ok(Introspected {
        subject: session.subject.clone(),
        username: username(session.account, store).await?,
        client: Some(session.client.clone()),
        scope: session.scope.clone(),
        issued_at: Some(session.renewed_at),
        expires_at: Some(session.idle_end.min(session.absolute_end)),
        issuer: issuer.identifier.clone(),
        audience: issuer.identifier.clone(),
        token_id: None,
        is_refresh_token: true,
    })
}

async fn username(account: Option<AccountId>, store: &Store) -> Result<Option<String>, IssueError> {
    let Some(id) = account else { return Ok(None) };
    Ok(store.account(id).await?.map(|account| account.name))
}

/// RFC 9701 §5.
const HEADER_TYPE: &str = "token-introspection+jwt";
