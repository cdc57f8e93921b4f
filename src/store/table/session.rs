//! The table of sessions.

use crate::store::fields::{Fields, Row};
use crate::store::statement::{Connection, Statement};
use crate::store::table::revocation;
use crate::store::{
    AccountId, Ended, Ending, Revocation, Session, SessionId, Store, StoreError, Turn, Whose,
};
use crate::token::Digest;

/// Sessions.
impl Store {
    /// Opens a session. If it is exclusive, the live session of the same realm, client and account ends with it.
    pub async fn add_session(&self, session: Session) -> Result<(), StoreError> {
        if !session.exclusive {
            return self.touch(adding(session)).await.map(|_| ());
        }
        self.transact(|mut connection| {
            Box::pin(async move { open(session, &mut connection).await })
        })
        .await
    }

    /// The session with this identity, ended or not.
    pub async fn session(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        let row = self.ask_one(Statement::new(SESSION).bind(id)).await?;
        row.map(|row| read(&row)).transpose()
    }

    /// The sessions whose names start with these 64 bits: one or none, unless chance has it otherwise.
    pub async fn sessions_that_start(&self, start: u64) -> Result<Vec<Session>, StoreError> {
        let (least, most) = SessionId::that_start(start);
        let question = Statement::new(SESSIONS_THAT_START).bind(least).bind(most);
        let rows = self.ask(question).await?;
        rows.iter().map(read).collect()
    }

    /// The session whose live refresh token this is. A spent token finds nothing.
    pub async fn session_by_digest(
        &self,
        realm: &str,
        digest: Digest,
    ) -> Result<Option<Session>, StoreError> {
        let question = Statement::new(SESSION_BY_DIGEST).bind(realm).bind(digest);
        let row = self.ask_one(question).await?;
        row.map(|row| read(&row)).transpose()
    }

    /// The sessions of a realm, or of one account in it, that have not been ended, the newest first, at most 1,000.
    pub async fn sessions(
        &self,
        realm: &str,
        account: Option<AccountId>,
    ) -> Result<Vec<Session>, StoreError> {
        let question = match account {
            Some(account) => Statement::new(SESSIONS_OF).bind(realm).bind(account),
            None => Statement::new(SESSIONS).bind(realm),
        };
        let rows = self.ask(question).await?;
        rows.iter().map(read).collect()
    }

    /// Renews a session. False: somebody was faster, or it is over.
    pub async fn rotate_session(&self, turn: Turn) -> Result<bool, StoreError> {
        let turning = Statement::new(ROTATE)
            .bind(turn.id)
            .bind(turn.from)
            .bind(turn.now)
            .bind(turn.idle_end)
            .bind(turn.digest);
        self.touch(turning).await
    }

    /// Remembers that tokens of these generations have been seen in use.
    pub async fn note_seen(&self, seen: Vec<(SessionId, u32)>) -> Result<(), StoreError> {
        self.transact(|mut connection| {
            Box::pin(async move {
                for (id, generation) in seen {
                    let noting = Statement::new(NOTE_SEEN).bind(id).bind(generation);
                    noting.execute(&mut connection).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// Ends a session and all that continue it, and speaks the verdict on their tokens in the same breath. One that was
    /// only superseded has tokens that live, so it is ended, too. False: there was none, and nothing was spoken.
    pub async fn end_session(
        &self,
        root: SessionId,
        ended: Ended,
        verdict: Option<Revocation>,
    ) -> Result<bool, StoreError> {
        let ending = Statement::new(END)
            .bind(root)
            .bind(ended.at)
            .bind(ended.why.word());
        self.transact(|mut connection| {
            Box::pin(async move {
                let any = ending.execute(&mut connection).await? > 0;
                if let (true, Some(verdict)) = (any, verdict) {
                    revocation::speak(verdict, &mut connection).await?;
                }
                Ok(any)
            })
        })
        .await
    }

    /// Ends all sessions of an account or a client, speaks the verdict on their tokens in the same breath, whether or
    /// not there were any, and says how many there were.
    pub async fn end_sessions(
        &self,
        realm: &str,
        whose: Whose<'_>,
        ended: Ended,
        verdict: Option<Revocation>,
    ) -> Result<u64, StoreError> {
        let ending = match whose {
            Whose::Account(account) => Statement::new(END_OF_ACCOUNT).bind(realm).bind(account),
            Whose::Client(client) => Statement::new(END_OF_CLIENT).bind(realm).bind(client),
        };
        let ending = ending.bind(ended.at).bind(ended.why.word());
        self.transact(|mut connection| {
            Box::pin(async move {
                let count = ending.execute(&mut connection).await?;
                if let Some(verdict) = verdict {
                    revocation::speak(verdict, &mut connection).await?;
                }
                Ok(count)
            })
        })
        .await
    }
}

/// Opens a session inside a transaction.
pub(super) async fn open(
    session: Session,
    connection: &mut Connection<'_>,
) -> Result<(), StoreError> {
    if let (true, Some(account)) = (session.exclusive, session.account) {
        // Two that are opened at once must not both find nothing to end.
        let line = format!("{} {} {account}", session.realm, session.client);
        connection.take_turn(&line).await?;
        let superseding = Statement::new(SUPERSEDE)
            .bind(&*session.realm)
            .bind(&*session.client)
            .bind(account)
            .bind(session.created_at)
            .bind(Ending::Superseded.word());
        superseding.execute(connection).await?;
    }
    adding(session).execute(connection).await?;
    Ok(())
}

fn adding(session: Session) -> Statement {
    let root = (session.root != session.id).then_some(session.root);
    let due = session.idle_end.min(session.absolute_end);
    let due = session.ended.map_or(due, |ended| ended.at.min(due));
    Statement::new(ADD_SESSION)
        .bind(session.id)
        .bind(root)
        .bind(session.realm)
        .bind(session.account)
        .bind(session.subject)
        .bind(session.client)
        .bind(&session.scope)
        .bind(session.salt)
        .bind(session.generation)
        .bind(session.seen)
        .bind(session.renewed_at)
        .bind(session.idle_end)
        .bind(session.absolute_end)
        .bind(session.digest)
        .bind(session.exclusive)
        .bind(session.created_at)
        .bind(session.ended.map(|ended| ended.at))
        .bind(session.ended.map(|ended| ended.why.word().to_owned()))
        .bind(due)
}

fn read(row: &Row) -> Result<Session, StoreError> {
    let row = row.of("session");
    let id = SessionId::from_bytes(row.array("id")?);
    let root = row.maybe_array("root")?.map(SessionId::from_bytes);
    Ok(Session {
        id,
        root: root.unwrap_or(id),
        realm: row.text("realm")?,
        account: row.maybe_array("account")?.map(AccountId::from_bytes),
        subject: row.text("subject")?,
        client: row.text("client")?,
        scope: row.scope("scope")?,
        salt: row.array("salt")?,
        generation: row.small("generation")?,
        seen: row.small("seen")?,
        renewed_at: row.time("renewed_at")?,
        idle_end: row.time("idle_end")?,
        absolute_end: row.time("absolute_end")?,
        digest: row.maybe_array("digest")?.map(Digest::from_bytes),
        exclusive: row.truth("exclusive")?,
        created_at: row.time("created_at")?,
        ended: ended(row)?,
    })
}

fn ended(row: Fields<'_>) -> Result<Option<Ended>, StoreError> {
    let Some(at) = row.maybe_time("ended_at")? else {
        return Ok(None);
    };
    let why = row.word("ending", Ending::from_word)?;
    Ok(Some(Ended { at, why }))
}

const ADD_SESSION: &str = "\
    INSERT INTO session (id, root, realm, account, subject, client, scope, salt, generation, seen, renewed_at, \
    idle_end, absolute_end, digest, exclusive, created_at, ended_at, ending, due) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)";
const SUPERSEDE: &str = "\
    UPDATE session SET ended_at = $4, ending = $5, digest = NULL, due = $4 \
    WHERE realm = $1 AND client = $2 AND account = $3 AND exclusive = 1 AND ended_at IS NULL";
const SESSION: &str = "\
    SELECT id, root, realm, account, subject, client, scope, salt, generation, seen, renewed_at, idle_end, \
    absolute_end, digest, exclusive, created_at, ended_at, ending FROM session WHERE id = $1";
const SESSION_BY_DIGEST: &str = "\
    SELECT id, root, realm, account, subject, client, scope, salt, generation, seen, renewed_at, idle_end, \
    absolute_end, digest, exclusive, created_at, ended_at, ending FROM session \
    WHERE realm = $1 AND digest = $2 AND ended_at IS NULL";
const SESSIONS_THAT_START: &str = "\
    SELECT id, root, realm, account, subject, client, scope, salt, generation, seen, renewed_at, idle_end, \
    absolute_end, digest, exclusive, created_at, ended_at, ending FROM session \
    WHERE id >= $1 AND id <= $2 ORDER BY id LIMIT 10";
const SESSIONS: &str = "\
    SELECT id, root, realm, account, subject, client, scope, salt, generation, seen, renewed_at, idle_end, \
    absolute_end, digest, exclusive, created_at, ended_at, ending FROM session \
    WHERE realm = $1 AND ended_at IS NULL ORDER BY created_at DESC, id LIMIT 1000";
const SESSIONS_OF: &str = "\
    SELECT id, root, realm, account, subject, client, scope, salt, generation, seen, renewed_at, idle_end, \
    absolute_end, digest, exclusive, created_at, ended_at, ending FROM session \
    WHERE realm = $1 AND account = $2 AND ended_at IS NULL ORDER BY created_at DESC, id LIMIT 1000";
const ROTATE: &str = "\
    UPDATE session SET generation = generation + 1, renewed_at = $3, idle_end = $4, digest = $5 \
    WHERE id = $1 AND generation = $2 AND ended_at IS NULL AND absolute_end > $3 AND idle_end > $3";
const NOTE_SEEN: &str = "UPDATE session SET seen = $2 WHERE id = $1 AND seen < $2";
const END: &str = "\
    UPDATE session SET ended_at = $2, ending = $3, digest = NULL, due = $2 \
    WHERE (id = $1 OR root = $1) AND (ended_at IS NULL OR (ending = 'superseded' AND ending <> $3))";
const END_OF_ACCOUNT: &str = "\
    UPDATE session SET ended_at = $3, ending = $4, digest = NULL, due = $3 \
    WHERE realm = $1 AND account = $2 AND ended_at IS NULL";
const END_OF_CLIENT: &str = "\
    UPDATE session SET ended_at = $3, ending = $4, digest = NULL, due = $3 \
    WHERE realm = $1 AND client = $2 AND ended_at IS NULL";

pub(super) const STATEMENTS: &[&str] = &[
    ADD_SESSION,
    SUPERSEDE,
    SESSION,
    SESSION_BY_DIGEST,
    SESSIONS_THAT_START,
    SESSIONS,
    SESSIONS_OF,
    ROTATE,
    NOTE_SEEN,
    END,
    END_OF_ACCOUNT,
    END_OF_CLIENT,
];
