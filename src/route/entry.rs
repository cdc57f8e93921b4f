//! One route: when it applies, what it demands, where it leads.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{HostPattern, Match, Methods, PathPattern};
use crate::dialect::{Dialect, Mount};
use crate::forward::{ForwardSettings, Forwarding, Upstream};
use crate::pages::Pages;
use crate::permit::{Demand, RequireSettings};
use crate::settings::ByteSize;
use crate::verify::Accepted;

/// For requests like this: demand that, and send it there.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RouteSettings {
    /// The hosts it is for, as in `api.example.com` or `*.example.com`. Default: any.
    #[serde(default)]
    pub hosts: Vec<HostPattern>,
    /// The paths it is for: `/orders/7`, `/orders/{id}`, or `/orders/**` for the path itself and all below.
    pub path: PathPattern,
    /// The methods it is for. Default: any.
    #[serde(default)]
    pub methods: Methods,
    /// What becomes of a path that can be read in more than one way, as with `//`, `..`, `;` or `%2f` in it.
    #[serde(default)]
    pub ambiguous_paths: AmbiguousPaths,
    /// The upstream it leads to.
    pub upstream: String,
    /// Whose tokens it accepts: names of issuers and dialects. May be left out when there is only one.
    #[serde(default)]
    pub issuers: Vec<String>,
    /// The dialect in which it refuses. Default: that of its first issuer that has one, else plain HTTP.
    #[serde(default)]
    pub voice: Option<String>,
    /// Whom it lets in: those with a token, or everybody.
    #[serde(default)]
    pub auth: Access,
    /// What a token must permit and claim. Default: any valid token will do.
    #[serde(default)]
    pub require: RequireSettings,
    /// How requests are passed on.
    #[serde(default)]
    pub forward: ForwardSettings,
    /// The largest body. Default: no limit.
    #[serde(default)]
    pub body_limit: Option<ByteSize>,
    /// What becomes of a WebSocket: passed on as it is, bridged, or off.
    #[serde(default)]
    pub socket: SocketHandling,
}

/// What becomes of a path that programs read in different ways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AmbiguousPaths {
    /// It is refused.
    #[default]
    Refuse,
    /// It is passed on as it was received if, in whatever way it is read, it leads to this route.
    Agree,
}

/// What becomes of a WebSocket that a client asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SocketHandling {
    /// The upstream is asked for one, and both are joined for as long as the token lasts.
    #[default]
    Pass,
    /// It ends here: each message is a request in the voice's language, judged and passed on as a request of its own.
    Bridge,
    /// There is none: the request is like any other.
    Off,
}

/// Whom a route lets in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Those with a good token.
    #[default]
    Required,
    /// Those with a good token, and, without an identity, those with none.
    Optional,
    /// Everybody; tokens are not looked at.
    Public,
}

/// A route, compiled.
#[derive(Debug)]
pub struct Route {
    /// Its name in the operator's file.
    pub name: Arc<str>,
    /// When it applies.
    pub when: Match,
    /// What becomes of paths that can be read in more than one way.
    pub ambiguous_paths: AmbiguousPaths,
    /// What it demands.
    pub demand: Demand,
    /// Whose tokens count, and where they may travel.
    pub accepts: Accepted,
    /// Who phrases refusals here; nobody in particular is plain HTTP.
    pub voice: Option<Arc<dyn Dialect>>,
    /// What becomes of a WebSocket.
    pub socket: SocketHandling,
    /// Where it leads.
    pub destination: Destination,
}

impl Route {
    /// Whether a path passes that can be read in several ways, all of which lead here.
    pub fn agrees(&self) -> bool {
        self.ambiguous_paths == AmbiguousPaths::Agree
    }
}

/// Where a route leads.
#[derive(Debug)]
pub enum Destination {
    /// To an upstream.
    Upstream(Arc<Upstream>, Forwarding),
    /// To token endpoints of our own.
    Mount(Arc<Mount>),
    /// To pages of our own, where people let programs act for them.
    Pages(Arc<Pages>),
}
