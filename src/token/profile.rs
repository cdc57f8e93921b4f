//! What one dialect's tokens look like, as data.

use std::time::Duration;

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
            carriers: Carriers {
                bare_authorization: false,
            },
        }
    }
}

/// Where a token may travel. `Authorization: Bearer` (RFC 6750 §2.1) is always read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carriers {
    /// `Authorization` with the token alone, without the word `Bearer`.
    pub bare_authorization: bool,
}
