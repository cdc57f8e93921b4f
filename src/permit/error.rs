//! Why an identity is not admitted.

use crate::observe::Refusal;
use crate::token::Scope;

/// Why an identity does not meet the terms.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// No token came.
    #[error("admit a request without a token")]
    NoToken {
        /// What the terms want.
        needed: Scope,
    },
    /// The token may not do this.
    #[error("admit a token with scope `{held}`, as `{needed}` is needed")]
    Scope {
        /// What the terms want.
        needed: Scope,
        /// What the token has.
        held: Scope,
    },
    /// A claim does not have one of the values wanted.
    #[error("admit a token without a fitting claim")]
    Claim,
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::NoToken { needed } => Self::MissingToken { needed },
            Denied::Scope { needed, held } => Self::InsufficientScope { needed, held },
            Denied::Claim => Self::ClaimMismatch,
        }
    }
}
