//! Finding the most specific route for a request.

use std::collections::HashMap;
use std::sync::Arc;

use http::{HeaderMap, Method, Uri};

use super::{HostPattern, Route, Segment};
use crate::net::{Host, Readings, Segments, Target, TargetError};
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
        self.search(method, target.host(), &target.segments())
    }

    /// Where a request is going: a path that can be read in more than one way is a target only if every reading leads to
    /// one route that lets such paths pass.
    pub fn target(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<Target, TargetError> {
        Target::parse(uri, headers).or_else(|error| match error {
            TargetError::Malformed(_) => Err(error),
            TargetError::Ambiguous(_) => self.agree(method, uri, headers).ok_or(error),
        })
    }

    fn agree(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<Target> {
        if !self.routes.iter().any(|route| route.agrees()) {
            return None;
        }
        let readings = Readings::of(uri, headers)?;
        self.is_one(method, &readings).then(|| readings.settle())
    }

    fn is_one(&self, method: &Method, readings: &Readings) -> bool {
        let mut found = readings
            .paths()
            .map(|path| self.search(method, readings.host(), &path).ok());
        let first = found.next().flatten().filter(|route| route.agrees());
        first.is_some_and(|first| {
            found.all(|route| route.is_some_and(|route| Arc::ptr_eq(route, first)))
        })
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

    fn search<'a>(
        &'a self,
        method: &Method,
        host: &'a Host,
        path: &Segments<'_>,
    ) -> Result<&'a Arc<Route>, Refusal> {
        let mut seen = Seen::default();
        self.trees(host)
            .find_map(|tree| tree.search(path.clone(), method, &mut seen))
            .ok_or_else(|| seen.refusal())
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::forward::{
        Forwarding, Upstream, UpstreamSettings, UpstreamTimeouts, UpstreamTls, UpstreamUrl,
    };
    use crate::net::Tasks;
    use crate::permit::Demand;
    use crate::route::{AmbiguousPaths, Destination, Match, Methods, PathPattern, SocketHandling};
    use crate::verify::Accepted;

    fn table(routes: &[(&str, &[&str], &[Method])]) -> Table {
        let settings = UpstreamSettings {
            url: UpstreamUrl::parse("http://127.0.0.1:1").unwrap(),
            timeouts: UpstreamTimeouts::default(),
            tls: UpstreamTls::default(),
        };
        let upstream =
            Arc::new(Upstream::new(Arc::from("u"), &settings, 1, Tasks::default()).unwrap());
        let route = |(path, hosts, methods): &(&str, &[&str], &[Method])| {
            Arc::new(Route {
                name: Arc::from(format!("{hosts:?} {path} {methods:?}")),
                when: Match {
                    hosts: hosts
                        .iter()
                        .map(|host| HostPattern::parse(host).unwrap())
                        .collect(),
                    path: PathPattern::parse(path).unwrap(),
                    methods: Methods::of(methods.iter().cloned()),
                },
                ambiguous_paths: AmbiguousPaths::default(),
                demand: Demand::Nothing,
                accepts: Accepted::default(),
                voice: None,
                socket: SocketHandling::Pass,
                destination: Destination::Upstream(Arc::clone(&upstream), Forwarding::default()),
            })
        };
        Table::new(routes.iter().map(route).collect())
    }

    fn target(host: &str, path: &str) -> Target {
        let mut headers = HeaderMap::new();
        headers.insert(http::header::HOST, host.parse().unwrap());
        Target::parse(&path.parse().unwrap(), &headers).unwrap()
    }

    fn found(table: &Table, method: &Method, host: &str, path: &str) -> Result<String, Refusal> {
        table
            .find(method, &target(host, path))
            .map(|route| route.name.to_string())
    }

    #[test]
    fn the_most_specific_route_wins_whatever_the_order() {
        let routes: [(&str, &[&str], &[Method]); 6] = [
            ("/**", &[], &[]),
            ("/orders/**", &[], &[]),
            ("/orders/**", &[], &[Method::POST]),
            ("/orders/{id}", &[], &[]),
            ("/orders/new", &[], &[]),
            ("/**", &["b.test"], &[]),
        ];
        let mut backwards = routes;
        backwards.reverse();
        for table in [table(&routes), table(&backwards)] {
            let name = |method, host, path| found(&table, &method, host, path).unwrap();
            assert_eq!(name(Method::GET, "a.test", "/orders"), "[] /orders/** []");
            assert_eq!(
                name(Method::POST, "a.test", "/orders"),
                "[] /orders/** [POST]"
            );
            assert_eq!(
                name(Method::GET, "a.test", "/orders/7"),
                "[] /orders/{id} []"
            );
            assert_eq!(
                name(Method::GET, "a.test", "/orders/new"),
                "[] /orders/new []"
            );
            assert_eq!(
                name(Method::GET, "a.test", "/orders/7/lines"),
                "[] /orders/** []"
            );
            assert_eq!(
                name(Method::GET, "b.test", "/orders/7"),
                "[\"b.test\"] /** []"
            );
        }
    }

    #[test]
    fn a_path_without_a_fitting_method_names_the_methods_that_would_do() {
        let table = table(&[("/orders/**", &[], &[Method::POST, Method::PUT])]);
        let refusal = found(&table, &Method::GET, "a.test", "/orders").unwrap_err();
        assert_eq!(
            refusal,
            Refusal::MethodNotAllowed {
                allow: "POST, PUT".to_owned()
            }
        );
        assert_eq!(
            found(&table, &Method::GET, "a.test", "/x"),
            Err(Refusal::NoRoute)
        );
    }

    #[test]
    fn nothing_is_ever_traced_or_tunnelled() {
        let table = table(&[("/**", &[], &[])]);
        for method in [Method::TRACE, Method::CONNECT] {
            let refusal = found(&table, &method, "a.test", "/").unwrap_err();
            assert!(matches!(refusal, Refusal::MethodNotAllowed { .. }));
        }
    }

    const PATTERNS: [&str; 9] = [
        "/**", "/a", "/a/**", "/a/{x}", "/a/b", "/{x}/b", "/{x}/**", "/a/b/**", "/a/{x}/c",
    ];

    proptest! {
        #[test]
        fn the_search_agrees_with_comparing_every_route(
            chosen in proptest::sample::subsequence(&PATTERNS[..], 0..PATTERNS.len()),
            path in "(/[abc]){1,3}/?",
        ) {
            let routes: Vec<(&str, &[&str], &[Method])> = chosen.into_iter().map(|path| (path, &[][..], &[][..])).collect();
            let table = table(&routes);
            let found = found(&table, &Method::GET, "a.test", &path).ok();
            let expected = table.place("a.test", &path).map(|route| route.name.to_string());
            prop_assert_eq!(found, expected);
        }
    }
}
