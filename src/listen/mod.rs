//! Sockets to requests.
//!
//! One acceptor takes every connection and hands it to the worker that has the fewest; a worker is a thread with a
//! runtime of its own, one per core. There the connection is secured, speaks HTTP/1.1 or HTTP/2, and each of its
//! requests goes to the closure that [`Listening::start`] was given: this folder knows nothing of what becomes of them,
//! which is why the admin listener uses it too.
//!
//! | promise | where |
//! |---|---|
//! | all listeners are bound, all certificates read, before the first connection is taken | `bind` |
//! | accepting never ends and never spins, whatever the system says; who waits is not left hanging | `accept` |
//! | over its budget of connections a listener waits | `accept` |
//! | no peer keeps its place longer than its deadlines: handshake, head, idle, write | `tls`, `watch`, `stream` |
//! | a request that is not read to its end ends its connection, and the answer still arrives | `link` |
//! | an answer that broke off never looks complete | `link` |
//! | the first signal drains, the second aborts | `drain` |
//!
//! Reading order: `settings`, `bind`, `accept`, `worker`, `connection`, then what a connection is made of: `tls`, `dev`,
//! `link`, `watch`, `exchange`, `stream`, `coalesce`; at last `drain` and `tally`.

mod accept;
mod bind;
mod certificate;
mod coalesce;
mod connection;
mod dev;
mod drain;
mod error;
mod exchange;
mod link;
mod settings;
mod stream;
mod tally;
#[cfg(test)]
mod tests;
mod tls;
mod watch;
mod worker;

pub use bind::{Bound, bind, bind_plain};
pub use dev::DevAuthority;
pub use drain::{Drained, Listening};
pub use error::ListenError;
pub use settings::{ListenerSettings, Protocol, TimeoutSettings};
pub use tally::{Tallies, Tally};
pub use tls::{TlsMode, TlsSettings};
