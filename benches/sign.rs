//! What it costs to issue a token: the signature alone, by algorithm.

use std::error::Error;
use std::hint::black_box;

use criterion::Criterion;
use tollgate::token::{Algorithm, SigningKey};

/// As long as header and claims of an ordinary access token.
const MESSAGE: [u8; 460] = [b'x'; 460];

fn main() -> Result<(), Box<dyn Error>> {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("sign");
    for algorithm in [
        Algorithm::ES256,
        Algorithm::EdDSA,
        Algorithm::RS256,
        Algorithm::PS256,
    ] {
        let key = SigningKey::generate(algorithm)?;
        group.bench_function(algorithm.name(), |bencher| {
            bencher.iter(|| key.sign(black_box(&MESSAGE)));
        });
    }
    group.finish();
    criterion.final_summary();
    Ok(())
}
