//! Handing tokens out, and taking them back.
//!
//! [`Mint`] answers every [`Ask`], whatever dialect it came in: it learns who is asking, decides by the grant what they
//! get, signs it, and keeps what must survive before it answers.
//!
//! Promises: a password is hashed on threads of its own, with equal work for unknown names; single use is one
//! conditional statement; nothing is acknowledged before it is stored. This folder knows no HTTP and no dialect.
//!
//! Reading order: `ask`, `mint`, `client`, `account`, `hashing`, `grant`, `sign`, `error`.

mod ask;
mod error;

pub use ask::{Answer, Ask, ClientCredentials, Issued};
pub use error::IssueError;
