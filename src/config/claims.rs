//! Who claims which host and path: no two may claim one with equal right.

use super::Config;
use super::check::Check;
use crate::dialect::MountSettings;
use crate::route::{HostPattern, Match, Methods, PathPattern};
use crate::settings::{Dotted, Place, Problem};

impl Check<'_> {
    /// Adds every tie between two routes, between two mounts, and between a mount and a route.
    pub(super) fn claims(&mut self) {
        let routes: Vec<Claim> = self
            .config
            .route
            .iter()
            .map(|(name, route)| Claim {
                path: Dotted::from("route").key(name),
                when: Match {
                    hosts: route.hosts.clone(),
                    path: route.path.clone(),
                    methods: route.methods.clone(),
                },
            })
            .collect();
        for (index, second) in routes.iter().enumerate() {
            for first in routes
                .iter()
                .take(index)
                .filter(|first| first.when.ties_with(&second.when))
            {
                let problem = self.tie(first, second);
                self.report(problem);
            }
        }
        let mut taken = routes;
        for (name, mount) in &self.config.dialect {
            self.hosts(
                &Dotted::from("dialect").key(name).key("hosts"),
                &mount.hosts,
            );
            let claims = claims_of(self.config, name, mount);
            let clash = claims.iter().find_map(|claim| {
                let first = taken.iter().find(|first| claim.clashes_with(first))?;
                Some((first, claim))
            });
            if let Some((first, second)) = clash {
                self.problems.push(clashing(first, second));
            }
            taken.extend(claims);
        }
    }

    fn hosts(&mut self, path: &Dotted, hosts: &[String]) {
        for (index, host) in hosts.iter().enumerate() {
            if let Err(words) = HostPattern::parse(host) {
                self.report(Problem::error(
                    "TG0242",
                    Place::value(path.item(index)),
                    words,
                ));
            }
        }
    }

    fn tie(&self, first: &Claim, second: &Claim) -> Problem {
        let line = self
            .document
            .line_of(&first.path)
            .map(|line| format!(" ({line})"))
            .unwrap_or_default();
        let message = format!(
            "[{}] and [{}] fit the same requests equally well",
            second.path, first.path
        );
        Problem::error("TG0240", Place::value(second.path.key("path")), message)
            .help(format!(
                "let host, path or method tell it from [{}]{line}",
                first.path
            ))
            .note("the most specific route wins, and the order of a file means nothing")
            .see(Place::value(first.path.key("path")), "the other")
    }
}

/// Somebody's right to a host and path.
struct Claim {
    /// The table in the file.
    path: Dotted,
    when: Match,
}

impl Claim {
    /// Whether both want the same host and path, whatever the method.
    fn clashes_with(&self, other: &Self) -> bool {
        let of_all_methods = Match {
            methods: Methods::default(),
            ..other.when.clone()
        };
        self.when.ties_with(&of_all_methods)
    }
}

/// What a mount claims: each of its endpoints, and for most dialects all below its path. A route may lie below a mount,
/// but not on an endpoint.
fn claims_of(config: &Config, name: &str, mount: &MountSettings) -> Vec<Claim> {
    let dialect = mount.dialect(&config.mount_url(mount));
    let identifier = config.identifier_of(mount);
    let all = dialect.owns_all_below();
    let below = all.then(|| format!("{}/**", mount.prefix())).into_iter();
    let endpoints = dialect
        .endpoints()
        .iter()
        .map(|endpoint| endpoint.spot)
        .chain(dialect.authorization().iter().copied())
        .map(|spot| spot.path(mount.prefix(), &identifier));
    let claim = |path: String| {
        let path = PathPattern::parse(&path).ok()?;
        let hosts = mount
            .hosts
            .iter()
            .filter_map(|host| HostPattern::parse(host).ok())
            .collect();
        let when = Match {
            hosts,
            path,
            methods: Methods::default(),
        };
        Some(Claim {
            path: Dotted::from("dialect").key(name),
            when,
        })
    };
    below.chain(endpoints).filter_map(claim).collect()
}

fn clashing(first: &Claim, second: &Claim) -> Problem {
    let message = format!(
        "[{}] and [{}] both claim {}",
        second.path, first.path, second.when.path
    );
    Problem::error("TG0241", Place::key(&second.path), message)
        .help("give it another `path`, or `hosts` of its own")
        .see(Place::key(&first.path), "the other")
}
