//! How clients say it on the wire.
//!
//! A [`Dialect`] is one API's words: it reads bytes into an [`Ask`](crate::issue::Ask), writes the answer back, and
//! phrases refusals on the routes it has a voice on. Everything else about an API is data it hands down: the
//! [`Profile`](crate::token::Profile) of its tokens and its list of [`Endpoint`]s. A [`Mount`] is a dialect at a place.
//! [`standard`] holds the one table from refusal to answer, in the plain words of RFC 6750 and RFC 9457, which every
//! dialect falls back on.
//!
//! Promises: no other folder knows an API by name; a dialect waits for nothing and keeps nothing; no answer repeats a
//! value that a client sent, other than the path.
//!
//! Reading order: `speech`, `socket`, `standard`, `form`, `oauth2`, `nexushub`, `nexudus`, `bluenexus`, `hubler`,
//! `address`, `speak`, `refresh`, `settings`, `mount`. A new dialect is one file or folder, one word of [`Speak`], and
//! its line in [`DIALECTS`].

mod address;
mod bluenexus;
mod form;
mod hubler;
mod mount;
mod nexudus;
mod nexushub;
mod oauth2;
mod refresh;
mod settings;
mod socket;
mod speak;
mod speech;
pub mod standard;

#[cfg(test)]
mod testing;

pub use address::{HeaderWord, Identifier, MountPath};
pub use mount::{Asker, Mount, Served};
pub use refresh::RefreshSettings;
pub use settings::{KeySettings, LimitSettings, Me, MountSettings, TokenSettings};
pub use socket::{Answered, Call, Heard, Socket};
pub use speak::Speak;
pub use speech::{Asked, Dialect, Endpoint, Malformed, Place, Spot};

/// Every dialect there is, by the word that chooses it.
pub const DIALECTS: [Speak; 5] = [
    Speak::Oauth2,
    Speak::Nexushub,
    Speak::Nexudus,
    Speak::Bluenexus,
    Speak::Hubler,
];
