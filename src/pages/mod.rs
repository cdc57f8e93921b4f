//! What people see: signing in, letting a program act for them, and what went wrong.
//!
//! [`Pages`] serves the authorization endpoint of one mount (RFC 6749 §3.1). A program sends a person there; they sign in,
//! agree or do not, and go back with a code. Pages are written on the server and need no script; every form is answered
//! by a redirect, so that going back and reloading do no harm.
//!
//! Promises: a person is sent on only to an address that the program has registered; a form counts only for the browser
//! it was shown to; who signed in is kept by the browser, sealed, and checked against the account at every use; nothing
//! is loaded from elsewhere, and no page can be framed (RFC 9700 §4.16).
//!
//! Reading order: `settings`, `serve`, `journey`, `form`, `cookie`, `reply`, `view` with its templates, `look`, `colour`.

mod colour;
mod cookie;
mod form;
mod journey;
mod look;
mod reply;
mod serve;
mod settings;
mod view;

pub use colour::Colour;
pub use look::{Look, LookError};
pub use serve::{Pages, Visitor};
pub use settings::PagesSettings;
