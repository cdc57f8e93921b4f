//! What it costs to judge a token: the signature alone, by algorithm, and the digest under which a verdict is kept.

use std::error::Error;
use std::hint::black_box;

use criterion::Criterion;
use tollgate::token::{Algorithm, Digest, SigningKey, VerifyingKey};

/// As long as header and claims of an ordinary access token.
const MESSAGE: [u8; 460] = [b'x'; 460];

fn main() -> Result<(), Box<dyn Error>> {
    let mut criterion = Criterion::default().configure_from_args();
    signature(&mut criterion)?;
    criterion.bench_function("digest of a token", |bencher| {
        bencher.iter(|| Digest::of(black_box(&MESSAGE)));
    });
    criterion.final_summary();
    Ok(())
}

fn signature(criterion: &mut Criterion) -> Result<(), Box<dyn Error>> {
    let mut group = criterion.benchmark_group("verify a signature");
    for algorithm in Algorithm::ALL {
        let key = SigningKey::generate(algorithm)?;
        let signature = key.sign(&MESSAGE)?;
        let known = VerifyingKey::from_jwk(key.jwk(), &[algorithm])?;
        let known = known.first().ok_or("a key of ours was not taken")?;
        group.bench_function(algorithm.name(), |bencher| {
            bencher.iter(|| known.verify(black_box(&MESSAGE), &signature));
        });
    }
    group.finish();
    Ok(())
}
