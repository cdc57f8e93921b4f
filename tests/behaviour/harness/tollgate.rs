//! Tollgate itself, started as the executable starts it, on ports and in a folder of its own, by a clock that stands still
//! until a test moves it.

use std::{
    fs,
    future::pending,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    panic,
    path::Path,
    sync::{Mutex, Once},
    thread,
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use tempfile::TempDir;
use tollgate::{
    config::Config,
    issue::NewAccount,
    server::{Kept, Running, Server},
    store::Status,
    token::{Scope, Secret, TimeSource, Timestamp},
};

use super::{
    authority::{authority, certificate_of_the_gateway},
    exchange::{Client, Wire},
    issuer::{INTROSPECTION_CLIENT, NOW},
    keys::{b, decode_base64url},
    soon,
};

/// What the file `shop.secret` holds.
pub(crate) const SHOP_SECRET: &str = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGH";

/// A running gateway; stopped, and its folder removed, when dropped.
pub(crate) struct Tollgate {
    running: Box<Running>,
    clock: TimeSource,
    folder: TempDir,
}

impl Tollgate {
    /// Starts with this file.
    ///
    /// # Panics
    /// When the file is wrong or the gateway cannot start; see [`Tollgate::try_start`].
    pub(crate) async fn start(toml: &str) -> Self {
        Self::try_start(toml)
            .await
            .unwrap_or_else(|error| panic!("{error}\nin\n{toml}"))
    }

    /// Starts with this file, or says why not.
    pub(crate) async fn try_start(toml: &str) -> Result<Self, String> {
        watch_for_panics();
        let clock = TimeSource::manual(Timestamp::from_seconds(NOW));
        Self::start_in(prepared_folder(), clock, toml).await
    }

    /// Stops, and starts again in the same folder with this file.
    pub(crate) async fn again(self, toml: &str) -> Self {
        let stopping = Box::pin(self.running.stop(pending()));
        soon("the gateway's end", stopping).await;
        let started = Self::start_in(self.folder, self.clock, toml).await;
        started.unwrap_or_else(|error| panic!("{error}\nin\n{toml}"))
    }

    async fn start_in(folder: TempDir, clock: TimeSource, toml: &str) -> Result<Self, String> {
        let parsed = Config::parse("tollgate.toml", toml, folder.path());
        let (config, _) = parsed.map_err(|report| report.plain())?;
        let started = soon("the gateway", Server::start(&config, clock.clone())).await;
        let running = started.map_err(|error| format!("{error:?}"))?;
        Ok(Self {
            running: Box::new(running),
            clock,
            folder,
        })
    }

    /// Where a listener listens.
    pub(crate) fn address(&self, listener: &str) -> SocketAddr {
        self.running.address(listener).unwrap()
    }

    /// Where the operator's own listener listens.
    pub(crate) fn admin_address(&self) -> SocketAddr {
        self.running.admin_address().unwrap()
    }

    /// The folder of the configuration file.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Moves the clock on.
    pub(crate) fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// What time it is there.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A client of the listener `public`, over TLS, for `gw.test`.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.address("public"), "gw.test")
    }

    /// A raw connection to the listener `public`, over TLS, `http/1.1`, for `gw.test`.
    pub(crate) async fn wire(&self) -> Wire {
        self.wire_to("gw.test").await
    }

    /// The same for another host.
    pub(crate) async fn wire_to(&self, host: &str) -> Wire {
        let config = authority().client(&["http/1.1"]);
        Wire::tls(self.address("public"), host, config).await
    }

    /// What an operator reaches through commands: accounts, clients, keys.
    pub(crate) fn kept(&self) -> &Kept {
        self.running.kept()
    }

    /// Makes an account, as the operator does.
    pub(crate) async fn add_account(&self, mount: &str, account: NewAccount) {
        let accounts = &self.kept().accounts;
        let added = accounts.add(mount, account, self.clock.now()).await;
        added.unwrap();
    }

    /// Gives an account another password, as the operator does.
    pub(crate) async fn set_password(&self, mount: &str, name: &str, password: &str) {
        let accounts = &self.kept().accounts;
        let changed = accounts.set_password(mount, name, Secret::new(password));
        assert!(changed.await.unwrap());
        self.end_account(mount, name).await;
    }

    /// Disables an account, as the operator does.
    pub(crate) async fn disable(&self, mount: &str, name: &str) {
        let accounts = &self.kept().accounts;
        let changed = accounts.set_status(mount, name, Status::Disabled);
        assert!(changed.await.unwrap());
        self.end_account(mount, name).await;
    }

    async fn end_account(&self, mount: &str, name: &str) {
        let kept = self.kept();
        let issuer = kept.mounts[mount].issuer();
        let ended = kept.mint.end_account(name, issuer, self.clock.now()).await;
        ended.unwrap().expect("an account");
    }

    /// Gives an account a second factor, and says what its owner's app is told.
    pub(crate) async fn enable_totp(&self, mount: &str, name: &str) -> String {
        let factors = self.kept().mint.second_factors();
        let told = factors.enable(mount, name).await.unwrap();
        told.expect("an account").reveal().to_owned()
    }

    /// What the gateway's clock says, in seconds since the epoch.
    pub(crate) fn seconds(&self) -> i64 {
        self.clock.now().seconds()
    }

    /// Gives an account these scopes.
    pub(crate) async fn set_scopes(&self, mount: &str, name: &str, scopes: &str) {
        let scope = Scope::parse(scopes).unwrap();
        let accounts = &self.kept().accounts;
        assert!(accounts.set_scope(mount, name, scope).await.unwrap());
    }

    /// Voids every refresh token of an account.
    pub(crate) async fn revoke(&self, mount: &str, name: &str) {
        let accounts = &self.kept().accounts;
        assert!(accounts.revoke(mount, name).await.unwrap());
    }

    /// The public half of the RSA key with which a mount signs, as PEM (RFC 7468 §13).
    pub(crate) fn public_key_pem(&self, mount: &str) -> String {
        let keys = self.kept().mounts[mount].issuer().keyring.jwks();
        let modulus = decode_base64url(keys["keys"][0]["n"].as_str().unwrap());
        assert_eq!(modulus.len(), 256);
        let der = [SPKI_BEFORE_MODULUS, &modulus, SPKI_AFTER_MODULUS].concat();
        let mut pem = "-----BEGIN PUBLIC KEY-----\n".to_owned();
        for line in BASE64_STANDARD.encode(der).as_bytes().chunks(64) {
            pem += std::str::from_utf8(line).unwrap();
            pem.push('\n');
        }
        pem + "-----END PUBLIC KEY-----\n"
    }

    /// Stops in an orderly way: what has begun is finished.
    pub(crate) async fn stop(self) {
        let stopping = Box::pin(self.running.stop(pending()));
        soon("the gateway's end", stopping).await;
    }
}

/// Every panic so far in a thread that is not a test's own: one of the gateway's, or of the world outside.
pub(crate) fn panics() -> Vec<String> {
    PANICS.lock().unwrap().clone()
}

static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Notes panics of other threads from now on. A test's own thread is called after the test and may panic as it likes.
fn watch_for_panics() {
    static WATCH: Once = Once::new();
    WATCH.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            let thread = thread::current();
            if !thread.name().is_some_and(|name| name.contains("::")) {
                PANICS
                    .lock()
                    .unwrap()
                    .push(format!("{:?}: {panic}", thread.name()));
            }
            usual(panic);
        }));
    });
}

/// A folder with all the files that the files of the tests name.
fn prepared_folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        // Keys and secrets that others may read are refused.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    };
    let certificate = certificate_of_the_gateway();
    write("gateway.pem", &certificate.certificate);
    write("gateway.key", &certificate.key);
    write("ca.pem", &authority().pem());
    write("introspection.secret", INTROSPECTION_CLIENT.1);
    write("shop.secret", SHOP_SECRET);
    let keys = b().all().map(super::keys::Key::jwk);
    write(
        "b.jwks.json",
        &serde_json::json!({ "keys": keys }).to_string(),
    );
    folder
}

/// A `SubjectPublicKeyInfo` of 2048 bits RSA up to the modulus (RFC 5280 §4.1, RFC 8017 §A.1).
const SPKI_BEFORE_MODULUS: &[u8] = b"\x30\x82\x01\x22\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00\x03\x82\x01\x0f\x00\x30\x82\x01\x0a\x02\x82\x01\x01\x00";
/// The exponent, 65537.
const SPKI_AFTER_MODULUS: &[u8] = b"\x02\x03\x01\x00\x01";
