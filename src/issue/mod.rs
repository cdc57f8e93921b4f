//! Handing tokens out, and taking them back.
//!
//! [`Mint`] answers every [`Ask`], whatever dialect it came in: it learns who is asking, decides by the grant what they
//! get, signs it, and keeps what must survive before it answers.
//!
//! Promises: a password is hashed on threads of its own, with equal work for unknown names; whoever guesses has to wait;
//! single use is one conditional statement; nothing is acknowledged before it is stored; what is taken back is refused
//! before that is said; no secret lies in the store in the clear: a stolen database yields no token. Who got what, and
//! who was refused, is told to the audit log, never with a secret. This folder knows no HTTP and no dialect.
//!
//! Reading order: `ask`, `mint`, `issuer`, `client`, `client_settings`, `assertion`, `register`, `registrar`, `account`,
//! `newcomer`, `import`, `lockout`, `hashing`, `crew`, `legacy`, `totp`, `grant`, `proof`, `session`, `renewal`, `sign`,
//! `revoke`, `introspect`, `ending`; then people at their browsers: `redirect_uri`, `authorization_request`, `authorize`,
//! `visit`; then the keys: `master`, `rotate`; then `audit`, `asked`, `random`, `error`.

mod account;
mod ask;
mod asked;
mod assertion;
mod audit;
mod authorization_request;
mod authorize;
mod client;
mod client_settings;
mod crew;
mod ending;
mod error;
mod grant;
mod hashing;
mod import;
mod introspect;
mod issuer;
mod legacy;
mod lockout;
mod master;
mod mint;
mod newcomer;
mod proof;
mod random;
mod redirect_uri;
mod register;
mod registrar;
mod renewal;
mod revoke;
mod rotate;
mod session;
mod sign;
#[cfg(test)]
mod testing;
mod totp;
mod visit;

pub use account::Accounts;
pub use ask::{
    Answer, Ask, Circumstances, ClientCredentials, ClientProof, HandedOver, Introspected, Issued,
    Managing, Myself, Program, Registered, Registering,
};
pub use assertion::AssertionKeysError;
pub(crate) use audit::heard_from;
pub use authorization_request::{AuthorizationRequest, AuthorizeError, Back, Fault, Prompt};
pub use authorize::{Authorizer, SigningIn};
pub use client::{Clients, KnownClient, NewClient};
pub use client_settings::{ClientAuth, ClientSettings, HandoffSettings, WalletSettings};
pub use error::{IssueError, StartError, Unproven};
pub use grant::{Agreement, Grant, SignInText};
pub use hashing::{Hashing, PasswordSettings, Verdict};
pub use import::{BadLine, ImportError};
pub use issuer::{LocalIssuer, Registration};
pub use legacy::UnusableHash;
pub use lockout::LockoutSettings;
pub use master::MasterKey;
pub use mint::Mint;
pub use newcomer::NewAccount;
pub use rotate::{KeyTerms, Keys, KnownKey, open_keyring};
pub use session::{Opening, Sessions};
pub use sign::{Bearer, sign_by_hand};
pub use totp::SecondFactors;
pub use visit::{Notice, Stay, Visit, Visits};
