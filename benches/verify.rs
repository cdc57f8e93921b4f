//! What it costs to judge a token: the signature alone, by algorithm, and the whole way from a request to an identity
//! by what is remembered of the token.

use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use serde_json::json;
use tokio::runtime::Runtime;
use tollgate::observe::Trail;
use tollgate::token::{Algorithm, Keyring, Profile, SigningKey, Timestamp, VerifyingKey};
use tollgate::verify::{Accepted, Issuers, Local, Memo, TokenCache, Verifier, Wanted};

/// As long as header and claims of an ordinary access token.
const MESSAGE: [u8; 460] = [b'x'; 460];
const IDENTIFIER: &str = "https://issuer.bench";
const AUDIENCE: &str = "api";
const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const CACHE: u64 = 64 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    let mut criterion = Criterion::default().configure_from_args();
    signature(&mut criterion)?;
    identify(&mut criterion, &Bed::new()?);
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

fn identify(criterion: &mut Criterion, bed: &Bed) {
    let mut group = criterion.benchmark_group("identify");
    let (warm, memo) = (bed.verifier(), Memo::default());
    group.bench_function("the connection's last token", |bencher| {
        bencher.iter(|| bed.identify(&warm, &memo));
    });
    group.bench_function("a token seen on another connection", |bencher| {
        bencher.iter_batched_ref(
            Memo::default,
            |memo| bed.identify(&warm, memo),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("a new token", |bencher| {
        let new = || (bed.verifier(), Memo::default());
        bencher.iter_batched_ref(
            new,
            |(cold, memo)| bed.identify(cold, memo),
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

/// A route that accepts the tokens of one issuer, and a request with a good one.
struct Bed {
    runtime: Runtime,
    issuers: Arc<Issuers>,
    route: Accepted,
    request: HeaderMap,
}

impl Bed {
    fn new() -> Result<Self, Box<dyn Error>> {
        let key = Arc::new(SigningKey::generate(Algorithm::ES256)?);
        let mut issuers = Issuers::default();
        issuers.add_local(Local {
            name: Arc::from("bench"),
            identifier: IDENTIFIER.to_owned(),
            audience: AUDIENCE.to_owned(),
            profile: Profile::standard(),
            keyring: Arc::new(Keyring::new(Arc::clone(&key), &[])),
        });
        let route = Accepted {
            issuers: issuers.set(["bench"])?,
            ..Accepted::default()
        };
        let bed = Self {
            runtime: tokio::runtime::Builder::new_current_thread().build()?,
            issuers: Arc::new(issuers),
            route,
            request: request(&key)?,
        };
        bed.is_sound()?;
        Ok(bed)
    }

    fn verifier(&self) -> Verifier {
        Verifier::new(
            Arc::clone(&self.issuers),
            Wanted::default(),
            TokenCache::new(CACHE),
        )
    }

    /// Whether the request brought an identity.
    fn identify(&self, verifier: &Verifier, memo: &Memo) -> bool {
        let mut trail = Trail::default();
        let identity = verifier.identify(&self.request, &self.route, memo, NOW, &mut trail);
        matches!(self.runtime.block_on(identity), Ok(Some(_)))
    }

    fn is_sound(&self) -> Result<(), Box<dyn Error>> {
        let sound = self.identify(&self.verifier(), &Memo::default());
        sound
            .then_some(())
            .ok_or_else(|| "the token was refused".into())
    }
}

fn request(key: &SigningKey) -> Result<HeaderMap, Box<dyn Error>> {
    let claims = json!({
        "iss": IDENTIFIER, "aud": AUDIENCE, "sub": "user-00000001", "client_id": "bench-client",
        "jti": "01963d6c9d3a7f4e8c2b5a1f0e9d8c7b", "iat": NOW.seconds(), "exp": NOW.seconds() + 600,
        "scope": "read write profile", "tenant": "acme",
    });
    let token = key.token(&Profile::standard(), &claims)?;
    let value = HeaderValue::try_from(format!("Bearer {token}"))?;
    Ok(HeaderMap::from_iter([(AUTHORIZATION, value)]))
}
