//! A token nobody has seen before: whose it is, and what that issuer says.

use std::sync::Arc;

use super::issuer::{Issuer, IssuerSet, Issuers};
use super::jwt::Compact;
use super::wanted::Wanted;
use super::{Identity, Source, VerifyError};
use crate::observe::Trail;
use crate::token::{Claims, Digest, Timestamp};

/// One token, and all that is needed to judge it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question<'a> {
    pub(super) token: &'a str,
    pub(super) digest: Digest,
    pub(super) wanted: &'a Arc<Wanted>,
    pub(super) now: Timestamp,
}

impl Issuers {
    /// Judges one token: only members of `set` are asked.
    ///
    /// A signed token chooses its issuer by `iss`, which is not verified yet: it can only choose among those whose
    /// tokens the route accepts, and is then held to that issuer's keys. One without `iss` can only belong to the member
    /// whose tokens have none. What nobody claims goes to those members that must be asked.
    pub(super) async fn judge(
        &self,
        question: Question<'_>,
        set: &IssuerSet,
        trail: &mut Trail,
    ) -> Result<(Arc<Identity>, Source), VerifyError> {
        let (compact, claims) = match read(question.token) {
            Ok(read) => read,
            Err(error) => return self.introspect(question, set, None, error).await,
        };
        let identifier = claims.text("iss")?;
        let Some(signer) = self.signer(set, identifier) else {
            let error = VerifyError::UnknownIssuer;
            return self.introspect(question, set, identifier, error).await;
        };
        trail.issuer = Some(Arc::clone(signer.name()));
        let identity = match signer {
            Issuer::Local(local) => local.identify(&compact, &claims, question)?,
            Issuer::Jwks(jwks) => jwks.identify(&compact, &claims, question).await?,
            Issuer::Introspection(_) => return Err(VerifyError::UnknownIssuer),
        };
        Ok((Arc::new(identity), Source::Verified))
    }

    /// Asks the members that must be asked, in the order of the route; `verdict` holds if there are none.
    ///
    /// A token goes to nobody but those who may know it: one that names its issuer, only to that issuer or to one that
    /// does not say who it is.
    async fn introspect(
        &self,
        question: Question<'_>,
        set: &IssuerSet,
        identifier: Option<&str>,
        mut verdict: VerifyError,
    ) -> Result<(Arc<Identity>, Source), VerifyError> {
        for member in self.members(set) {
            let Issuer::Introspection(endpoint) = member else {
                continue;
            };
            if !endpoint.may_know(identifier) {
                continue;
            }
            match endpoint.identify(question).await {
                Ok(identity) => return Ok((identity, Source::Introspected)),
                // Of several, one that cannot be asked leaves the question open.
                Err(_) if matches!(verdict, VerifyError::IntrospectionUnavailable { .. }) => {}
                Err(error) => verdict = error,
            }
        }
        Err(verdict)
    }

    fn signer(&self, set: &IssuerSet, identifier: Option<&str>) -> Option<&Issuer> {
        self.members(set).find(|member| match member {
            Issuer::Local(local) => local.identifier() == identifier,
            Issuer::Jwks(jwks) => identifier.is_some() && jwks.identifier() == identifier,
            Issuer::Introspection(_) => false,
        })
    }
}

fn read(token: &str) -> Result<(Compact<'_>, Claims), VerifyError> {
    let compact = Compact::read(token)?;
    let claims = Claims::read(&compact.payload)?;
    Ok((compact, claims))
}
