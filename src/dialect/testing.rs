//! What the tests of this folder share.

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body_util::BodyExt;
use serde_json::Value;

use super::{Asked, Place};
use crate::net::Body;

/// A place to refuse at.
pub(super) fn place() -> Place<'static> {
    Place {
        path: "/orders/7",
        request_id: "0193a1c2",
        realm: "orders",
    }
}

/// The head of a request.
pub(super) fn head(method: &str, path: &str, fields: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

/// What came, from nobody in particular.
pub(super) fn asked<'a>(head: &'a Parts, body: &'a Bytes) -> Asked<'a> {
    Asked {
        head,
        body,
        identity: None,
    }
}

/// The whole body of a response, which is there at once.
pub(super) fn body_of(response: Response<Body>) -> Bytes {
    let collected = futures_util::FutureExt::now_or_never(response.into_body().collect());
    collected.unwrap().unwrap().to_bytes()
}

/// Status and body, which is JSON.
pub(super) fn said(response: Response<Body>) -> (u16, Value) {
    let status = response.status().as_u16();
    (status, serde_json::from_slice(&body_of(response)).unwrap())
}
