//! Who got what, who was refused, and what was changed: the audit log, a stream of its own that is never sampled.
//!
//! Its target is `tollgate::audit`, each line has an `event`. No line holds a secret: a key or a token that nobody
//! could be found for is named by its digest.

use super::IssueError;
use crate::token::{Algorithm, Digest, Scope};

/// Who is asking, as the audit log names them.
#[derive(Clone, Debug)]
pub(super) enum Who {
    /// A program, by the identifier it gave.
    Client(String),
    /// A person, by the name they gave.
    Name(String),
    /// Somebody with a key or a token that may be anybody's.
    Bearer(Digest),
}

impl Who {
    fn words(&self) -> String {
        match self {
            Self::Client(text) | Self::Name(text) => text.chars().take(LONGEST).collect(),
            Self::Bearer(digest) => digest.fingerprint().to_string(),
        }
    }

    const fn kind(&self) -> &'static str {
        match self {
            Self::Client(_) => "client",
            Self::Name(_) => "account",
            Self::Bearer(_) => "digest",
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
    tracing::info!(
        target: TARGET,
        event = "token.issued",
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
    tracing::info!(
        target: TARGET,
        event = "ask.refused",
        mount,
        asked,
        actor = who.words(),
        actor.kind = who.kind(),
        reason = reason.code(),
        cause,
        "refused"
    );
}

pub(super) fn account_registered(mount: &str, name: &str) {
    tracing::info!(target: TARGET, event = "account.registered", mount, account = name, "account registered");
}

pub(super) fn key_recovered(mount: &str, name: &str) {
    tracing::info!(target: TARGET, event = "account.key_recovered", mount, account = name, "account key recovered");
}

pub(super) fn account_changed(mount: &str, name: &str, change: &str) {
    tracing::info!(target: TARGET, event = "account.changed", mount, account = name, change, "account changed");
}

pub(super) fn client_changed(name: &str, change: &str) {
    tracing::info!(target: TARGET, event = "client.changed", client = name, change, "client changed");
}

pub(super) fn key_made(mount: &str, kid: &str, algorithm: Algorithm) {
    let algorithm = algorithm.name();
    tracing::info!(target: TARGET, event = "key.made", mount, kid, algorithm, "signing key made");
}

const TARGET: &str = "tollgate::audit";
/// How much of a name a stranger may write into the log, in characters.
const LONGEST: usize = 256;
