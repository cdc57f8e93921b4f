//! The decision. Permits are made only here.

use std::sync::Arc;
use std::time::Instant;

use super::demand::{Demand, RequiredClaim, Terms};
use super::error::Denied;
use crate::token::Timestamp;
use crate::verify::Identity;

/// Proof of admission: the identity, if there is one, and until when it counts.
#[derive(Clone, Debug)]
pub struct Permit {
    identity: Option<Arc<Identity>>,
}

impl Permit {
    /// Who was admitted; nobody in particular on an open route.
    pub fn identity(&self) -> Option<&Arc<Identity>> {
        self.identity.as_ref()
    }

    /// When what flows under this permit must stop, seen from `now`.
    pub fn end(&self, now: Timestamp) -> Option<Instant> {
        let identity = self.identity.as_ref()?;
        Instant::now().checked_add(identity.expires_at.since(now))
    }
}

impl Demand {
    /// Admits whoever meets the demand.
    pub fn admit(&self, identity: Option<Arc<Identity>>) -> Result<Permit, Denied> {
        match (self, &identity) {
            (Self::Nothing, _) => return Ok(Permit { identity: None }),
            (Self::Optional(_), None) => {}
            (Self::Token(terms), None) => {
                return Err(Denied::NoToken {
                    needed: terms.scope.clone(),
                });
            }
            (Self::Optional(terms) | Self::Token(terms), Some(identity)) => {
                terms.judge(identity)?;
            }
        }
        Ok(Permit { identity })
    }
}

impl Terms {
    fn judge(&self, identity: &Identity) -> Result<(), Denied> {
        if !identity.scope.covers(&self.scope) {
            let held = identity.scope.clone();
            return Err(Denied::Scope {
                needed: self.scope.clone(),
                held,
            });
        }
        if self
            .claims
            .iter()
            .all(|required| required.is_met_by(identity))
        {
            Ok(())
        } else {
            Err(Denied::Claim)
        }
    }
}

impl RequiredClaim {
    fn is_met_by(&self, identity: &Identity) -> bool {
        let fits = |value: &serde_json::Value| match value {
            serde_json::Value::String(text) => self.values.contains(text),
            serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {
                self.values.contains(&value.to_string())
            }
            _ => false,
        };
        match identity
            .claim(self.claim)
            .and_then(|claim| claim.json.as_deref())
        {
            Some(value) if self.values.is_empty() => !value.is_null(),
            Some(serde_json::Value::Array(values)) => values.iter().any(fits),
            Some(value) => fits(value),
            None => false,
        }
    }
}
