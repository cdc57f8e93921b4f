//! HTTP as a medium: what arrives, in one form, and how bodies move.
//!
//! [`Target`] is where a request is going, in the single form that routing, policy, log and forwarding share.
//! [`Arrival`] is everything known before a request is judged. [`Body`] is the one type of body we send. [`Tasks`]
//! starts every task of the program and waits for it when draining. A [`Limit`] says how often somebody may come.
//!
//! Promises: a target exists only in canonical form, or is one whose [`Readings`] all come to the same; a body that
//! breaks off never looks complete; every wait on a peer has a deadline. This folder knows no route, token or dialect.
//!
//! Reading order: `target`, `readings`, `host`, `arrival`, `neighbourhood`, `limit`, `body`, `tasks`, `socket`,
//! `outbound`, `pem`.

mod arrival;
mod body;
mod host;
mod limit;
mod neighbourhood;
mod outbound;
pub mod pem;
mod readings;
mod socket;
mod target;
mod tasks;
mod trust;

pub use arrival::{Arrival, Origin, Peer, Proxies, Scheme};
pub use body::{Body, BodyError, read_limited};
pub use host::{Host, HostError};
pub use limit::{Allowance, Limit};
pub use neighbourhood::neighbourhood;
pub use outbound::{Address, Outbound, OutboundError};
pub use readings::Readings;
pub use socket::Socket;
pub use target::{Segments, Target, TargetError};
pub use tasks::{Held, Tasks};
pub use trust::{TrustError, client_config};
