//! The page the program exists for: whether a request may pass, and where it goes.

use std::sync::Arc;

use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::{Caller, Gate};
use crate::net::Arrival;
use crate::observe::{Refusal, Trail};
use crate::permit::Permit;
use crate::route::{Destination, Route};
use crate::verify::Claimant;

/// The outcome of a judgement that lets a request pass: by which route, and on what ground.
#[derive(Debug)]
pub struct Passage {
    /// The route that applies.
    pub route: Arc<Route>,
    /// The proof of admission.
    pub permit: Permit,
}

impl Gate {
    /// Decides about a request, and sends nothing.
    ///
    /// The trail is a notebook: it is written here and read by the log, never by a decision.
    pub async fn judge(
        &self,
        headers: &HeaderMap,
        arrival: &Arrival,
        caller: &Caller,
        trail: &mut Trail,
    ) -> Result<Passage, Refusal> {
        self.is_the_right_connection(arrival, caller)?;
        let route = self.routes.find(&arrival.method, &arrival.target)?;
        trail.route = Some(Arc::clone(&route.name));
        trail.public = !route.demand.looks_for_a_token();

        // Without a token there is nobody; whether nobody will do is for the demand to say.
        let identity = if trail.public {
            is_one_credential(headers, &route.destination)?;
            None
        } else {
            let claimant = Claimant {
                headers,
                memo: &caller.memo,
                client: arrival.origin.client,
                now: arrival.now,
            };
            self.verifier
                .identify(claimant, &route.accepts, trail)
                .await?
        };
        let permit = route.demand.admit(identity)?;
        Ok(Passage {
            route: Arc::clone(route),
            permit,
        })
    }

    /// A TLS connection was made for one name; a request on it for a host under another policy is misdirected
    /// (RFC 9110 §15.5.20).
    pub(super) fn is_the_right_connection(
        &self,
        arrival: &Arrival,
        caller: &Caller,
    ) -> Result<(), Refusal> {
        let Some(name) = caller.peer.server_name.as_deref() else {
            return Ok(());
        };
        let host = arrival.target.host();
        if name == host.as_str() || self.routes.same_policy(name, host) {
            return Ok(());
        }
        Err(Refusal::Misdirected)
    }
}

/// An upstream that looks at the token itself shall not have to choose (RFC 6750 §2). Token endpoints read their own.
fn is_one_credential(headers: &HeaderMap, destination: &Destination) -> Result<(), Refusal> {
    let leads_away = matches!(destination, Destination::Upstream(..));
    if leads_away && headers.get_all(AUTHORIZATION).iter().nth(1).is_some() {
        return Err(Refusal::TwoCredentials);
    }
    Ok(())
}
