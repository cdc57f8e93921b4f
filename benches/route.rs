//! What it costs to know where a request is going: its target, read once into the canonical form, and the route that
//! applies, among few and among many.

use std::error::Error;
use std::sync::Arc;

use criterion::Criterion;
use http::header::HOST;
use http::{HeaderMap, HeaderValue, Method, Uri};
use tollgate::forward::{
    Forwarding, Upstream, UpstreamSettings, UpstreamTimeouts, UpstreamTls, UpstreamUrl,
};
use tollgate::net::{Target, Tasks};
use tollgate::permit::Demand;
use tollgate::route::{
    AmbiguousPaths, Destination, HostPattern, Match, Methods, PathPattern, Route, SocketHandling,
    Table,
};
use tollgate::verify::Accepted;

type Failure = Box<dyn Error>;

fn main() -> Result<(), Failure> {
    let mut criterion = Criterion::default().configure_from_args();
    target(&mut criterion);
    find(&mut criterion)?;
    criterion.final_summary();
    Ok(())
}

fn target(criterion: &mut Criterion) {
    let headers = headers();
    let mut group = criterion.benchmark_group("target");
    for (name, uri) in [
        ("already canonical", "/orders/2026/11/7?expand=lines"),
        (
            "with escapes to decode",
            "/orders/%61%62%63/7%2dx?expand=lines",
        ),
        ("refused", "/orders/%2e%2e/admin"),
    ] {
        let uri = Uri::from_static(uri);
        group.bench_function(name, |bencher| {
            bencher.iter(|| Target::parse(&uri, &headers));
        });
    }
    group.finish();
}

fn find(criterion: &mut Criterion) -> Result<(), Failure> {
    let mut group = criterion.benchmark_group("find a route");
    for services in [1, 10, 1000] {
        let table = table(services)?;
        let last = services - 1;
        for (name, path) in [
            ("by prefix", format!("/service-{last}/orders/7/lines")),
            ("by pattern", format!("/service-{last}/users/7")),
            ("none", "/nowhere/in/particular".to_owned()),
        ] {
            let target =
                Target::parse(&path.parse()?, &headers()).map_err(|error| format!("{error:?}"))?;
            group.bench_function(format!("{name}, of {}", services * 2), |bencher| {
                bencher.iter(|| table.find(&Method::GET, &target).is_ok());
            });
        }
    }
    group.finish();
    Ok(())
}

/// Two routes for each service.
fn table(services: usize) -> Result<Table, Failure> {
    let upstream = Arc::new(upstream()?);
    let mut routes = Vec::new();
    for number in 0..services {
        for path in [
            format!("/service-{number}/**"),
            format!("/service-{number}/users/{{id}}"),
        ] {
            routes.push(Arc::new(route(&path, &upstream)?));
        }
    }
    Ok(Table::new(routes))
}

fn route(path: &str, upstream: &Arc<Upstream>) -> Result<Route, Failure> {
    Ok(Route {
        name: Arc::from(path),
        when: Match {
            hosts: vec![HostPattern::parse("api.example.com")?],
            path: PathPattern::parse(path)?,
            methods: Methods::default(),
        },
        ambiguous_paths: AmbiguousPaths::Refuse,
        demand: Demand::Nothing,
        accepts: Accepted::default(),
        voice: None,
        socket: SocketHandling::Pass,
        destination: Destination::Upstream(Arc::clone(upstream), Forwarding::default()),
    })
}

fn upstream() -> Result<Upstream, Failure> {
    let settings = UpstreamSettings {
        url: UpstreamUrl::parse("http://127.0.0.1:3000")?,
        timeouts: UpstreamTimeouts::default(),
        tls: UpstreamTls::default(),
    };
    Ok(Upstream::new(
        Arc::from("bench"),
        &settings,
        1,
        Tasks::default(),
    )?)
}

fn headers() -> HeaderMap {
    HeaderMap::from_iter([(HOST, HeaderValue::from_static("api.example.com"))])
}
