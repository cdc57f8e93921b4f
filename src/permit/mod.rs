//! May they do what they ask?
//!
//! A route's [`Demand`] says what it asks of the caller; [`Demand::admit`] holds an identity against it and makes the
//! [`Permit`] without which nothing is forwarded.
//!
//! Promises: a permit for a demanding route exists only with a verified identity; it ends when the token does. This
//! folder knows no HTTP.
//!
//! Reading order: `demand`, `admit`, `error`.

mod admit;
mod demand;
mod error;

pub use admit::Permit;
pub use demand::{Demand, RequireSettings, RequiredClaim, Terms};
pub use error::Denied;
