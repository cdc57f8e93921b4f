//! What an operator may write: one field for each section.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::admin::AdminSettings;
use crate::dialect::{Identifier, MountSettings};
use crate::forward::UpstreamSettings;
use crate::issue::{ClientSettings, PasswordSettings};
use crate::listen::ListenerSettings;
use crate::observe::TelemetrySettings;
use crate::pages::PagesSettings;
use crate::route::RouteSettings;
use crate::settings::{FilePath, Lifetime, SecretSource};
use crate::store::StoreSettings;
use crate::verify::{CacheSettings, ClusterSettings, IssuerSettings};

/// Tollgate's configuration.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The edition of this file's language.
    pub version: Version,
    /// More files, relative to this one: names, or patterns with `*`. The same name in two files is an error.
    pub include: Vec<String>,
    /// The program as a whole.
    pub server: ServerSettings,
    /// Where clients come in.
    pub listener: BTreeMap<String, ListenerSettings>,
    /// The resource servers behind.
    pub upstream: BTreeMap<String, UpstreamSettings>,
    /// Others whose tokens are accepted.
    pub issuer: BTreeMap<String, IssuerSettings>,
    /// For requests like this: demand that, and send it there. The most specific route wins, never the order.
    pub route: BTreeMap<String, RouteSettings>,
    /// Token endpoints; each is also the issuer of its own tokens. Without any, there is `[dialect.oauth]` at `/oauth`.
    pub dialect: BTreeMap<String, MountSettings>,
    /// Programs that may ask for tokens.
    pub client: BTreeMap<String, ClientSettings>,
    /// What people see when they sign in.
    pub pages: PagesSettings,
    /// How passwords are kept.
    pub passwords: PasswordSettings,
    /// What must survive a restart.
    pub store: StoreSettings,
    /// Several processes with one store.
    pub cluster: ClusterSettings,
    /// What is remembered of tokens that were verified.
    pub cache: CacheSettings,
    /// What operators see of the program at work.
    pub telemetry: TelemetrySettings,
    /// The operator's own listener.
    pub admin: AdminSettings,
}

/// The edition of the file's language: a number, so that a later edition can be told from this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Version(#[schemars(range(min = 1, max = 1))] u32);

impl Default for Version {
    fn default() -> Self {
        Self(1)
    }
}

/// `[server]`: the program as a whole.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ServerSettings {
    /// The URL at which clients reach Tollgate, before any mount's path. Default: the first listener, as localhost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_url: Option<Identifier>,
    /// The folder for what Tollgate keeps. Default: `$STATE_DIRECTORY` (systemd), else this, beside the file.
    pub data_dir: FilePath,
    /// The key from which all others follow; the same on every node. Default: made in `data_dir`.
    pub master_key: SecretSource,
    /// How many threads serve requests; 0 is one for each core.
    pub worker_threads: u16,
    /// How the program ends.
    pub shutdown: ShutdownSettings,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            public_url: None,
            data_dir: FilePath::from("tollgate-data"),
            master_key: SecretSource::created_at("master.key"),
            worker_threads: 0,
            shutdown: ShutdownSettings::default(),
        }
    }
}

/// How the program ends.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ShutdownSettings {
    /// How long `/readyz` says so before the listeners close.
    pub announce: Lifetime,
    /// How long requests under way may then take.
    pub grace: Lifetime,
}

impl Default for ShutdownSettings {
    fn default() -> Self {
        Self {
            announce: Lifetime::seconds(5),
            grace: Lifetime::seconds(30),
        }
    }
}
