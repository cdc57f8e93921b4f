//! A caller with a good token, and the issuer who gave it.

use std::error::Error;
use std::net::Ipv4Addr;
use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use serde_json::json;
use tokio::runtime::Runtime;
use tollgate::observe::Trail;
use tollgate::token::{Algorithm, Keyring, Profile, SigningKey, Timestamp};
use tollgate::verify::{
    Accepted, ClaimId, Claimant, Identity, Issuers, Local, Memo, TokenCache, Verifier, Wanted,
};

const IDENTIFIER: &str = "https://issuer.bench";
const AUDIENCE: &str = "api";
const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const CACHE: u64 = 64 << 20;
/// A route that accepts the tokens of one issuer, and a request with a good one.
pub(crate) struct Caller {
    runtime: Runtime,
    issuers: Arc<Issuers>,
    route: Accepted,
    request: HeaderMap,
}

impl Caller {
    /// Makes the issuer, the token and the request.
    pub(crate) fn new() -> Result<Self, Box<dyn Error>> {
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
        let caller = Self {
            runtime: tokio::runtime::Builder::new_current_thread().build()?,
            issuers: Arc::new(issuers),
            route,
            request: request(&key)?,
        };
        caller
            .identify(&caller.verifier(), &Memo::default())
            .ok_or("the token was refused")?;
        Ok(caller)
    }

    /// A verifier that has seen no token yet.
    pub(crate) fn verifier(&self) -> Verifier {
        Verifier::new(
            Arc::clone(&self.issuers),
            wanted().0,
            TokenCache::new(CACHE),
        )
    }

    /// Whose request it is, if the verifier takes its token.
    pub(crate) fn identify(&self, verifier: &Verifier, memo: &Memo) -> Option<Arc<Identity>> {
        let mut trail = Trail::default();
        let claimant = Claimant {
            headers: &self.request,
            memo,
            client: Ipv4Addr::LOCALHOST.into(),
            now: NOW,
        };
        let identity = verifier.identify(claimant, &self.route, &mut trail);
        self.runtime.block_on(identity).ok().flatten()
    }
}

/// What the routes want to know of a token: the subject, and one claim more, by which it is found again.
pub(crate) fn wanted() -> (Wanted, ClaimId) {
    let mut wanted = Wanted::default();
    wanted.id("sub");
    let tenant = wanted.id("claims.tenant");
    (wanted, tenant)
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
