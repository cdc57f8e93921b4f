//! What it costs to issue a token: header, claims and signature, by algorithm.

use std::error::Error;
use std::hint::black_box;

use criterion::Criterion;
use serde_json::json;
use tollgate::token::{Algorithm, Profile, SigningKey};

fn main() -> Result<(), Box<dyn Error>> {
    let mut criterion = Criterion::default().configure_from_args();
    let claims = json!({
        "iss": "https://issuer.bench", "aud": "api", "sub": "user-00000001", "client_id": "bench-client",
        "jti": "01963d6c9d3a7f4e8c2b5a1f0e9d8c7b", "iat": 1_800_000_000, "exp": 1_800_000_600,
        "scope": "read write profile", "tenant": "acme",
    });
    let mut group = criterion.benchmark_group("sign");
    for algorithm in [
        Algorithm::ES256,
        Algorithm::EdDSA,
        Algorithm::RS256,
        Algorithm::PS256,
    ] {
        let key = SigningKey::generate(algorithm)?;
        let profile = Profile {
            algorithm,
            ..Profile::standard()
        };
        group.bench_function(algorithm.name(), |bencher| {
            bencher.iter(|| key.token(&profile, black_box(&claims)));
        });
    }
    group.finish();
    criterion.final_summary();
    Ok(())
}
