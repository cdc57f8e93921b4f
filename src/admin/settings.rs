//! What an operator says about the admin listener.

use std::net::{Ipv4Addr, SocketAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[admin]`: where probes and scrapers ask.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AdminSettings {
    /// Address and port of `/livez`, `/readyz`, `/startupz` and `/metrics`. Whoever reaches it may read them.
    #[schemars(extend("format" = "socket-address"))]
    pub address: SocketAddr,
}

impl Default for AdminSettings {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 9180)),
        }
    }
}
