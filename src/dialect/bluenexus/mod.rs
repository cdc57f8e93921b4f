//! The API of BlueNexus: sessions that a wallet opens, OAuth 2.0 for third parties, and sessions handed over to a browser.
//!
//! It speaks in two shapes. What OAuth knows (`/authenticate`, `/token`, `/revoke`, `/register`) fails with `error`,
//! `error_description`, `message` and `statusCode`; everything else, and whatever concerns a token that was presented,
//! with the name of an error, `message` and `statusCode`. Where the original is silent, what we do is ours: the field
//! that carries the signed message, the redemption of a handoff code, and the shape of the list of scopes.
//!
//! Reading order: `endpoints`, `fields`, `reading`, `writing`, `refusals`.

mod endpoints;
mod fields;
mod reading;
mod refusals;
mod writing;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use http::Response;

use self::reading::Reader;
use self::writing::Writer;
use super::settings::lifetime;
use super::{Asked, Dialect, Endpoint, Malformed, MountSettings, Place, Spot};
use crate::issue::{Answer, Ask, IssueError, Registration};
use crate::net::Body;
use crate::observe::Refusal;
use crate::token::{
    Algorithm, Carriers, Ceiling, Excess, OnReplay, Profile, RefreshForm, Renewal, Rotation, Scope,
    Subject,
};

/// The dialect, for one mount.
#[derive(Debug)]
struct BlueNexus {
    profile: Profile,
    endpoints: Vec<Endpoint>,
    reader: Reader,
    writer: Writer,
}

/// Builds the dialect, for a mount that clients reach at `url`.
pub(super) fn build(settings: &MountSettings, url: &str) -> Arc<dyn Dialect> {
    let url = url.trim_end_matches('/').to_owned();
    let words = settings.scopes.iter().flat_map(Scope::words);
    // Each word was part of a scope already.
    let listed = Scope::from_words(words).unwrap_or_else(|_| Scope::empty());
    let scopes = if listed.is_empty() {
        Scope::from_words(SCOPES).unwrap_or_else(|_| Scope::empty())
    } else {
        listed
    };
    Arc::new(BlueNexus {
        profile: profile(settings),
        endpoints: endpoints::all(settings),
        reader: Reader {
            message_field: settings.message_field.clone(),
            scopes: scopes.clone(),
        },
        writer: Writer {
            url,
            scopes,
            as_list: settings.scopes_as_list == Some(true),
            registers: settings.registration() == Registration::Open,
        },
    })
}

fn profile(settings: &MountSettings) -> Profile {
    Profile {
        algorithm: Algorithm::RS256,
        header_type: "JWT",
        access_lifetime: lifetime(&settings.tokens, ACCESS_LIFETIME),
        subject: Subject::Id,
        ceiling: Ceiling::Program,
        excess: Excess::Dropped,
        renewal: settings.refresh.over(Renewal::Rotating(Rotation {
            idle: REFRESH_LIFETIME,
            absolute: None,
            race: Duration::ZERO,
            lost: Duration::ZERO,
            on_replay: OnReplay::End,
            form: RefreshForm::Structured,
            exclusive: false,
        })),
        carriers: Carriers::default(),
        ..Profile::standard()
    }
}

impl Dialect for BlueNexus {
    fn profile(&self) -> &Profile {
        &self.profile
    }

    fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    fn owns_all_below(&self) -> bool {
        false
    }

    // The original's pages disagree on where it is.
    fn authorization(&self) -> &[Spot] {
        &[
            Spot::Below(endpoints::AUTHORIZE),
            Spot::Below("/api/v1/auth/authorize"),
        ]
    }

    // A back end that serves many users calls from one address.
    fn counts_programs(&self, at: &Endpoint) -> bool {
        endpoints::is_per_program(at)
    }

    fn read(&self, at: &Endpoint, asked: &Asked<'_>) -> Result<Ask, Malformed> {
        let read = self.reader.read(at, asked);
        read.map_err(|mistake| refusals::malformed(at, &mistake))
    }

    fn write(&self, at: &Endpoint, outcome: Result<&Answer, &IssueError>) -> Response<Body> {
        match outcome {
            Ok(answer) => self.writer.write(at, answer),
            Err(error) => refusals::failed(at, error),
        }
    }

    fn refuse(&self, refusal: &Refusal, place: &Place<'_>) -> Response<Body> {
        let mut response = refusals::refused(refusal, place);
        self.writer.point_to_metadata(&mut response);
        response
    }
}

const ACCESS_LIFETIME: Duration = Duration::from_mins(15);

const REFRESH_LIFETIME: Duration = Duration::from_hours(7 * 24);

/// What the tokens of the original can permit, in its order.
const SCOPES: [&str; 13] = [
    "account",
    WHITE_LABEL_SCOPE,
    "agents-use",
    "llm-all",
    "connections",
    "universal-mcp-read",
    "universal-mcp-read-write",
    "user-data",
    "providers",
    "messaging-channels",
    "openid",
    "profile",
    "email",
];

/// What no client that registered itself can permit.
const WHITE_LABEL_SCOPE: &str = "agents-all";

/// What stands before a session's identity.
const SESSION_PREFIX: &str = "session_";
