//! What it costs to judge a token: the signature alone, by algorithm, and the whole way from a request to an identity
//! by what is remembered of the token.

#[path = "bed/caller.rs"]
mod caller;

use std::error::Error;
use std::hint::black_box;

use criterion::{BatchSize, Criterion};
use tollgate::token::{Algorithm, SigningKey, VerifyingKey};
use tollgate::verify::Memo;

use crate::caller::Caller;

/// As long as header and claims of an ordinary access token.
const MESSAGE: [u8; 460] = [b'x'; 460];

fn main() -> Result<(), Box<dyn Error>> {
    let mut criterion = Criterion::default().configure_from_args();
    signature(&mut criterion)?;
    identify(&mut criterion, &Caller::new()?);
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

fn identify(criterion: &mut Criterion, caller: &Caller) {
    let mut group = criterion.benchmark_group("identify");
    let (warm, memo) = (caller.verifier(), Memo::default());
    group.bench_function("the connection's last token", |bencher| {
        bencher.iter(|| caller.identify(&warm, &memo));
    });
    group.bench_function("a token seen on another connection", |bencher| {
        bencher.iter_batched_ref(
            Memo::default,
            |memo| caller.identify(&warm, memo),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("a new token", |bencher| {
        let new = || (caller.verifier(), Memo::default());
        bencher.iter_batched_ref(
            new,
            |(cold, memo)| caller.identify(cold, memo),
            BatchSize::LargeInput,
        );
    });
    group.finish();
}
