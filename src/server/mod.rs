//! Putting the program together, and keeping it up.
//!
//! [`Server::start`] turns a checked configuration into open sockets; [`Running`] is what is up. [`Kept`] is what
//! outlives a configuration: the store, the keys, the mint. `assemble` makes a gate of both.
//!
//! Promises: nothing accepts a connection before everything is ready, and what cannot be made ready is said in a
//! sentence that names it; a start that fails leaves nothing behind; stopping waits for what has begun.
//!
//! Reading order: `start`, `kept`, `assemble`, `rehearse`, `skew`, `state`, `chores`, `error`.

mod assemble;
mod chores;
mod error;
mod kept;
mod rehearse;
mod skew;
mod start;
mod state;

pub use error::StartError;
pub use kept::Kept;
pub use rehearse::Rehearsal;
pub use skew::Skew;
pub use start::{Running, Server};
