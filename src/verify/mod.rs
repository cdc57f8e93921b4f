//! Who is asking, and how do we know?
//!
//! [`Verifier`] turns the token in a request into an [`Identity`], or says why not. An issuer is somebody whose
//! tokens count: we ourselves, someone whose keys we fetch, or someone we must ask about each token. A route names
//! some of them, an [`IssuerSet`], and a token can choose among those and no others.
//!
//! Promises: an identity is made only here, and only from a token whose signature or whose issuer vouches for it; the
//! key brings the algorithm, claims are read strictly, and nothing in a token makes us fetch anything by name. Facts are
//! remembered, verdicts are not: time and trust are asked again on every request. A question that cannot be answered now
//! is an error of its own and never remembered. A token is never a key of a cache, nor in a log or an error: its digest
//! is. What was taken back is refused from the moment the verdict is known, however often it was found good before. Whoever
//! forges many tokens has no more of them verified for a while. This folder knows no route and no dialect.
//!
//! Reading order: `verifier`, `carrier`, `memo`, `judge`, `jwt`, `keys`, `rules`, `names`, `identity`,
//! `revocations`, `cluster`, `sightings`, `wanted`, `issuer`, `error`.

mod carrier;
mod cluster;
mod error;
mod identity;
mod issuer;
mod judge;
pub mod jwt;
mod keys;
mod memo;
mod names;
mod revocations;
mod rules;
mod sightings;
#[cfg(test)]
mod testing;
mod verifier;
mod wanted;

pub use carrier::lift;
pub use cluster::{ClusterSettings, Deaf};
pub use error::{AskError, SetupError, VerifyError};
pub use identity::{ClaimValue, Identity, Own};
pub use issuer::settings::{IssuerSettings, JwksSettings, Kind, OnOutage};
pub use issuer::{IssuerId, IssuerSet, IssuerState, Issuers, Local};
pub use keys::{KeySet, KeySetError};
pub use memo::{CacheSettings, Memo, TokenCache, TokenCacheSettings};
pub use revocations::Revocations;
pub use sightings::{Sightings, TokenName};
pub use verifier::{Accepted, Claimant, Source, Verifier};
pub use wanted::{ClaimId, Wanted};
