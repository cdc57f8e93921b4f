//! Finding the most specific route for a request.

use std::collections::HashMap;
use std::sync::Arc;

use http::Method;

use super::{HostPattern, Route, Segment};
use crate::net::{Host, Segments, Target};
use crate::observe::Refusal;

/// All routes, arranged so that the search meets the most specific one first.
///
/// For each host pattern there is a tree of path segments. A search walks it literal first, then `{name}`, then `**`,
/// so the first route it meets whose methods fit is the one that says most about the request. File order never matters.
#[derive(Debug)]
pub struct Table {
    routes: Vec<Arc<Route>>,
    exact: HashMap<Box<str>, Node>,
    below: Vec<(HostPattern, Node)>,
    any: Node,
}

#[derive(Debug, Default)]
struct Node {
    literal: HashMap<Box<str>, Node>,
    any: Option<Box<Node>>,
    here: Vec<Arc<Route>>,
    rest: Vec<Arc<Route>>,
}

/// What the search has seen: the methods that would have done.
#[derive(Default)]
struct Seen {
    allow: Vec<Method>,
    path_exists: bool,
}

impl Table {
    /// Arranges these routes. That no two of them tie was checked when the file was read.
    pub fn new(routes: Vec<Arc<Route>>) -> Self {
        let mut table = Self {
            routes: Vec::new(),
            exact: HashMap::new(),
            below: Vec::new(),
            any: Node::default(),
        };
        for route in &routes {
            table.add(route);
        }
        table
            .below
            .sort_by_key(|(pattern, _)| std::cmp::Reverse(pattern.weight()));
        table.routes = routes;
        table
    }

    /// The most specific route that applies to this request.
    pub fn find<'a>(
        &'a self,
        method: &Method,
        target: &'a Target,
    ) -> Result<&'a Arc<Route>, Refusal> {
        let mut seen = Seen::default();
        self.trees(target.host())
            .find_map(|tree| tree.search(target.segments(), method, &mut seen))
            .ok_or_else(|| seen.refusal())
    }

    /// The most specific route for this place, whatever the method: whose voice a refusal there takes.
    pub fn place(&self, host: &str, path: &str) -> Option<&Arc<Route>> {
        let host = Host::parse(host).ok()?;
        let fits = |route: &&Arc<Route>| route.when.fits_place(&host, path);
        self.routes
            .iter()
            .filter(fits)
            .max_by_key(|route| route.when.specificity(&host))
    }

    /// The route of this name.
    pub fn named(&self, name: &str) -> Option<&Arc<Route>> {
        self.routes.iter().find(|route| &*route.name == name)
    }

    /// Whether requests for these two hosts are judged by the same routes.
    pub fn same_policy(&self, name: &str, host: &Host) -> bool {
        let Ok(name) = Host::parse(name) else {
            return false;
        };
        let first = |host: &Host| self.trees(host).next().map(std::ptr::from_ref);
        first(&name) == first(host)
    }

    /// All routes, in the order of their names.
    pub fn routes(&self) -> &[Arc<Route>] {
        &self.routes
    }

    /// The trees for a host, the most specific first.
    fn trees<'a>(&'a self, host: &'a Host) -> impl Iterator<Item = &'a Node> {
        let exact = self.exact.get(host.as_str());
        let below = self
            .below
            .iter()
            .filter(|(pattern, _)| pattern.accepts(host));
        exact
            .into_iter()
            .chain(below.map(|(_, tree)| tree))
            .chain(std::iter::once(&self.any))
    }

    fn add(&mut self, route: &Arc<Route>) {
        if route.when.hosts.is_empty() {
            self.any.add(route);
        }
        for pattern in &route.when.hosts {
            let tree = match pattern {
                HostPattern::Exact(host) => self.exact.entry(Box::from(host.as_str())).or_default(),
                HostPattern::Below(_) => tree_of(&mut self.below, pattern),
            };
            tree.add(route);
        }
    }
}

fn tree_of<'a>(trees: &'a mut Vec<(HostPattern, Node)>, pattern: &HostPattern) -> &'a mut Node {
    let place = trees
        .iter()
        .position(|(known, _)| known == pattern)
        .unwrap_or_else(|| {
            trees.push((pattern.clone(), Node::default()));
            trees.len() - 1
        });
    &mut trees[place].1
}

impl Node {
    fn add(&mut self, route: &Arc<Route>) {
        let mut node = self;
        for segment in route.when.path.segments() {
            node = match segment {
                Segment::Literal(text) => node.literal.entry(text.clone()).or_default(),
                Segment::Any => node.any.get_or_insert_default(),
                Segment::Rest => return insert(&mut node.rest, route),
                Segment::End => return insert(&mut node.here, route),
            };
        }
    }

    /// The literal branch first, then `{name}`, then `**`: most specific first.
    fn search(
        &self,
        mut path: Segments<'_>,
        method: &Method,
        seen: &mut Seen,
    ) -> Option<&Arc<Route>> {
        let Some(word) = path.next() else {
            return seen
                .first(&self.here, method)
                .or_else(|| seen.first(&self.rest, method));
        };
        let literal = self
            .literal
            .get(word)
            .and_then(|node| node.search(path.clone(), method, seen));
        literal
            .or_else(|| {
                let any = self.any.as_ref().filter(|_| !word.is_empty())?;
                any.search(path, method, seen)
            })
            .or_else(|| seen.first(&self.rest, method))
    }
}

/// Routes of one shape lie together, those that list methods first.
fn insert(routes: &mut Vec<Arc<Route>>, route: &Arc<Route>) {
    routes.push(Arc::clone(route));
    routes.sort_by_key(|route| !route.when.methods.are_listed());
}

impl Seen {
    fn first<'t>(&mut self, routes: &'t [Arc<Route>], method: &Method) -> Option<&'t Arc<Route>> {
        let found = routes
            .iter()
            .find(|route| route.when.methods.accept(method));
        if found.is_none() {
            let listed = routes.iter().flat_map(|route| route.when.methods.listed());
            self.allow.extend(listed.cloned());
            self.path_exists |= !routes.is_empty();
        }
        found
    }

    fn refusal(mut self) -> Refusal {
        if !self.path_exists {
            return Refusal::NoRoute;
        }
        self.allow
            .sort_by(|one, other| one.as_str().cmp(other.as_str()));
        self.allow.dedup();
        let words: Vec<&str> = self.allow.iter().map(Method::as_str).collect();
        Refusal::MethodNotAllowed {
            allow: words.join(", "),
        }
    }
}
