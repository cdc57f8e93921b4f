//! Who got what, who was refused, and what was changed: the audit log, a stream of its own that is never sampled.
//!
//! Its target is `tollgate::audit`, each line has an `event`. No line holds a secret: a key or a token that nobody
//! could be found for is named by its digest.
//!
//! An event is named for what was done and how it ended (`token.issued`, `ask.refused`), so there are no fields `action`
//! and `outcome` beside it. `remote` is the address of whoever asked, in every line that is written while they are
//! answered; what the operator does, and what is done in its own time, has none.

use std::future::Future;
use std::net::IpAddr;

use tracing::field::{DisplayValue, display};

use super::IssueError;
use crate::observe::AUDIT;
use crate::store::{Ending, Revocation, Revoked, Session, SessionId};
use crate::token::{Algorithm, Digest, Scope};

/// Writes one line. First the level, and what happened.
macro_rules! tell {
    ($level:ident, $event:literal, $($rest:tt)+) => {
        tracing::$level!(target: AUDIT, event = $event, remote = remote(), $($rest)+)
    };
}

tokio::task_local! {
    /// Where the ask came from that is being answered. It stands beside the calls and not in them, because it is of no
    /// use to any of those on the way, and must not be.
    static REMOTE: Option<IpAddr>;
}

/// Does `work`, and names `address` in whatever the audit log says of it.
pub(crate) async fn heard_from<T>(address: Option<IpAddr>, work: impl Future<Output = T>) -> T {
    REMOTE.scope(address, work).await
}

fn remote() -> Option<DisplayValue<IpAddr>> {
    REMOTE
        .try_with(|address| *address)
        .ok()
        .flatten()
        .map(display)
}

/// Who is asking, as the audit log names them.
#[derive(Clone, Debug)]
pub(super) enum Who {
    /// A program, by the identifier it gave.
    Client(String),
    /// A person, by the name they gave.
    Name(String),
    /// Somebody with a key or a token that may be anybody's.
    Bearer(Digest),
    /// Whoever holds the tokens of a session.
    Session(SessionId),
}

impl Who {
    fn words(&self) -> String {
        match self {
            Self::Client(text) | Self::Name(text) => short(text),
            Self::Bearer(digest) => digest.fingerprint().to_string(),
            Self::Session(id) => id.to_string(),
        }
    }

    const fn kind(&self) -> &'static str {
        match self {
            Self::Client(_) => "client",
            Self::Name(_) => "account",
            Self::Bearer(_) => "digest",
            Self::Session(_) => "session",
        }
    }
}

pub(super) fn token_issued(
    mount: &str,
    grant: &str,
    who: &Who,
    token_id: Option<&str>,
    scope: &Scope,
) {
    tell!(
        info,
        "token.issued",
        mount,
        grant,
        actor = who.words(),
        actor.kind = who.kind(),
        token.id = token_id,
        scope = scope.as_str(),
        "token issued"
    );
}

pub(super) fn refused(mount: &str, asked: &str, who: &Who, reason: &IssueError) {
    let cause = std::error::Error::source(reason).map(ToString::to_string);
    tell!(
        info,
        "ask.refused",
        mount,
        asked,
        actor = who.words(),
        actor.kind = who.kind(),
        reason = reason.code(),
        cause,
        "refused"
    );
}

/// Something was asked that could not be understood, or was not even looked at, as `reason` says.
pub(super) fn declined(mount: &str, asked: &str, reason: &str) {
    tell!(info, "ask.refused", mount, asked, reason, "refused");
}

/// A code for the session of a token was given to the page of its client.
pub(super) fn handoff_begun(mount: &str, client: &str, subject: &str, session: &str) {
    let client = short(client);
    tell!(
        info,
        "handoff.begun",
        mount,
        client,
        subject,
        session,
        "handoff begun"
    );
}

pub(super) fn handoff_redeemed(mount: &str, client: &str, subject: &str, session: &str) {
    let client = short(client);
    tell!(
        info,
        "handoff.redeemed",
        mount,
        client,
        subject,
        session,
        "handoff redeemed"
    );
}

pub(super) fn session_opened(session: &Session, grant: &str) {
    tell!(info, "session.opened", mount = session.realm,
        grant,
        session = %session.id,
        root = %session.root,
        subject = session.subject,
        client = short(&session.client),
        scope = session.scope.as_str(),
        "session opened"
    );
}

/// A spent refresh token was answered with the successor that had been given for it before.
pub(super) fn session_answered_again(session: &Session, window: &str) {
    tell!(info, "session.answered_again", mount = session.realm,
        session = %session.id,
        client = short(&session.client),
        generation = session.generation,
        window,
        "the same successor given again"
    );
}

pub(super) fn session_replayed(session: &Session, presented: u32, ends: bool) {
    tell!(warn, "session.replayed", mount = session.realm,
        session = %session.id,
        subject = session.subject,
        client = short(&session.client),
        generation = session.generation,
        presented,
        session_ends = ends,
        "a spent refresh token came back"
    );
}

pub(super) fn session_refused(session: &Session, reason: &str) {
    tell!(warn, "session.refused", mount = session.realm,
        session = %session.id,
        subject = session.subject,
        client = short(&session.client),
        reason,
        "a token of this session refused"
    );
}

pub(super) fn session_ended(mount: &str, root: SessionId, why: Ending) {
    let reason = match why {
        Ending::Revoked => "revoked",
        Ending::Replayed => "replayed",
        Ending::Superseded => "superseded",
        Ending::Account => "account",
    };
    tell!(info, "session.ended", mount, session = %root, reason, "session ended");
}

pub(super) fn not_theirs_to_revoke(mount: &str, client: &str) {
    tell!(
        warn,
        "token.not_revoked",
        mount,
        client = short(client),
        "a token of another client was left alone"
    );
}

/// Tokens were taken back that are not those of one session.
pub(super) fn revoked(verdict: &Revocation) {
    let (kind, name) = match &verdict.of {
        Revoked::Session(id) => ("session", id.to_string()),
        Revoked::Subject(name) => ("subject", name.clone()),
        Revoked::Client(name) => ("client", name.clone()),
        Revoked::Key(kid) => ("key", kid.clone()),
        Revoked::Token(id) => ("token", id.clone()),
    };
    tell!(
        info,
        "tokens.revoked",
        mount = verdict.realm,
        revoked.kind = kind,
        revoked = name,
        "tokens revoked"
    );
}

pub(super) fn introspected(mount: &str, client: &str, subject: Option<&str>) {
    let active = subject.is_some();
    tell!(
        info,
        "token.introspected",
        mount,
        client = short(client),
        active,
        subject,
        "token introspected"
    );
}

pub(super) fn signed_in(mount: &str, account: &str) {
    tell!(info, "page.signed_in", mount, account, "signed in");
}

pub(super) fn sign_in_refused(mount: &str, name: &str, reason: &IssueError) {
    let who = Who::Name(name.to_owned());
    let (actor, reason) = (who.words(), reason.code());
    tell!(
        info,
        "page.sign_in_refused",
        mount,
        actor,
        reason,
        "sign-in refused"
    );
}

/// None: whoever it was is gone.
pub(super) fn signed_out(mount: &str, account: Option<&str>) {
    tell!(info, "page.signed_out", mount, account, "signed out");
}

/// A browser was shown no page, or its form did not count.
pub(super) fn page_refused(mount: &str, reason: &str) {
    tell!(info, "page.refused", mount, reason, "refused");
}

pub(super) fn consented(mount: &str, account: &str, client: &str, scope: &Scope) {
    let scope = scope.as_str();
    tell!(
        info,
        "consent.given",
        mount,
        account,
        client,
        scope,
        "consent given"
    );
}

pub(super) fn denied(mount: &str, account: &str, client: &str) {
    tell!(
        info,
        "consent.denied",
        mount,
        account,
        client,
        "consent denied"
    );
}

pub(super) fn code_given(mount: &str, account: &str, client: &str, scope: &Scope) {
    let scope = scope.as_str();
    tell!(
        info,
        "code.given",
        mount,
        account,
        client,
        scope,
        "code given"
    );
}

pub(super) fn account_registered(mount: &str, name: &str) {
    tell!(
        info,
        "account.registered",
        mount,
        account = name,
        "account registered"
    );
}

pub(super) fn key_recovered(mount: &str, name: &str) {
    tell!(
        info,
        "account.key_recovered",
        mount,
        account = name,
        "account key recovered"
    );
}

pub(super) fn account_changed(mount: &str, name: &str, change: &str) {
    tell!(
        info,
        "account.changed",
        mount,
        account = name,
        change,
        "account changed"
    );
}

/// Clients that nobody had agreed to made room for others.
pub(super) fn clients_forgotten(mount: &str, count: u64) {
    tell!(info, "clients.forgotten", mount, count, "clients forgotten");
}

pub(super) fn client_changed(name: &str, change: &str) {
    tell!(
        info,
        "client.changed",
        client = name,
        change,
        "client changed"
    );
}

pub(super) fn key_made(mount: &str, kid: &str, algorithm: Algorithm) {
    let algorithm = algorithm.name();
    tell!(info, "key.made", mount, kid, algorithm, "signing key made");
}

fn short(name: &str) -> String {
    name.chars().take(LONGEST).collect()
}

pub(super) fn key_moved(mount: &str, kid: &str, state: &str) {
    tell!(info, "key.moved", mount, kid, state, "signing key moved on");
}

pub(super) fn accounts_imported(mount: &str, count: usize) {
    tell!(info, "accounts.imported", mount, count, "accounts imported");
}

/// How much of a name a stranger may write into the log, in characters.
const LONGEST: usize = 256;
