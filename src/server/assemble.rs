//! A configuration and what is kept make a gate.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use http::HeaderName;

use super::chores::Chores;
use super::{Kept, StartError};
use crate::config::Config;
use crate::dialect::{Dialect, LimitSettings, Mount, MountSettings};
use crate::forward::{Forwarding, IdentityHeader, Reserved, Upstream};
use crate::gate::Gate;
use crate::net::Tasks;
use crate::observe::{Journal, Metrics, Observer, RequestIds};
use crate::pages::{Look, Pages};
use crate::permit::{Demand, RequireSettings, RequiredClaim, Terms};
use crate::route::{
    Access, AmbiguousPaths, Destination, HostPattern, Match, Methods, PathPattern, Route,
    RouteSettings, SocketHandling, Table,
};
use crate::settings::ByteSize;
use crate::token::{Carriers, Scope, TimeSource};
use crate::verify::{Accepted, Issuers, Local, TokenCache, Verifier, Wanted};

/// The gate of this configuration.
pub(super) fn gate(
    config: &Config,
    kept: &Kept,
    chores: &Chores,
    tasks: &Tasks,
    time: TimeSource,
) -> Result<Gate, StartError> {
    let workers = config.workers().get();
    let mut planner = Planner {
        config,
        kept,
        issuers: issuers(config, kept, chores)?,
        upstreams: upstreams(config, workers, tasks)?,
        wanted: Wanted::default(),
        look: Arc::new(Look::new(&config.pages)?),
    };
    let routes = planner.routes()?;
    let cache = TokenCache::new(config.cache.tokens.capacity.get());
    Ok(Gate {
        reserved: reserved(&routes),
        routes: Table::new(routes),
        verifier: Verifier::new(Arc::new(planner.issuers), planner.wanted, cache),
        observer: Arc::new(observer(config, workers)?),
        time,
        ids: Arc::new(RequestIds::new(random()?)),
    })
}

/// What the routes of one configuration are compiled from.
struct Planner<'a> {
    config: &'a Config,
    kept: &'a Kept,
    issuers: Issuers,
    upstreams: BTreeMap<String, Arc<Upstream>>,
    wanted: Wanted,
    look: Arc<Look>,
}

/// Whose tokens count: those of our own mounts, and those of others.
fn issuers(config: &Config, kept: &Kept, chores: &Chores) -> Result<Issuers, StartError> {
    let mut issuers = Issuers::knowing(
        kept.mint.revocations().clone(),
        kept.mint.sightings().clone(),
    );
    for mount in kept.mounts.values() {
        let issuer = mount.issuer();
        issuers.add_local(Local {
            name: Arc::clone(&issuer.name),
            identifier: issuer.identifier.clone(),
            audience: issuer.audience.clone(),
            profile: issuer.profile.clone(),
            keyring: Arc::clone(&issuer.keyring),
        });
    }
    let Some(handle) = chores.handle() else {
        return Ok(issuers);
    };
    for (name, settings) in &config.issuer {
        issuers.add_remote(name, settings, handle, None)?;
    }
    Ok(issuers)
}

fn observer(config: &Config, workers: usize) -> Result<Observer, StartError> {
    let output = std::io::stdout();
    let format = config.telemetry.log.format.settle(&output);
    let wanted = config.telemetry.access_log.enabled;
    let journal = if wanted {
        Some(Journal::new(workers, output).map_err(StartError::System)?)
    } else {
        None
    };
    Ok(Observer {
        metrics: Metrics::new(workers),
        journal,
        format,
    })
}

fn random() -> Result<u64, StartError> {
    let mut bytes = [0; 8];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| StartError::System(std::io::Error::other("no random numbers")))?;
    Ok(u64::from_ne_bytes(bytes))
}

/// The identity fields of all routes.
fn reserved(routes: &[Arc<Route>]) -> Reserved {
    let named = |route: &Arc<Route>| match &route.destination {
        Destination::Upstream(_, forwarding) => forwarding
            .identity
            .iter()
            .map(|field| field.name.clone())
            .collect(),
        Destination::Mount(_) | Destination::Pages(_) => Vec::new(),
    };
    Reserved::new(routes.iter().flat_map(named))
}

/// The upstreams of the file, with connections for this many workers.
fn upstreams(
    config: &Config,
    workers: usize,
    tasks: &Tasks,
) -> Result<BTreeMap<String, Arc<Upstream>>, StartError> {
    let open = |(name, settings): (&String, &_)| {
        let upstream = Upstream::new(Arc::from(name.as_str()), settings, workers, tasks.clone())
            .map_err(|source| StartError::Upstream {
                name: name.clone(),
                source,
            })?;
        Ok((name.clone(), Arc::new(upstream)))
    };
    config.upstream.iter().map(open).collect()
}

impl Planner<'_> {
    /// The routes of the file, and one for each place of a mount.
    fn routes(&mut self) -> Result<Vec<Arc<Route>>, StartError> {
        let mut routes = Vec::new();
        for (name, settings) in &self.config.route {
            routes.push(Arc::new(self.route(name, settings)?));
        }
        for (name, settings) in &self.config.dialect {
            if let Some(mount) = self.kept.mounts.get(name) {
                routes.extend(self.mount_routes(mount, settings)?);
            }
        }
        Ok(routes)
    }

    fn route(&mut self, name: &str, settings: &RouteSettings) -> Result<Route, StartError> {
        let issuers = self.config.issuers_of(settings);
        let voice = self.voice(settings, &issuers);
        let demand = self.demand(settings);
        let carriers = voice
            .as_ref()
            .map_or_else(Carriers::default, |voice| voice.profile().carriers.clone());
        let forwarding = self.forwarding(name, settings, carriers.clone())?;
        let upstream =
            self.upstreams
                .get(&settings.upstream)
                .ok_or_else(|| StartError::NoSuchUpstream {
                    route: name.to_owned(),
                    upstream: settings.upstream.clone(),
                })?;
        Ok(Route {
            name: Arc::from(name),
            when: Match {
                hosts: settings.hosts.clone(),
                path: settings.path.clone(),
                methods: settings.methods.clone(),
            },
            ambiguous_paths: settings.ambiguous_paths,
            accepts: Accepted {
                issuers: self.issuers.set(issuers.iter().copied())?,
                carriers,
                subject_needed: settings
                    .forward
                    .identity
                    .values()
                    .any(|claim| claim == "sub"),
            },
            demand,
            voice,
            socket: settings.socket,
            destination: Destination::Upstream(Arc::clone(upstream), forwarding),
        })
    }

    /// The dialect that was named, or that of the first issuer that has one.
    fn voice(&self, settings: &RouteSettings, issuers: &[&str]) -> Option<Arc<dyn Dialect>> {
        let named = settings.voice.as_deref().into_iter();
        let mut mounts = named
            .chain(issuers.iter().copied())
            .filter_map(|name| self.kept.mounts.get(name));
        mounts.next().map(|mount| Arc::clone(mount.dialect()))
    }

    fn demand(&mut self, settings: &RouteSettings) -> Demand {
        match settings.auth {
            Access::Public => Demand::Nothing,
            Access::Optional => Demand::Optional(self.terms(&settings.require)),
            Access::Required => Demand::Token(self.terms(&settings.require)),
        }
    }

    fn terms(&mut self, settings: &RequireSettings) -> Terms {
        let claim = |(path, values): (&String, &Vec<String>)| RequiredClaim {
            claim: self.wanted.required(path),
            values: values.clone().into_boxed_slice(),
        };
        Terms {
            claims: settings.claims.iter().map(claim).collect(),
            scope: settings.scope.clone().unwrap_or_else(Scope::empty),
        }
    }

    fn forwarding(
        &mut self,
        route: &str,
        settings: &RouteSettings,
        carriers: Carriers,
    ) -> Result<Forwarding, StartError> {
        let forward = &settings.forward;
        let mut identity = Vec::new();
        for (field, claim) in &forward.identity {
            let name =
                HeaderName::try_from(field.as_str()).map_err(|_| StartError::IdentityField {
                    route: route.to_owned(),
                    field: field.clone(),
                })?;
            identity.push(IdentityHeader {
                name,
                claim: self.wanted.id(claim),
            });
        }
        Ok(Forwarding {
            identity: identity.into_boxed_slice(),
            strip_prefix: forward
                .strip_prefix
                .as_deref()
                .map(|prefix| Box::from(prefix.trim_end_matches('/'))),
            token: forward.token,
            carriers,
            body_limit: settings.body_limit.map(ByteSize::get),
        })
    }

    /// One route for each place of a mount. Most of its endpoints are for everybody; some demand one of its own tokens.
    fn mount_routes(
        &mut self,
        mount: &Arc<Mount>,
        settings: &MountSettings,
    ) -> Result<Vec<Arc<Route>>, StartError> {
        let broken = |what: String| StartError::MountPlace {
            name: mount.name.to_string(),
            what,
        };
        let hosts: Vec<HostPattern> = settings
            .hosts
            .iter()
            .map(|host| HostPattern::parse(host))
            .collect::<Result<_, _>>()
            .map_err(broken)?;
        let pages = self.pages(mount, settings);
        let guarded = Accepted {
            issuers: self.issuers.set(std::iter::once(&*mount.name))?,
            carriers: mount.dialect().profile().carriers.clone(),
            subject_needed: true,
        };
        let route = |path: String, demand: Demand, accepts: Accepted, to: Destination| {
            Ok(Arc::new(Route {
                name: Arc::clone(&mount.name),
                when: Match {
                    hosts: hosts.clone(),
                    path: PathPattern::parse(&path).map_err(broken)?,
                    methods: Methods::default(),
                },
                ambiguous_paths: AmbiguousPaths::Refuse,
                demand,
                accepts,
                voice: Some(Arc::clone(mount.dialect())),
                socket: SocketHandling::Bridge,
                destination: to,
            }))
        };
        let open = mount.paths().into_iter();
        let here = || Destination::Mount(Arc::clone(mount));
        let open = open.map(|path| route(path, Demand::Nothing, Accepted::default(), here()));
        let asking = mount.authorization_paths().into_iter().map(|path| {
            let to = Destination::Pages(Arc::clone(&pages));
            route(path, Demand::Nothing, Accepted::default(), to)
        });
        let token = || {
            Demand::Token(Terms {
                claims: Box::default(),
                scope: Scope::empty(),
            })
        };
        let closed = mount.guarded_paths().into_iter();
        let closed = closed.map(|path| route(path, token(), guarded.clone(), here()));
        open.chain(asking).chain(closed).collect()
    }

    /// The pages of a mount, with one limit for all its paths.
    fn pages(&self, mount: &Mount, settings: &MountSettings) -> Arc<Pages> {
        let url = self.config.mount_url(settings);
        let stay = self.config.pages.stay();
        let authorizer = self.kept.authorizer.clone();
        let pages = Pages::new(mount, authorizer, Arc::clone(&self.look), stay, &url);
        Arc::new(pages.limited(settings.limit.map(LimitSettings::smooth)))
    }
}
