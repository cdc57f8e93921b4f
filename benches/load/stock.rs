//! The requests to send, all signed before the first one leaves.

use std::error::Error;
use std::sync::Arc;

use http::{HeaderValue, StatusCode};

use crate::bed::Issuer;
use crate::options::Options;

/// Distinct tokens that were seen before: more than any cache of the last few, fewer than any bound.
const SEEN_BEFORE: usize = 500;
/// The mix, ten arrivals long: seven hits and one of each other kind, spread so that no kind comes in bursts.
const MIX: [Kind; 10] = [
    Kind::Hit,
    Kind::Fresh,
    Kind::Hit,
    Kind::Hit,
    Kind::Public,
    Kind::Hit,
    Kind::Hit,
    Kind::Forged,
    Kind::Hit,
    Kind::Hit,
];

/// What a request is like.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// No token, to a route that demands none.
    Public,
    /// A good token the gate has seen before.
    Hit,
    /// A good token it has not seen.
    Fresh,
    /// A token with a foreign signature, which it has not seen either.
    Forged,
}

impl Kind {
    /// All of them, in the order of the report.
    pub(crate) const ALL: [Self; 4] = [Self::Public, Self::Hit, Self::Fresh, Self::Forged];

    /// Its name in the report.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Public => "no token needed",
            Self::Hit => "token seen before",
            Self::Fresh => "new token",
            Self::Forged => "forged token",
        }
    }

    /// The status a right gate answers with.
    pub(crate) fn expected(self) -> StatusCode {
        if self == Self::Forged {
            StatusCode::UNAUTHORIZED
        } else {
            StatusCode::OK
        }
    }

    /// Where it is sent to.
    pub(crate) fn path(self) -> &'static str {
        if self == Self::Public {
            "/open/thing"
        } else {
            "/guarded/thing"
        }
    }
}

/// `Authorization` values by kind.
pub(crate) struct Stock {
    seen: Arc<[HeaderValue]>,
    fresh: Arc<[HeaderValue]>,
    forged: Arc<[HeaderValue]>,
}

impl Stock {
    /// Signs as many tokens as the mix will use.
    pub(crate) fn new(issuer: &Issuer, options: &Options) -> Result<Self, Box<dyn Error>> {
        let rare = options.requests() / MIX.len() + 1;
        Ok(Self {
            seen: bearers(0..SEEN_BEFORE, |number| issuer.token(number))?,
            fresh: bearers(SEEN_BEFORE..SEEN_BEFORE + rare, |number| {
                issuer.token(number)
            })?,
            forged: bearers(0..rare, |number| issuer.forgery(number))?,
        })
    }

    /// The order of the mix.
    pub(crate) fn mix(&self) -> Plan {
        Plan::new(self, MIX.to_vec())
    }

    /// One kind only.
    pub(crate) fn only(&self, kind: Kind) -> Plan {
        Plan::new(self, vec![kind])
    }

    /// Each token that is to count as seen before, once.
    pub(crate) fn first_sight(&self) -> impl Iterator<Item = Shot> {
        self.seen.iter().map(|token| Shot {
            kind: Kind::Hit,
            authorization: Some(token.clone()),
        })
    }
}

/// One request.
pub(crate) struct Shot {
    /// What it is like.
    pub(crate) kind: Kind,
    /// Its `Authorization` header.
    pub(crate) authorization: Option<HeaderValue>,
}

/// An endless sequence of requests; the unused tokens of the rare kinds are handed out one after the other.
pub(crate) struct Plan {
    order: Vec<Kind>,
    seen: Arc<[HeaderValue]>,
    fresh: Arc<[HeaderValue]>,
    forged: Arc<[HeaderValue]>,
    next: usize,
}

impl Plan {
    fn new(stock: &Stock, order: Vec<Kind>) -> Self {
        let [seen, fresh, forged] = [&stock.seen, &stock.fresh, &stock.forged].map(Arc::clone);
        Self {
            order,
            seen,
            fresh,
            forged,
            next: 0,
        }
    }

    /// The next request.
    pub(crate) fn next_shot(&mut self) -> Shot {
        let (round, place) = (self.next / self.order.len(), self.next % self.order.len());
        let kind = self.order.get(place).copied().unwrap_or(Kind::Public);
        let tokens = match kind {
            Kind::Public => None,
            Kind::Hit => Some((&self.seen, self.next)),
            Kind::Fresh => Some((&self.fresh, round)),
            Kind::Forged => Some((&self.forged, round)),
        };
        self.next += 1;
        let authorization =
            tokens.and_then(|(tokens, number)| tokens.get(number % tokens.len()).cloned());
        Shot {
            kind,
            authorization,
        }
    }
}

fn bearers(
    numbers: std::ops::Range<usize>,
    sign: impl Fn(usize) -> Result<String, Box<dyn Error>>,
) -> Result<Arc<[HeaderValue]>, Box<dyn Error>> {
    numbers
        .map(|number| Ok(HeaderValue::try_from(format!("Bearer {}", sign(number)?))?))
        .collect()
}
