//! The authorization endpoint of one mount: a request comes in, a page or a redirect goes out.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, RETRY_AFTER};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};

use super::cookie::Cookie;
use super::journey::STRAYED;
use super::reply::Reply;
use super::{Look, view};
use crate::dialect::{Mount, Served};
use crate::issue::{Authorizer, IssueError, LocalIssuer, Stay, heard_from};
use crate::net::{Allowance, Body, Limit, neighbourhood, read_limited};
use crate::token::Timestamp;

/// The pages of one mount.
#[derive(Debug)]
pub struct Pages {
    /// The name of the mount.
    pub name: Arc<str>,
    pub(super) authorizer: Authorizer,
    pub(super) issuer: LocalIssuer,
    pub(super) look: Arc<Look>,
    pub(super) stay: Stay,
    pub(super) cookie: Cookie,
    limit: Option<Limit>,
}

/// Who is asking, as far as the pages need to know.
#[derive(Clone, Copy, Debug)]
pub struct Visitor<'a> {
    /// The address of the browser.
    pub peer_ip: IpAddr,
    /// The one time this request sees.
    pub now: Timestamp,
    /// The name of the request, so that a person can ask about it.
    pub request_id: &'a str,
}

/// What a person is told when they cannot go on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trouble<'a> {
    pub(super) status: StatusCode,
    pub(super) heading: &'static str,
    pub(super) sentence: &'a str,
    pub(super) again: Option<&'a str>,
}

impl Pages {
    /// The pages of a mount that people reach at `url`.
    pub fn new(
        mount: &Mount,
        authorizer: Authorizer,
        look: Arc<Look>,
        stay: Stay,
        url: &str,
    ) -> Self {
        Self {
            name: Arc::clone(&mount.name),
            authorizer,
            issuer: mount.issuer().clone(),
            look,
            stay,
            cookie: Cookie::new(&mount.name, url),
            limit: None,
        }
    }

    /// The same pages, to which one address may send so many forms and no more.
    #[must_use]
    pub fn limited(self, allowance: Option<Allowance>) -> Self {
        Self {
            limit: allowance.map(Limit::new),
            ..self
        }
    }

    /// Answers a request. Never fails: whatever goes wrong is a page.
    pub async fn serve<B>(&self, request: Request<B>, from: &Visitor<'_>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes, Error = hyper::Error>,
    {
        let (head, body) = request.into_parts();
        let Reply {
            mut response,
            outcome,
        } = heard_from(Some(from.peer_ip), self.reply(&head, body, from)).await;
        response.extensions_mut().insert(Served {
            endpoint: Some("authorize"),
            outcome,
        });
        tracing::debug!(
            mount = &*self.name,
            outcome,
            request_id = from.request_id,
            "pages"
        );
        response
    }

    async fn reply<B>(&self, head: &Parts, body: B, from: &Visitor<'_>) -> Reply
    where
        B: http_body::Body<Data = Bytes, Error = hyper::Error>,
    {
        let reply = self.heard(head, body, from).await;
        if reply.response.status().is_client_error() || reply.outcome == STRAYED {
            self.authorizer.refused(reply.outcome, &self.issuer);
        }
        reply
    }

    async fn heard<B>(&self, head: &Parts, body: B, from: &Visitor<'_>) -> Reply
    where
        B: http_body::Body<Data = Bytes, Error = hyper::Error>,
    {
        match head.method {
            Method::GET | Method::HEAD => self.arrive(head, from).await,
            Method::POST => {
                if let Some(limit) = &self.limit
                    && let Err(wait) = limit.take(&neighbourhood(from.peer_ip), from.now)
                {
                    return self.wait(wait, from);
                }
                let whole = read_limited(body, FORM_LIMIT, FORM_TIME);
                match tokio::time::timeout(FORM_TIME, whole).await {
                    Ok(Ok(body)) => self.answer(head, &body, from).await,
                    _ => self.trouble(UNREADABLE, from),
                }
            }
            _ => self
                .trouble(
                    Trouble {
                        status: StatusCode::METHOD_NOT_ALLOWED,
                        ..UNREADABLE
                    },
                    from,
                )
                .header(ALLOW, "GET, HEAD, POST"),
        }
    }

    /// A page that says why nobody can go on.
    pub(super) fn trouble(&self, trouble: Trouble<'_>, from: &Visitor<'_>) -> Reply {
        let page = view::Fault {
            look: &self.look,
            heading: trouble.heading,
            sentence: trouble.sentence,
            again: trouble.again,
            request_id: from.request_id,
        };
        Reply::page(&page, trouble.status, &self.look, None).called("refused")
    }

    /// The page for what is not the person's fault.
    pub(super) fn failed(&self, error: &IssueError, from: &Visitor<'_>) -> Reply {
        if let IssueError::Busy { retry_after } = error {
            return self.wait(*retry_after, from);
        }
        let cause = std::error::Error::source(error).map(ToString::to_string);
        tracing::error!(mount = &*self.name, cause, "could not {error}");
        let trouble = Trouble {
            status: StatusCode::SERVICE_UNAVAILABLE,
            heading: "Not at the moment",
            sentence: "Something is wrong on our side. Please try again in a moment.",
            again: None,
        };
        self.trouble(trouble, from)
            .header(RETRY_AFTER, "1")
            .called(error.code())
    }

    fn wait(&self, wait: Duration, from: &Visitor<'_>) -> Reply {
        let trouble = Trouble {
            status: StatusCode::TOO_MANY_REQUESTS,
            heading: "Not so fast",
            sentence: "There are too many attempts at the moment. Please wait a little.",
            again: None,
        };
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        self.trouble(trouble, from)
            .header(RETRY_AFTER, &seconds.max(1).to_string())
            .called("rate_limited")
    }
}

/// Nobody's form is so large, or takes so long.
const FORM_LIMIT: usize = 16 << 10;
const FORM_TIME: Duration = Duration::from_secs(30);

const UNREADABLE: Trouble<'static> = Trouble {
    status: StatusCode::BAD_REQUEST,
    heading: "That did not work",
    sentence: "What your browser sent cannot be understood.",
    again: None,
};
