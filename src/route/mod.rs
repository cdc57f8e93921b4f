//! Which plan applies to a request.
//!
//! A [`Route`] says when it applies, what it demands and where it leads. The [`Table`] finds, for a target and a
//! method, the most specific route that applies. There is no other order: two routes that could tie are refused when
//! the file is read.
//!
//! Promises: no route, no way through; the search does not allocate; what is matched is the target, the same bytes
//! that are forwarded. This folder verifies nothing and sends nothing.
//!
//! Reading order: `entry`, `predicate/mod`, `predicate/path`, `table`.

mod entry;
mod predicate;
mod table;

pub use entry::{Access, AmbiguousPaths, Destination, Route, RouteSettings, SocketHandling};
pub use predicate::{HostPattern, Match, Methods, PathPattern, Segment, Specificity};
pub use table::Table;
