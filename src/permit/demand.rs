//! What a route asks of the caller.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::token::Scope;
use crate::verify::ClaimId;

/// What a route asks of a token, as the operator writes it.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RequireSettings {
    /// Scope tokens that must all be held, separated by spaces.
    pub scope: Option<Scope>,
    /// Claims that must have one of the values listed; a claim that is a list must hold one of them. No value listed: the
    /// claim must be there.
    pub claims: BTreeMap<String, Vec<String>>,
}

/// What a route asks of the caller.
#[derive(Clone, Debug)]
pub enum Demand {
    /// Nothing: the route is open, and a token that comes along is not looked at.
    Nothing,
    /// A token is welcome and must be good; without one the request passes without an identity.
    Optional(Terms),
    /// A token that meets these terms.
    Token(Terms),
}

/// The particulars of what a token must be.
#[derive(Clone, Debug)]
pub struct Terms {
    /// What it must permit.
    pub scope: Scope,
    /// What it must claim.
    pub claims: Box<[RequiredClaim]>,
}

/// A claim and the values that will do.
#[derive(Clone, Debug)]
pub struct RequiredClaim {
    /// The claim.
    pub claim: ClaimId,
    /// The values that will do; if none is listed, any will.
    pub values: Box<[String]>,
}

impl Demand {
    /// What the route wants, for the challenge to a caller without a token.
    pub fn scope(&self) -> Scope {
        match self {
            Self::Nothing => Scope::empty(),
            Self::Optional(terms) | Self::Token(terms) => terms.scope.clone(),
        }
    }

    /// Whether a token is looked for at all.
    pub fn looks_for_a_token(&self) -> bool {
        !matches!(self, Self::Nothing)
    }
}
