//! What it costs to know where a request is going: its target, read once into the canonical form.

use criterion::Criterion;
use http::header::HOST;
use http::{HeaderMap, HeaderValue, Uri};
use tollgate::net::Target;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    target(&mut criterion);
    criterion.final_summary();
}

fn target(criterion: &mut Criterion) {
    let mut headers = HeaderMap::new();
    headers.insert(HOST, HeaderValue::from_static("api.example.com"));
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
