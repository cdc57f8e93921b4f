//! What one dialect's tokens look like, as data.

use std::time::Duration;

use http::HeaderName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Algorithm;

/// The shape of one dialect's tokens. The folders below the dialects act on it and know no API by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// What our own keys of this profile sign with.
    pub algorithm: Algorithm,
    /// The `typ` header, compared byte for byte when such a token comes back: `at+jwt` (RFC 9068 §2.1) or `JWT`.
    pub header_type: &'static str,
    /// Whether the header names the key by `kid`. Without it every key of the keyring is tried, which are few.
    pub key_id_in_header: bool,
    /// The claim that names the subject: `sub`, or what an older API calls it.
    pub subject_claim: &'static str,
    /// The claim that holds the scope: `scope`, or what an older API calls it.
    pub scope_claim: &'static str,
    /// Whether tokens carry, and must carry, `iss`, `aud`, the subject, `client_id` and `jti` (RFC 9068 §2.2). Tokens of
    /// a profile without this carry none of `iss` and `aud`, and are refused if they do.
    pub identified: bool,
    /// Whether the scope is split at commas too, not only at white space.
    pub loose_scope: bool,
    /// The scope token that stands for every scope, if the API has one.
    pub every_scope: Option<&'static str>,
    /// How long an access token lives.
    pub access_lifetime: Duration,
    /// What the subject claim says of an account.
    pub subject: Subject,
    /// What bounds the scope that a person can give a program.
    pub ceiling: Ceiling,
    /// What becomes of a program that asks for more than it may have.
    pub excess: Excess,
    /// How a token is renewed.
    pub renewal: Renewal,
    /// Where a token may travel.
    pub carriers: Carriers,
}

impl Profile {
    /// The profile of RFC 9068: ES256, `at+jwt`, ten minutes.
    pub const fn standard() -> Self {
        Self {
            algorithm: Algorithm::ES256,
            header_type: "at+jwt",
            key_id_in_header: true,
            subject_claim: "sub",
            scope_claim: "scope",
            identified: true,
            loose_scope: false,
            every_scope: None,
            access_lifetime: Duration::from_mins(10),
            subject: Subject::Id,
            ceiling: Ceiling::Account,
            excess: Excess::Refused,
            renewal: Renewal::Rotating(Rotation::standard()),
            carriers: Carriers {
                bare_authorization: false,
                header: None,
                query: None,
            },
        }
    }
}

/// What the subject claim says of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The identity it never shares with another account, also not a later one.
    Id,
    /// The name its owner chose.
    Name,
}

/// What bounds the scope that a person can give a program, beside what the program may do at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ceiling {
    /// What their own account may do.
    Account,
    /// Nothing: accounts have no scope of their own.
    Program,
}

/// What becomes of a program that asks for more than it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    /// It is refused (RFC 6749 §5.2).
    Refused,
    /// It gets what it may have (RFC 6749 §3.3).
    Dropped,
}

/// How a token is renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// Not at all: whoever needs another one asks again.
    Never,
    /// By a refresh token that stays the same for as long as its account's generation does.
    Standing,
    /// By a refresh token that is spent at every use (RFC 9700 §4.14.2).
    Rotating(Rotation),
}

/// The rules of refresh tokens that are spent at every use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// How long one lives unused.
    pub idle: Duration,
    /// How long a session can be renewed at all; without, for as long as somebody does.
    pub absolute: Option<Duration>,
    /// For how long a spent one is answered with the same successor, for callers who asked at the same time.
    pub race: Duration,
    /// For how long a spent one is answered with the same successor if that was never used: the answer was lost.
    pub lost: Duration,
    /// What a spent one that comes back means.
    pub on_replay: OnReplay,
    /// What it looks like.
    pub form: RefreshForm,
    /// Whether an account has one session for each client: a new one supersedes the one before.
    pub exclusive: bool,
}

/// What a spent refresh token that comes back means, outside the windows in which it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnReplay {
    /// It is refused, and the session goes on.
    Refuse,
    /// The session ends.
    End,
    /// The session ends if the client is public; one that has authenticated is refused.
    EndIfPublic,
}

/// What a refresh token looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshForm {
    /// Prefix, session, generation and MAC: its session is found by what it says.
    Structured,
    /// 32 lower-case hexadecimal digits, the same encrypted: its session is found by its digest, and by what it says.
    Hex,
}

impl Rotation {
    /// RFC 9700 §4.14.2 with room for lost answers: 14 days unused, 90 days in all.
    pub const fn standard() -> Self {
        Self {
            idle: Duration::from_hours(14 * 24),
            absolute: Some(Duration::from_hours(90 * 24)),
            race: Duration::from_secs(10),
            lost: Duration::from_mins(10),
            on_replay: OnReplay::EndIfPublic,
            form: RefreshForm::Structured,
            exclusive: false,
        }
    }
}

/// Where a token may travel. `Authorization: Bearer` (RFC 6750 §2.1) is always read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Carriers {
    /// `Authorization` with the token alone, without the word `Bearer`.
    pub bare_authorization: bool,
    /// A header of this name, with the token alone.
    pub header: Option<HeaderName>,
    /// A query parameter of this name, on a request to upgrade to a WebSocket only: a browser can set nothing else.
    pub query: Option<&'static str>,
}
