//! Verdicts on tokens.

use super::SessionId;
use crate::token::Timestamp;

/// A verdict on tokens that are still out there: nobody may accept them any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// The mount whose tokens it is about.
    pub realm: String,
    /// Which of them.
    pub of: Revoked,
    /// When it was spoken. For what is not a session or a token, those issued in this second or before are meant.
    pub at: Timestamp,
    /// When the last token it is about is dead by itself.
    pub until: Timestamp,
}

/// Which tokens a revocation is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Revoked {
    /// Those of a session.
    Session(SessionId),
    /// Those of this subject.
    Subject(String),
    /// Those given to this client.
    Client(String),
    /// Those signed with this key.
    Key(String),
    /// The one with this `jti`.
    Token(String),
}

impl Revoked {
    /// The kind, and which one of it: how the row names it.
    pub(in crate::store) fn words(&self) -> (&'static str, String) {
        match self {
            Self::Session(id) => ("session", id.to_string()),
            Self::Subject(name) => ("subject", name.clone()),
            Self::Client(name) => ("client", name.clone()),
            Self::Key(kid) => ("key", kid.clone()),
            Self::Token(jti) => ("token", jti.clone()),
        }
    }

    pub(in crate::store) fn from_words(kind: &str, named: String) -> Option<Self> {
        Some(match kind {
            "session" => Self::Session(SessionId::from_hex(&named)?),
            "subject" => Self::Subject(named),
            "client" => Self::Client(named),
            "key" => Self::Key(named),
            "token" => Self::Token(named),
            _ => return None,
        })
    }
}
