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
    record: Option<Box<Record>>,
}

impl Recorded {
    pub(super) fn new(body: Body, record: Box<Record>) -> Self {
        Self {
            body,
            record: Some(record),
        }
    }

    /// The empty body of an answer with which a request does not end: its record closes elsewhere.
    pub(super) fn elsewhere() -> Self {
        Self {
            body: Body::Empty,
            record: None,
        }
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
        if let (Some(record), Poll::Ready(Some(frame))) = (&mut this.record, &polled) {
            match frame {
                Ok(frame) => {
                    record.bytes_out += frame.data_ref().map_or(0, |data| data.len() as u64);
                }
                Err(error) => record.trail.refuse(&why(error)),
            }
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
pub(super) fn why(error: &BodyError) -> Refusal {
    match error {
        BodyError::PermitEnded => Refusal::Revoked,
        BodyError::Idle => Refusal::UpstreamTimeout,
        BodyError::TooLarge | BodyError::Broken(_) => Refusal::UpstreamError,
    }
}
