//! What the tests of this folder share: an issuer on a port of its own, and a verifier that believes it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::issuer::settings::IssuerSettings;
use super::{
    Accepted, Claimant, Identity, Issuers, Local, Memo, TokenCache, Verifier, VerifyError, Wanted,
};
use crate::observe::Trail;
use crate::token::{Algorithm, Keyring, Profile, SigningKey, Timestamp};

pub(super) const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

pub(super) fn later(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

/// An HTTP server that answers each path as it was told to, and counts.
pub(super) struct FakeIssuer {
    pub(super) url: String,
    state: Arc<Mutex<State>>,
    asked: watch::Receiver<usize>,
    hold: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    replies: HashMap<String, String>,
    requests: Vec<String>,
}

impl FakeIssuer {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State::default()));
        let (count, asked) = watch::channel(0);
        let (hold, gate) = watch::channel(false);
        let shared = Arc::clone(&state);
        Handle::current().spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (state, count, gate) = (Arc::clone(&shared), count.clone(), gate.clone());
                Handle::current().spawn(answer(stream, state, count, gate));
            }
        });
        Self {
            url,
            state,
            asked,
            hold,
        }
    }

    pub(super) fn reply(&self, path: &str, status: &str, headers: &str, body: &str) {
        let length = body.len();
        let reply = format!(
            "HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
        let mut state = self.state.lock().unwrap();
        state.replies.insert(path.to_owned(), reply);
    }

    pub(super) fn json(&self, path: &str, body: &Value) {
        self.reply(path, "200 OK", "", &body.to_string());
    }

    pub(super) fn publish(&self, keys: &[&SigningKey]) {
        let keys: Vec<&Value> = keys.iter().map(|key| key.jwk()).collect();
        self.json("/keys", &json!({ "keys": keys }));
    }

    pub(super) fn requests(&self) -> Vec<String> {
        self.state.lock().unwrap().requests.clone()
    }

    pub(super) fn count(&self) -> usize {
        *self.asked.borrow()
    }

    /// Waits until this many requests have come.
    pub(super) async fn was_asked(&self, count: usize) {
        let mut asked = self.asked.clone();
        asked.wait_for(|seen| *seen >= count).await.unwrap();
    }

    /// Answers nothing until [`FakeIssuer::release`].
    pub(super) fn hold(&self) {
        self.hold.send_replace(true);
    }

    pub(super) fn release(&self) {
        self.hold.send_replace(false);
    }
}

async fn answer(
    mut stream: TcpStream,
    state: Arc<Mutex<State>>,
    count: watch::Sender<usize>,
    mut gate: watch::Receiver<bool>,
) {
    let request = read(&mut stream).await;
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    state.lock().unwrap().requests.push(request);
    count.send_modify(|count| *count += 1);
    gate.wait_for(|held| !held).await.unwrap();
    let reply = state.lock().unwrap().replies.get(&path).cloned();
    let reply = reply.unwrap_or_else(|| {
        "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned()
    });
    stream.write_all(reply.as_bytes()).await.unwrap();
}

async fn read(stream: &mut TcpStream) -> String {
    let mut seen = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let length = stream.read(&mut piece).await.unwrap();
        seen.extend_from_slice(&piece[..length]);
        let text = String::from_utf8_lossy(&seen).into_owned();
        let lower = text.to_ascii_lowercase();
        let Some(end) = text.find("\r\n\r\n") else {
            assert!(length > 0, "request broke off");
            continue;
        };
        let body: usize = lower
            .split("content-length: ")
            .nth(1)
            .and_then(|rest| rest.split("\r\n").next())
            .map_or(0, |length| length.parse().unwrap());
        if text.len() >= end + 4 + body {
            return text;
        }
    }
}

/// A verifier with one route that accepts all its issuers.
pub(super) struct World {
    pub(super) verifier: Verifier,
    pub(super) accepted: Accepted,
    pub(super) memo: Memo,
}

/// The issuers of a world in the making.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) issuers: Issuers,
    pub(super) wanted: Wanted,
    names: Vec<String>,
}

impl Plan {
    pub(super) fn local(mut self, name: &str, profile: &Profile, keyring: &Arc<Keyring>) -> Self {
        self.issuers.add_local(Local {
            name: Arc::from(name),
            identifier: format!("https://gw.test/{name}"),
            audience: "api".to_owned(),
            profile: profile.clone(),
            keyring: Arc::clone(keyring),
        });
        self.names.push(name.to_owned());
        self
    }

    pub(super) fn remote(mut self, name: &str, toml: &str) -> Self {
        let settings = settings(toml);
        let chores = Handle::current();
        self.issuers
            .add_remote(name, &settings, &chores, None)
            .unwrap();
        self.names.push(name.to_owned());
        self
    }

    pub(super) fn build(mut self) -> World {
        let names = self.names.iter().map(String::as_str);
        let issuers = self.issuers.set(names).unwrap();
        World {
            verifier: Verifier::new(
                Arc::new(self.issuers),
                self.wanted,
                TokenCache::new(1 << 20),
            ),
            accepted: Accepted {
                issuers,
                ..Accepted::default()
            },
            memo: Memo::default(),
        }
    }
}

impl World {
    pub(super) fn tick(&self, now: Timestamp) {
        self.verifier.issuers().tick(now);
    }

    pub(super) async fn ask(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<(Arc<Identity>, &'static str), VerifyError> {
        self.ask_with(&self.memo, token, now).await
    }

    /// The same on another connection.
    pub(super) async fn ask_with(
        &self,
        memo: &Memo,
        token: &str,
        now: Timestamp,
    ) -> Result<(Arc<Identity>, &'static str), VerifyError> {
        let mut trail = Trail::default();
        let headers = bearer(token);
        let found = self.identify(&headers, memo, now, &mut trail).await?;
        Ok((found.unwrap(), trail.source.unwrap()))
    }

    /// Whatever fields a request has.
    pub(super) async fn identify(
        &self,
        headers: &HeaderMap,
        memo: &Memo,
        now: Timestamp,
        trail: &mut Trail,
    ) -> Result<Option<Arc<Identity>>, VerifyError> {
        let claimant = Claimant {
            headers,
            memo,
            client: [192, 0, 2, 1].into(),
            now,
        };
        self.verifier
            .identify(claimant, &self.accepted, trail)
            .await
    }
}

pub(super) fn settings(toml: &str) -> IssuerSettings {
    toml::from_str(toml).unwrap()
}

pub(super) fn bearer(token: &str) -> HeaderMap {
    let value = HeaderValue::try_from(format!("Bearer {token}")).unwrap();
    HeaderMap::from_iter([(header::AUTHORIZATION, value)])
}

pub(super) fn key() -> Arc<SigningKey> {
    Arc::new(SigningKey::generate(Algorithm::ES256).unwrap())
}

pub(super) fn ring(key: &Arc<SigningKey>) -> Arc<Keyring> {
    Arc::new(Keyring::new(Arc::clone(key), &[]))
}

/// Good claims of a token by this issuer, with these members changed; `null` removes one.
#[expect(
    clippy::needless_pass_by_value,
    reason = "reads better where it is called"
)]
pub(super) fn claims(issuer: &str, changes: Value) -> Value {
    let mut claims = json!({
        "iss": issuer, "aud": "api", "sub": "u1", "client_id": "c1", "jti": "t1",
        "scope": "read", "exp": NOW.seconds() + 300, "iat": NOW.seconds(),
    });
    let members = claims.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
    claims
}

pub(super) fn token(key: &SigningKey, claims: &Value) -> String {
    key.token(&Profile::standard(), claims).unwrap()
}
