//! Defaults that depend on other settings, on the place of the file, or on who started the program.

use std::num::NonZeroUsize;
use std::path::Path;

use super::Config;
use crate::dialect::MountSettings;
use crate::listen::{ListenerSettings, TlsMode};
use crate::route::{Access, RouteSettings};
use crate::settings::{Document, FilePath, SecretSource, variable};

/// Fills in what was not written. `folder` is that of the file.
pub(super) fn settle(config: &mut Config, document: &Document, folder: &Path) {
    if !document.has("server.data_dir") {
        // systemd lists several folders with colons between them; the first is the one of that name.
        let given =
            variable("STATE_DIRECTORY").and_then(|list| Some(list.split(':').next()?.to_owned()));
        let data_dir =
            given.map_or_else(|| folder.join(config.server.data_dir.as_path()), Into::into);
        config.server.data_dir = FilePath::from(std::path::absolute(&data_dir).unwrap_or(data_dir));
    }
    if !document.has("server.master_key") {
        config.server.master_key = SecretSource::created_at(config.data_dir().join("master.key"));
    }
    if !document.has("dialect") {
        config
            .dialect
            .insert("oauth".to_owned(), MountSettings::default());
    }
}

impl Config {
    /// The folder for what Tollgate keeps; absolute.
    pub fn data_dir(&self) -> &Path {
        self.server.data_dir.as_path()
    }

    /// The URL at which clients reach Tollgate, without a slash at its end.
    pub fn public_url(&self) -> String {
        if let Some(url) = &self.server.public_url {
            return url.as_str().trim_end_matches('/').to_owned();
        }
        let is_secure = |listener: &&ListenerSettings| listener.tls.mode != TlsMode::Off;
        let secure = self.listener.values().find(is_secure);
        let (scheme, usual_port) = if secure.is_some() {
            ("https", 443)
        } else {
            ("http", 80)
        };
        match secure
            .or_else(|| self.listener.values().next())
            .map(|listener| listener.address.port())
        {
            Some(port) if port != usual_port => format!("{scheme}://localhost:{port}"),
            _ => format!("{scheme}://localhost"),
        }
    }

    /// How many threads serve requests.
    pub fn workers(&self) -> NonZeroUsize {
        let cores = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        NonZeroUsize::new(usize::from(self.server.worker_threads)).unwrap_or_else(cores)
    }

    /// The URL of a mount, without a slash at its end.
    pub fn mount_url(&self, mount: &MountSettings) -> String {
        format!("{}{}", self.public_url(), mount.prefix())
    }

    /// The issuer identifier of a mount: the one it was given, or its URL.
    pub fn identifier_of(&self, mount: &MountSettings) -> String {
        let given = mount.issuer.as_ref();
        given.map_or_else(
            || self.mount_url(mount),
            |issuer| issuer.as_str().to_owned(),
        )
    }

    /// Whose tokens a route accepts: those it names, or the only one there is.
    pub fn issuers_of<'a>(&'a self, route: &'a RouteSettings) -> Vec<&'a str> {
        if !route.issuers.is_empty() {
            return route.issuers.iter().map(String::as_str).collect();
        }
        if route.auth == Access::Public {
            return Vec::new();
        }
        self.issuers().take(1).collect()
    }

    /// Everyone whose tokens can be accepted: others, and the mounts themselves.
    pub fn issuers(&self) -> impl Iterator<Item = &str> {
        self.issuer
            .keys()
            .chain(self.dialect.keys())
            .map(String::as_str)
    }

    /// The routes that let everybody in, by name.
    pub fn open_routes(&self) -> impl Iterator<Item = &str> {
        let open = self
            .route
            .iter()
            .filter(|(_, route)| route.auth == Access::Public);
        open.map(|(name, _)| name.as_str())
    }
}
