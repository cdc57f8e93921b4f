//! Keys that belong to one kind of a thing and were written for another, and those that a kind cannot do without.

use super::check::Check;
use crate::listen::{ListenerSettings, TlsMode};
use crate::settings::{Dotted, Place, Problem};

impl Check<'_> {
    /// Adds every key that does not fit the kind chosen beside it.
    pub(super) fn kinds(&mut self) {
        for (name, listener) in &self.config.listener {
            let path = Dotted::from("listener").key(name);
            self.tls_keys(&path.key("tls"), listener.tls.mode);
            self.exposure(&path, listener);
        }
        for (name, issuer) in &self.config.issuer {
            let path = Dotted::from("issuer").key(name);
            // What could not be read would be taken for missing.
            if self.is_whole(&path) {
                self.problems.extend(issuer.check(&path));
            }
        }
        for (name, client) in &self.config.client {
            let path = Dotted::from("client").key(name);
            if self.is_whole(&path) {
                self.problems.extend(client.check(&path));
            }
        }
        for (name, mount) in &self.config.dialect {
            let path = Dotted::from("dialect").key(name);
            for (key, reason) in mount.misplaced() {
                let place = key.split('.').fold(path.clone(), |path, key| path.key(key));
                let message = format!(
                    "`{key}` does not belong to `speak = \"{}\"`",
                    mount.speak.word()
                );
                let problem = Problem::error("TG0230", Place::key(place), message).note(reason);
                self.report(
                    problem
                        .help("remove it")
                        .see(Place::value(path.key("speak")), "chosen here"),
                );
            }
        }
    }

    fn tls_keys(&mut self, path: &Dotted, mode: TlsMode) {
        for (key, owner) in TLS_KEYS {
            let path_of_key = path.key(key);
            if owner != mode && self.document.has(&path_of_key) {
                let message = format!("`{key}` belongs to `mode = \"{}\"`", word(owner));
                let problem = Problem::error("TG0231", Place::key(path_of_key), message);
                self.report(problem.help("remove it, or choose that mode"));
            } else if owner == mode && owner == TlsMode::Files && !self.document.has(&path_of_key) {
                let message = format!("[{path}] lacks `{key}`");
                let problem = Problem::error("TG0232", Place::value(path), message);
                self.report(problem.help("`mode = \"files\"` needs both `cert` and `key`"));
            }
        }
    }

    /// Who can reach a listener, and what they would hear there.
    fn exposure(&mut self, path: &Dotted, listener: &ListenerSettings) {
        let place = Place::value(path.key("address"));
        if listener.address.ip().to_canonical().is_loopback() {
            return;
        }
        if listener.tls.mode == TlsMode::Dev && !listener.tls.allow_remote {
            let message = "a certificate of our own making is for this machine only";
            let problem = Problem::error("TG0233", place, message);
            self.report(problem.help("listen on 127.0.0.1, or add `allow_remote = true` to `tls`"));
        } else if listener.tls.mode == TlsMode::Off && listener.trusted_proxies.is_empty() {
            let problem = Problem::warning("TG0234", place, "tokens travel unencrypted here");
            self.report(problem.help("set `tls`, or name the proxy in front in `trusted_proxies`"));
        }
    }
}

const TLS_KEYS: [(&str, TlsMode); 3] = [
    ("cert", TlsMode::Files),
    ("key", TlsMode::Files),
    ("allow_remote", TlsMode::Dev),
];

const fn word(mode: TlsMode) -> &'static str {
    match mode {
        TlsMode::Off => "off",
        TlsMode::Dev => "dev",
        TlsMode::Files => "files",
    }
}
