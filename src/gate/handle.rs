//! What happens to a request, whatever happens to it: stamped, judged, sent or refused, recorded.

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use http::header::{CONNECTION, HOST, TRANSFER_ENCODING, USER_AGENT};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri, Version};
use hyper::body::{Body as _, Incoming};
use hyper::upgrade::OnUpgrade;

use super::{Caller, Gate, Passage, Recorded};
use crate::dialect::{Asker, Dialect, Place, standard};
use crate::forward::{ForwardError, Forwarding, Sending, Sent, Upstream, asks_for_websocket};
use crate::net::{Arrival, Body, Scheme, TargetError};
use crate::observe::{Described, Record, Refusal, Trail, UpstreamPart};
use crate::pages::Visitor;
use crate::route::Destination;

impl Gate {
    /// Answers a request. Never fails: whatever goes wrong is an answer too.
    pub fn handle(
        self: Arc<Self>,
        request: Request<Incoming>,
        caller: Arc<Caller>,
    ) -> impl Future<Output = Response<Recorded>> + Send {
        let mut record = self.open(&request, &caller);
        // The HTTP library leaves this where a field asks for another protocol, which is rare, and nowhere else.
        let elsewhere =
            request.extensions().get::<OnUpgrade>().is_some() && asks_for_websocket(&request);
        let unread = !request.body().is_end_stream();
        async move {
            if elsewhere {
                return Box::pin(self.switch(request, &caller, record)).await;
            }
            let admitted = self.admit(&request, &caller, &mut record).await;
            let outcome = match &admitted {
                Ok(admitted) => self.carry(request, admitted, &caller, &mut record).await,
                Err(refusal) => Err(refusal.clone()),
            };
            let response = match outcome {
                Ok(response) => response,
                Err(refusal) => self.refuse(&refusal, unread, &mut record),
            };
            close(response, record)
        }
    }

    /// Reads where a request is going, and judges whether it may.
    pub(super) async fn admit(
        &self,
        request: &Request<Incoming>,
        caller: &Caller,
        record: &mut Record,
    ) -> Result<(Arrival, Passage), Refusal> {
        let arrival = self.arrive(request, caller, record)?;
        let passage = self
            .judge(request.headers(), &arrival, caller, &mut record.trail)
            .await?;
        Ok((arrival, passage))
    }

    /// Carries an admitted request to where its route leads.
    pub(super) async fn carry(
        &self,
        request: Request<Incoming>,
        (arrival, passage): &(Arrival, Passage),
        caller: &Caller,
        record: &mut Record,
    ) -> Result<Response<Body>, Refusal> {
        match &passage.route.destination {
            Destination::Mount(mount) => {
                let asker = Asker {
                    peer_ip: arrival.origin.client,
                    now: arrival.now,
                    request_id: arrival.id.as_str(),
                    identity: passage.permit.identity(),
                };
                // Boxed, so that a request to an upstream does not carry the weight of one to a mount.
                Ok(Box::pin(mount.serve(canonical(request, arrival), &asker)).await)
            }
            Destination::Pages(pages) => {
                let visitor = Visitor {
                    peer_ip: arrival.origin.client,
                    now: arrival.now,
                    request_id: arrival.id.as_str(),
                };
                Ok(Box::pin(pages.serve(canonical(request, arrival), &visitor)).await)
            }
            Destination::Upstream(upstream, forwarding) => {
                fits(request.body().size_hint().lower(), forwarding)?;
                let sending = self.sending(arrival, passage, forwarding, caller);
                let begun = Instant::now();
                let outcome = upstream.send(request, &sending).await;
                record.upstream = Some(part(upstream, begun, &outcome));
                outcome
                    .map(|sent| sent.response)
                    .map_err(|error| report(&error, upstream, arrival))
            }
        }
    }

    /// Reads the target, once, into the form everybody downstream shares.
    pub(super) fn arrive<B>(
        &self,
        request: &Request<B>,
        caller: &Caller,
        record: &mut Record,
    ) -> Result<Arrival, Refusal> {
        let (method, uri, headers) = (request.method(), request.uri(), request.headers());
        is_framed_plainly(request.version(), headers)?;
        names_a_host(request.version(), headers)?;
        let target = self.routes.target(method, uri, headers);
        let target = target.map_err(|error| match error {
            TargetError::Malformed(sentence) => Refusal::BadRequest(sentence),
            TargetError::Ambiguous(sentence) => Refusal::AmbiguousPath(sentence),
        })?;
        record.request.host = Some(Box::from(target.host().as_str()));
        record.request.path = Some(target.path_and_query().clone());
        let origin = caller.proxies.origin(&caller.peer, headers);
        record.request.client = origin.client;
        Ok(Arrival {
            id: record.request.id,
            now: record.now,
            origin,
            method: method.clone(),
            target,
        })
    }

    pub(super) fn sending<'a>(
        &'a self,
        arrival: &'a Arrival,
        passage: &'a Passage,
        forwarding: &'a Forwarding,
        caller: &'a Caller,
    ) -> Sending<'a> {
        Sending {
            arrival,
            permit: &passage.permit,
            forwarding,
            reserved: &self.reserved,
            client: arrival.origin.path.as_ref().unwrap_or(&caller.address),
            worker: caller.peer.worker,
            body_idle: caller.body_idle,
            revocations: self.verifier.issuers().revocations(),
        }
    }

    /// Phrases a refusal in the voice of the place. A body nobody will read ends the connection with the answer.
    pub(super) fn refuse(
        &self,
        refusal: &Refusal,
        unread: bool,
        record: &mut Record,
    ) -> Response<Body> {
        let mut response = self.phrase(refusal, record, None);
        let id = record.request.id;
        if let Ok(id) = HeaderValue::from_str(id.as_str()) {
            response
                .headers_mut()
                .insert(HeaderName::from_static("x-request-id"), id);
        }
        let breaks_http = matches!(refusal, Refusal::BadRequest(_) | Refusal::AmbiguousPath(_));
        if record.request.version != Version::HTTP_2 && (unread || breaks_http) {
            response
                .headers_mut()
                .insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// A refusal in the words of whoever speaks where the request was going, of somebody else if that is nobody, or in
    /// plain ones.
    pub(super) fn phrase(
        &self,
        refusal: &Refusal,
        record: &mut Record,
        otherwise: Option<&dyn Dialect>,
    ) -> Response<Body> {
        record.trail.refuse(refusal);
        let id = record.request.id;
        let path = record.request.path.as_ref().map_or("", PathAndQuery::path);
        let place = Place {
            path,
            request_id: id.as_str(),
            realm: "tollgate",
        };
        match self.voice(record).or(otherwise) {
            Some(voice) => voice.refuse(refusal, &place),
            None => standard::refuse(refusal, &place),
        }
    }

    /// Who speaks where this request was going: its route, or the most specific one for the place.
    fn voice(&self, record: &Record) -> Option<&dyn Dialect> {
        if let Some(name) = &record.trail.route {
            return self.routes.named(name)?.voice.as_deref();
        }
        let (host, path) = (
            record.request.host.as_deref()?,
            record.request.path.as_ref()?,
        );
        self.routes.place(host, path.path())?.voice.as_deref()
    }

    pub(super) fn open<B>(&self, request: &Request<B>, caller: &Caller) -> Box<Record> {
        let now = self.time.now();
        Box::new(Record {
            observer: Arc::clone(&self.observer),
            worker: caller.peer.worker,
            now,
            started: Instant::now(),
            request: Described {
                id: self.ids.next(now),
                listener: Arc::clone(&caller.peer.listener),
                client: caller.peer.address.ip().to_canonical(),
                tls: caller.peer.scheme == Scheme::Https,
                version: request.version(),
                method: request.method().clone(),
                host: None,
                path: None,
                user_agent: request.headers().get(USER_AGENT).cloned(),
            },
            trail: Trail::default(),
            status: StatusCode::from_u16(LEFT_EARLY).unwrap_or_default(),
            upstream: None,
            bytes_out: 0,
        })
    }
}

/// The status of a record whose client left before there was an answer.
const LEFT_EARLY: u16 = 499;

/// An answer that takes the record of its request with it.
pub(super) fn close(response: Response<Body>, mut record: Box<Record>) -> Response<Recorded> {
    record.status = response.status();
    response.map(|body| Recorded::new(body, record))
}

/// A request of HTTP/1.1 has a `Host` field, even where its target names one (RFC 9112 §3.2).
fn names_a_host(version: Version, headers: &HeaderMap) -> Result<(), Refusal> {
    if version == Version::HTTP_11 && !headers.contains_key(HOST) {
        return Err(Refusal::BadRequest("the request has no Host field"));
    }
    Ok(())
}

/// A request with the target that was judged.
fn canonical(mut request: Request<Incoming>, arrival: &Arrival) -> Request<Incoming> {
    *request.uri_mut() = Uri::from(arrival.target.path_and_query().clone());
    request
}

/// A transfer coding other than one exact `chunked` is refused, and any at all in HTTP/1.0: two programs could find the
/// end of such a body in different places (RFC 9112 §6.1).
fn is_framed_plainly(version: Version, headers: &HeaderMap) -> Result<(), Refusal> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let Some(coding) = codings.next() else {
        return Ok(());
    };
    let is_plain = coding.as_bytes().eq_ignore_ascii_case(b"chunked") && codings.next().is_none();
    if is_plain && version == Version::HTTP_11 {
        return Ok(());
    }
    Err(Refusal::BadRequest(
        "the transfer coding is not one plain `chunked`",
    ))
}

/// A body that announces more than the route takes is refused before the upstream is touched.
pub(super) fn fits(least: u64, forwarding: &Forwarding) -> Result<(), Refusal> {
    match forwarding.body_limit {
        Some(limit) if least > limit => Err(Refusal::BodyTooLarge),
        _ => Ok(()),
    }
}

/// The upstream's part in a request, for its record.
pub(super) fn part(
    upstream: &Upstream,
    begun: Instant,
    outcome: &Result<Sent, ForwardError>,
) -> UpstreamPart {
    UpstreamPart {
        name: Arc::clone(upstream.name()),
        status: outcome.as_ref().ok().map(|sent| sent.response.status()),
        attempts: outcome.as_ref().map_or(1, |sent| sent.attempts),
        micros: u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX),
    }
}

/// Logs why there is no answer, causes and all; the client learns the code.
pub(super) fn report(error: &ForwardError, upstream: &Upstream, arrival: &Arrival) -> Refusal {
    let refusal = Refusal::from(error);
    let mut causes = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        causes.push_str(": ");
        causes.push_str(&error.to_string());
        cause = error.source();
    }
    let (reason, upstream) = (refusal.code(), upstream.name());
    tracing::warn!(request_id = %arrival.id, %upstream, reason, "could not {causes}");
    refusal
}
