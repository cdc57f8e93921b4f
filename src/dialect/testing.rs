//! What the tests of this folder share.

use bytes::Bytes;
use http::Response;
use http_body_util::BodyExt;

use super::Place;
use crate::net::Body;

/// A place to refuse at.
pub(super) fn place() -> Place<'static> {
    Place {
        path: "/orders/7",
        request_id: "0193a1c2",
        realm: "orders",
    }
}

/// The whole body of a response, which is there at once.
pub(super) fn body_of(response: Response<Body>) -> Bytes {
    let collected = futures_util::FutureExt::now_or_never(response.into_body().collect());
    collected.unwrap().unwrap().to_bytes()
}
