//! The operator's own listener: is the process alive, may it be sent traffic, and what does it count.
//!
//! It is plain HTTP on a loopback address, with a thread of its own, so that it answers whatever the workers are doing.
//! What it tells is handed to it as closures: it does not know the server.
//!
//! Promises: nothing here has an effect; what a probe asks never depends on an upstream or a remote issuer, and the
//! liveness probe on nothing but the process, as a store that is down must not have every node restarted.
//!
//! Reading order: `health`, `pages`, `settings`.

mod health;
mod pages;
mod settings;

pub use health::{Check, Health};
pub use pages::{bind, start};
pub use settings::AdminSettings;
