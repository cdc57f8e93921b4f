//! A response body that carries the record of its request, so that the record closes with the last byte.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::net::{Body, BodyError};
use crate::observe::{Record, Refusal};

/// A response body on its way to the client, and the record of its request.
#[derive(Debug)]
pub struct Recorded {
    body: Body,
    record: Box<Record>,
}

impl Recorded {
    pub(super) fn new(body: Body, record: Box<Record>) -> Self {
        Self { body, record }
    }
}

impl http_body::Body for Recorded {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let polled = Pin::new(&mut this.body).poll_frame(context);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                this.record.bytes_out += frame.data_ref().map_or(0, |data| data.len() as u64);
            }
            Poll::Ready(Some(Err(error))) => this.record.trail.refuse(&why(error)),
            Poll::Ready(None) | Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The head has left; all that can still be done is to break off, so that the answer does not look complete.
fn why(error: &BodyError) -> Refusal {
    match error {
        BodyError::PermitEnded => Refusal::Revoked,
        BodyError::Idle => Refusal::UpstreamTimeout,
        BodyError::TooLarge | BodyError::Broken(_) => Refusal::UpstreamError,
    }
}
