//! One request and its answer, as the connection sees them.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::tally::Tally;
use super::watch::{Underway, Watch};

/// The most fields a request may have. HTTP/1.1 is held to it by its parser.
const FIELDS: usize = 100;

/// Whether the parts of a head are few enough to be looked at.
pub(super) fn fits(request: &Request<Incoming>, tally: &Tally) -> bool {
    let fits = request.headers().len() <= FIELDS;
    if !fits {
        tally.oversized();
    }
    fits
}

/// Waits for the answer, and watches over it until its last byte is taken. Without anybody to answer the head was too
/// large.
pub(super) async fn answer<F, B>(
    answering: Option<F>,
    underway: Underway,
    offer: Option<Arc<Offer>>,
) -> Result<Response<Answer<B>>, Infallible>
where
    F: Future<Output = Response<B>>,
{
    let (head, body) = if let Some(answering) = answering {
        answering.await.map(Some).into_parts()
    } else {
        let mut refusal = Response::new(None);
        *refusal.status_mut() = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        refusal.into_parts()
    };
    if let Some(offer) = &offer {
        offer.make();
    }
    let answer = Answer {
        body,
        underway,
        offer,
    };
    Ok(Response::from_parts(head, answer))
}

/// Whether a stream of HTTP/2 waits for its peer: bytes of the answer are at hand, and the peer grants no room for them.
///
/// An odd number is an open offer; each further one is another, so that slow progress is told from none.
#[derive(Debug, Default)]
pub(super) struct Offer(AtomicU64);

impl Offer {
    /// Bytes are at hand.
    pub(super) fn make(&self) {
        self.0.store((self.0.load(Relaxed) + 1) | 1, Relaxed);
    }

    fn take(&self) {
        self.0.store((self.0.load(Relaxed) + 1) & !1, Relaxed);
    }

    /// The number of the open offer.
    pub(super) fn open(&self) -> Option<u64> {
        Some(self.0.load(Relaxed)).filter(|number| number & 1 == 1)
    }
}

/// The body of an answer. With it the request ends.
#[derive(Debug)]
pub(super) struct Answer<B> {
    body: Option<B>,
    underway: Underway,
    offer: Option<Arc<Offer>>,
}

impl<B> Answer<B> {
    fn watch(&self) -> &Watch {
        self.underway.watch()
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Answer<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = &mut *self;
        if let Some(offer) = &this.offer {
            offer.take();
        }
        let Some(body) = &mut this.body else {
            return Poll::Ready(None);
        };
        let frame = Pin::new(body).poll_frame(context);
        match (&frame, &this.offer) {
            (Poll::Ready(Some(Ok(_))), Some(offer)) => offer.make(),
            (Poll::Ready(Some(Err(_))), None) => this.watch().break_off(),
            _ => {}
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}
