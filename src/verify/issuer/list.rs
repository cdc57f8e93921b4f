//! All issuers of a configuration, and the sets that routes make of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::{Introspection, Issuer, Jwks, Local, LocalIssuer};
use crate::net::Outbound;
use crate::token::Timestamp;
use crate::verify::{Revocations, SetupError, Sightings};

/// All issuers of a configuration.
#[derive(Debug, Default)]
pub struct Issuers {
    members: Vec<Issuer>,
    sets: Vec<Arc<IssuerSet>>,
    /// Those without whose keys the gateway is not ready.
    required: Vec<IssuerId>,
    /// The client that trusts the authorities of the operating system, once one was needed.
    client: Option<Outbound>,
    /// What was taken back of our own tokens.
    revocations: Revocations,
    /// Which generations of our sessions have been seen.
    sightings: Sightings,
}

/// One issuer of a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IssuerId(u16);

/// The issuers whose tokens a route accepts, in its order.
///
/// Its number is its own in the whole life of the process, so what is remembered under it never outlives its
/// configuration.
#[derive(Debug, Default)]
pub struct IssuerSet {
    number: u32,
    members: Box<[IssuerId]>,
}

/// What an operator should know about an issuer.
#[derive(Clone, Debug)]
pub struct IssuerState {
    /// Its name in the operator's file.
    pub name: Arc<str>,
    /// `local`, `jwks` or `introspection`.
    pub kind: &'static str,
    /// How many keys may be used now.
    pub keys: usize,
    /// When its keys were last fetched well.
    pub last_success: Option<Timestamp>,
    /// Why the last question had no answer, if it had none.
    pub last_error: Option<String>,
    /// How often it was asked, for keys or about a token.
    pub asked: u64,
    /// How often that failed.
    pub failed: u64,
}

impl Issuers {
    /// No issuers yet, and what is known of our own tokens.
    pub fn knowing(revocations: Revocations, sightings: Sightings) -> Self {
        Self {
            revocations,
            sightings,
            ..Self::default()
        }
    }

    /// What is known of our own tokens that were taken back.
    pub const fn revocations(&self) -> &Revocations {
        &self.revocations
    }

    pub(in crate::verify) const fn sightings(&self) -> &Sightings {
        &self.sightings
    }

    /// Adds one of our own mounts.
    pub fn add_local(&mut self, local: Local) -> IssuerId {
        self.add(Issuer::Local(Box::new(LocalIssuer::new(local))))
    }

    pub(super) fn add_jwks(&mut self, jwks: Arc<Jwks>, required: bool) -> IssuerId {
        let id = self.add(Issuer::Jwks(jwks));
        if required {
            self.required.push(id);
        }
        id
    }

    pub(super) fn add_introspection(&mut self, endpoint: Introspection) -> IssuerId {
        self.add(Issuer::Introspection(endpoint))
    }

    /// The set of these issuers; the same names in the same order are the same set.
    ///
    /// Two members whose tokens look alike are refused: a token must be able to say whose it is.
    pub fn set<'a>(
        &mut self,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Result<Arc<IssuerSet>, SetupError> {
        let mut members = Vec::new();
        for name in names {
            let id = self
                .find(name)
                .ok_or_else(|| SetupError::NoSuchIssuer(name.to_owned()))?;
            if !members.contains(&id) {
                members.push(id);
            }
        }
        if let Some(known) = self.sets.iter().find(|set| *set.members == *members) {
            return Ok(Arc::clone(known));
        }
        self.check_apart(&members)?;
        let set = Arc::new(IssuerSet {
            number: NEXT_NUMBER.fetch_add(1, Ordering::Relaxed),
            members: members.into_boxed_slice(),
        });
        self.sets.push(Arc::clone(&set));
        Ok(set)
    }

    /// The issuer of this name.
    pub fn find(&self, name: &str) -> Option<IssuerId> {
        let place = self
            .members
            .iter()
            .position(|member| **member.name() == *name)?;
        u16::try_from(place).ok().map(IssuerId)
    }

    /// Fetches what is due. To be called every second or so, and once at start.
    pub fn tick(&self, now: Timestamp) {
        for member in &self.members {
            if let Issuer::Jwks(jwks) = member {
                jwks.tick(now);
            }
        }
    }

    /// Whether every issuer that is required at start has keys.
    pub fn are_ready(&self, now: Timestamp) -> bool {
        let mut required = self.required.iter();
        required.all(|id| match self.members.get(usize::from(id.0)) {
            Some(Issuer::Jwks(jwks)) => jwks.has_keys(now),
            _ => true,
        })
    }

    /// How every issuer is doing.
    pub fn states(&self, now: Timestamp) -> Vec<IssuerState> {
        let state = |member: &Issuer| member.state(now);
        self.members.iter().map(state).collect()
    }

    pub(in crate::verify) fn members(&self, set: &IssuerSet) -> impl Iterator<Item = &Issuer> {
        set.members
            .iter()
            .filter_map(|id| self.members.get(usize::from(id.0)))
    }

    pub(super) fn jwks_as_written(&self, name: &str, section: &str) -> Option<Arc<Jwks>> {
        self.members.iter().find_map(|member| match member {
            Issuer::Jwks(jwks) if **jwks.name() == *name && jwks.is_written(section) => {
                Some(Arc::clone(jwks))
            }
            _ => None,
        })
    }

    pub(super) const fn client(&mut self) -> &mut Option<Outbound> {
        &mut self.client
    }

    pub(in crate::verify) fn set_numbers(&self) -> impl Iterator<Item = u32> {
        self.sets.iter().map(|set| set.number)
    }

    fn add(&mut self, issuer: Issuer) -> IssuerId {
        self.members.push(issuer);
        // A file with 65,535 issuers would not get past its reader.
        IssuerId(u16::try_from(self.members.len() - 1).unwrap_or(u16::MAX))
    }

    // Introspection endpoints are asked in turn, so they need not differ.
    fn check_apart(&self, members: &[IssuerId]) -> Result<(), SetupError> {
        let mut seen: Vec<(Option<&str>, &str)> = Vec::new();
        for id in members {
            let Some(member) = self.members.get(usize::from(id.0)) else {
                continue;
            };
            let identifier = match member {
                Issuer::Local(local) => local.identifier(),
                Issuer::Jwks(jwks) => jwks.identifier(),
                Issuer::Introspection(_) => continue,
            };
            if let Some((_, other)) = seen.iter().find(|(known, _)| *known == identifier) {
                let (one, two) = ((*other).to_owned(), member.name().to_string());
                return Err(SetupError::Alike(one, two));
            }
            seen.push((identifier, member.name()));
        }
        Ok(())
    }
}

impl IssuerSet {
    pub(in crate::verify) const fn number(&self) -> u32 {
        self.number
    }

    /// The members, in the order of the route.
    pub fn members(&self) -> &[IssuerId] {
        &self.members
    }
}

impl Issuer {
    fn state(&self, now: Timestamp) -> IssuerState {
        let mut state = IssuerState {
            name: Arc::clone(self.name()),
            kind: "local",
            keys: 0,
            last_success: None,
            last_error: None,
            asked: 0,
            failed: 0,
        };
        match self {
            Self::Local(local) => state.keys = local.key_count(),
            Self::Jwks(jwks) => {
                let keys = jwks.state(now);
                state.kind = "jwks";
                state.keys = keys.keys;
                state.last_success = keys.last_success;
                state.last_error = keys.last_error;
                (state.asked, state.failed) = (keys.fetches, keys.failures);
            }
            Self::Introspection(endpoint) => {
                state.kind = "introspection";
                (state.asked, state.failed) = endpoint.counts();
            }
        }
        state
    }
}

// 0 is the empty set of `Default`, under which nothing is ever remembered.
static NEXT_NUMBER: AtomicU32 = AtomicU32::new(1);
