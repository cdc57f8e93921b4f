//! What is kept, as values.
//!
//! Reading order: `people` (accounts, clients), `key`, `session`, `once`, `revocation`.

mod key;
mod once;
mod people;
mod revocation;
mod session;

pub use self::key::{KeyState, StoredKey};
pub use self::once::{OneTime, OneTimeKind, Redeemed};
pub use self::people::{Account, AccountId, Client, FormerSecret, Status};
pub use self::revocation::{Revocation, Revoked};
pub use self::session::{Ended, Ending, Session, SessionId, Turn, Whose};

/// What became of something that was to be added under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Addition {
    /// It is there now.
    Added,
    /// The name was somebody else's, and still is.
    NameTaken,
}

impl Addition {
    pub(super) const fn from_touch(touched: bool) -> Self {
        if touched {
            Self::Added
        } else {
            Self::NameTaken
        }
    }
}
