//! Carrying a permitted request to its upstream.
//!
//! [`Upstream::send`] takes the client's request and a [`Permit`](crate::permit::Permit), and gives the upstream's
//! response. Without a permit there is nothing to call.
//!
//! Promises: the upstream request has a new head, made of the method and the target, and the client's header
//! fields, filtered in place: hop-by-hop fields are gone (RFC 9110 §7.6.1), identity headers are ours alone, and
//! exactly one framing field is set, by the HTTP library. Bodies stream, in both directions, and one that breaks off
//! never looks complete. A connection goes back to the pool only after a complete exchange. A request is tried a second
//! time only if no byte of it had left. A connection that was to become something else never goes back to the pool, and
//! what it became ends with the permit.
//!
//! Reading order: `upstream`, `request`, `response`, `pool`, `connect`, `body`, `upgrade`, `error`.

mod body;
mod connect;
mod error;
mod pool;
mod request;
mod response;
mod upgrade;
mod upstream;
mod url;

pub use error::{ConnectError, ForwardError};
pub use request::{ForwardSettings, Forwarding, IdentityHeader, Reserved, TokenHandling};
pub use upgrade::{Joined, Switch, Tunnel, asks_for_websocket};
pub use upstream::{Sending, Sent, Upstream, UpstreamSettings, UpstreamTimeouts, UpstreamTls};
pub use url::UpstreamUrl;
