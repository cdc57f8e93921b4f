//! Whose words a mount can speak, and which keys of its settings mean nothing to whom.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whose words a mount speaks.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Speak {
    /// OAuth 2.0 (RFC 6749), with metadata (RFC 8414) and keys (RFC 7517).
    #[default]
    Oauth2,
    /// The API of NexusHub.
    Nexushub,
    /// The API of Nexudus.
    Nexudus,
    /// The API of BlueNexus.
    Bluenexus,
    /// The API of Hubler.
    Hubler,
}

impl Speak {
    /// The word in the operator's file.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Oauth2 => "oauth2",
            Self::Nexushub => "nexushub",
            Self::Nexudus => "nexudus",
            Self::Bluenexus => "bluenexus",
            Self::Hubler => "hubler",
        }
    }

    /// The path its endpoints lie below unless the operator says otherwise; no slash at the end.
    pub(super) const fn usual_prefix(self) -> &'static str {
        match self {
            Self::Oauth2 => "/oauth",
            Self::Nexushub | Self::Bluenexus => "",
            Self::Nexudus => "/api",
            Self::Hubler => "/public-api/auth",
        }
    }

    /// Why a key of the settings means nothing to this dialect, if it does not.
    pub(super) fn foreign(self, key: &str) -> Option<&'static str> {
        let fits = |known: &&Special| known.key == key && !known.owners.contains(&self);
        KEYS.iter().find(fits).map(|known| known.reason)
    }
}

/// A key that is not for every dialect.
struct Special {
    key: &'static str,
    owners: &'static [Speak],
    /// Why the others have no use for it.
    reason: &'static str,
}

const fn special(key: &'static str, owners: &'static [Speak], reason: &'static str) -> Special {
    Special {
        key,
        owners,
        reason,
    }
}

/// Every key that is not for every dialect. A key of a table within is written behind a dot.
const KEYS: [Special; 17] = {
    use Speak::{Bluenexus, Hubler, Nexudus, Nexushub, Oauth2};
    [
        special(
            "register",
            &[Nexushub, Bluenexus],
            "nobody registers here: the operator makes accounts with `tollgate user add`, clients with `tollgate client add`",
        ),
        special(
            "strict_typos",
            &[Nexushub],
            "only the API of NexusHub has spelling mistakes to repeat",
        ),
        special(
            "keys.algorithm",
            &[Oauth2],
            "tokens of this API are always signed with RS256",
        ),
        special(
            "refresh",
            &[Oauth2, Nexudus, Bluenexus],
            "no refresh token of this API is spent by its use",
        ),
        special(
            "scopes",
            &[Bluenexus],
            "only the API of BlueNexus lists its scopes; what a client's tokens can permit is said in its own table",
        ),
        special(
            "scopes_as_list",
            &[Bluenexus],
            "only the API of BlueNexus lists its scopes",
        ),
        special(
            "message_field",
            &[Bluenexus],
            "wallets log in at the API of BlueNexus only",
        ),
        special(
            "short_paths",
            &[Bluenexus],
            "only the API of BlueNexus has paths that can be shortened",
        ),
        special(
            "refresh_default_client",
            &[Nexudus],
            "only the API of Nexudus has programs without a name",
        ),
        special(
            "me",
            &[Nexudus],
            "only the API of Nexudus has an endpoint for this",
        ),
        special(
            "hide_accounts",
            &[Hubler],
            "only the API of Hubler tells whether there is such an account",
        ),
        special(
            "strict",
            &[Hubler],
            "only the API of Hubler refuses fields it does not know",
        ),
        special(
            "status",
            &[Hubler],
            "only the answers of Hubler's API hold this word",
        ),
        special(
            "expires_in",
            &[Hubler],
            "every other API says how long its tokens live in a way of its own",
        ),
        special(
            "server_errors",
            &[Hubler],
            "only the API of Hubler answers its own failures with 400",
        ),
        special(
            "forms",
            &[Hubler],
            "only the API of Hubler may be told to take forms beside JSON",
        ),
        special(
            "token_header",
            &[Hubler],
            "where the tokens of this API travel is part of the API",
        ),
    ]
};
