//! The tests a request must meet for a route to apply, one file each.
//!
//! A [`Match`] is all of them together. Precedence is a value, [`Specificity`]: of all routes that apply, the one that
//! says most about the request wins, whatever the order in the file.

mod host;
mod method;
mod path;

pub use host::HostPattern;
pub use method::Methods;
pub use path::{PathPattern, Segment};

use crate::net::Host;

/// When a route applies.
#[derive(Clone, Debug)]
pub struct Match {
    /// For these hosts; none listed means any.
    pub hosts: Vec<HostPattern>,
    /// For paths of this shape.
    pub path: PathPattern,
    /// For these methods.
    pub methods: Methods,
}

/// How closely a route fits: the host first, then the path segment by segment, then the method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Specificity<'a> {
    /// How closely the host fits.
    pub host: usize,
    /// How closely the path fits.
    pub path: &'a [Segment],
    /// Whether the method is listed.
    pub method: bool,
}

impl Match {
    /// Whether host and path fit, whatever the method.
    pub fn fits_place(&self, host: &Host, path: &str) -> bool {
        let is_host =
            self.hosts.is_empty() || self.hosts.iter().any(|pattern| pattern.accepts(host));
        is_host && self.path.accepts(path.split('/').skip(1))
    }

    /// How closely this fits a place that it does fit.
    pub fn specificity(&self, host: &Host) -> Specificity<'_> {
        let fitting = self.hosts.iter().filter(|pattern| pattern.accepts(host));
        Specificity {
            host: fitting.map(HostPattern::weight).max().unwrap_or(0),
            path: self.path.segments(),
            method: self.methods.are_listed(),
        }
    }

    /// Whether some request fits both equally well, so that nothing could choose between them.
    pub fn ties_with(&self, other: &Self) -> bool {
        let share_a_host = match (self.hosts.is_empty(), other.hosts.is_empty()) {
            (true, true) => true,
            (false, false) => self.hosts.iter().any(|host| other.hosts.contains(host)),
            _ => false,
        };
        share_a_host && self.path.same_shape(&other.path) && self.methods.tie_with(&other.methods)
    }
}
