//! Issuers A and B: they sign whatever they are asked to, publish keys, answer introspection, and fail on command.
//!
//! An issuer is an [`Upstream`] with answers of its own, so all its requests can be counted and read.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Map, Value, json};

use super::{
    keys::{Key, Keys, base64url},
    upstream::{Reply, Seen, Upstream},
};

/// The moment at which the manual clock of every test starts: 2027-01-15 08:00 UTC, in seconds since 1970.
pub(crate) const NOW: i64 = 1_800_000_000;

/// The client name and secret with which the gateway must introduce itself at the introspection endpoint.
pub(crate) const INTROSPECTION_CLIENT: (&str, &str) = ("tollgate", "introspection secret");

/// A programmable issuer on a port of its own.
pub(crate) struct Issuer {
    server: Upstream,
    keys: &'static Keys,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    published: Vec<Value>,
    /// Replies that replace the honest one, by path: single ones first, then the lasting one.
    once: HashMap<String, VecDeque<Reply>>,
    always: HashMap<String, Reply>,
    cache_control: Option<String>,
    opaque: HashMap<String, Value>,
}

/// A token being made. Starts as a good one; every method makes it worse, or merely different.
#[derive(Clone)]
pub(crate) struct Token {
    header: Map<String, Value>,
    claims: Map<String, Value>,
    key: Key,
}

impl Issuer {
    /// An issuer with these keys, all published, on plain HTTP.
    pub(crate) async fn start(keys: &'static Keys) -> Self {
        Self::with(Upstream::start().await, keys)
    }

    /// The same over TLS, certified by the common authority.
    pub(crate) async fn secure(keys: &'static Keys) -> Self {
        Self::with(Upstream::secure().await, keys)
    }

    fn with(server: Upstream, keys: &'static Keys) -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let issuer = Self {
            server,
            keys,
            state: state.clone(),
        };
        issuer.publish(&keys.all());
        let url = issuer.url();
        issuer
            .server
            .answer_with(move |seen| answer(&state, &url, seen));
        issuer
    }

    /// The issuer identifier, the value of `iss`.
    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    /// Where its key set is.
    pub(crate) fn jwks_url(&self) -> String {
        format!("{}/jwks", self.url())
    }

    /// Where it answers introspection requests.
    pub(crate) fn introspection_url(&self) -> String {
        format!("{}/introspect", self.url())
    }

    /// The server behind it.
    pub(crate) fn server(&self) -> &Upstream {
        &self.server
    }

    /// Its keys.
    pub(crate) fn keys(&self) -> &'static Keys {
        self.keys
    }

    /// Goes away; connections to it are refused from now on.
    pub(crate) fn stop(&mut self) {
        self.server.stop();
    }

    /// Replaces the published key set.
    pub(crate) fn publish(&self, keys: &[&Key]) {
        self.state().published = keys.iter().map(|key| key.jwk()).collect();
    }

    /// Replaces the published key set by these very keys.
    pub(crate) fn publish_raw(&self, keys: Vec<Value>) {
        self.state().published = keys;
    }

    /// Sends this `Cache-Control` with the key set.
    pub(crate) fn cache_control(&self, value: &str) {
        self.state().cache_control = Some(value.to_owned());
    }

    /// Gives this reply to the next request for a path.
    pub(crate) fn once(&self, path: &str, reply: Reply) {
        self.state()
            .once
            .entry(path.to_owned())
            .or_default()
            .push_back(reply);
    }

    /// Gives this reply to every request for a path, until [`Issuer::honest`].
    pub(crate) fn fail(&self, path: &str, reply: Reply) {
        self.state().always.insert(path.to_owned(), reply);
    }

    /// Tells the truth again.
    pub(crate) fn honest(&self) {
        let mut state = self.state();
        state.once.clear();
        state.always.clear();
    }

    /// How often a path was asked for.
    pub(crate) fn count(&self, path: &str) -> usize {
        self.server
            .requests()
            .iter()
            .filter(|seen| path_of(seen) == path)
            .count()
    }

    /// How often the key set was asked for.
    pub(crate) fn jwks_count(&self) -> usize {
        self.count("/jwks")
    }

    /// How often introspection was asked for.
    pub(crate) fn introspection_count(&self) -> usize {
        self.count("/introspect")
    }

    /// Says that an opaque token is active, with these further members.
    pub(crate) fn activate(&self, token: &str, members: &Value) {
        let mut answer = json!({ "active": true, "iss": self.url() });
        let members = members.as_object().cloned().unwrap_or_default();
        answer.as_object_mut().unwrap().extend(members);
        self.state().opaque.insert(token.to_owned(), answer);
    }

    /// Says from now on that an opaque token is inactive.
    pub(crate) fn revoke(&self, token: &str) {
        self.state().opaque.remove(token);
    }

    /// A good token: RS256, `iss` this issuer, `aud=api sub=u1 scope=read exp=NOW+300`.
    pub(crate) fn token(&self) -> Token {
        let claims = json!({ "iss": self.url(), "aud": "api", "sub": "u1", "scope": "read", "iat": NOW, "exp": NOW + 300 });
        Token::new(&self.keys.rsa, claims)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl Token {
    /// A token with these claims, under a key's `alg` and `kid`.
    pub(crate) fn new(key: &Key, claims: Value) -> Self {
        let Value::Object(claims) = claims else {
            panic!("claims are an object")
        };
        let mut header = Map::new();
        header.insert("typ".to_owned(), "JWT".into());
        header.insert("alg".to_owned(), key.algorithm.into());
        header.insert("kid".to_owned(), key.kid.clone().into());
        Self {
            header,
            claims,
            key: key.clone(),
        }
    }

    /// Sets a claim.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    /// Leaves a claim out.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.claims.remove(name);
        self
    }

    /// Sets a header parameter.
    pub(crate) fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.insert(name.to_owned(), value.into());
        self
    }

    /// Leaves a header parameter out.
    pub(crate) fn without_header(mut self, name: &str) -> Self {
        self.header.remove(name);
        self
    }

    /// Signs with another key and says so in `alg` and `kid`.
    pub(crate) fn by(self, key: &Key) -> Self {
        let mut token = self.secretly_by(key);
        token.header.insert("alg".to_owned(), key.algorithm.into());
        token
            .header
            .insert("kid".to_owned(), key.kid.clone().into());
        token
    }

    /// Signs with another key and keeps `alg` and `kid` as they are.
    pub(crate) fn secretly_by(mut self, key: &Key) -> Self {
        self.key = key.clone();
        self
    }

    /// The finished token.
    pub(crate) fn sign(&self) -> String {
        self.sign_as(|message| self.key.sign(message))
    }

    /// The finished token with a signature of one's own making.
    pub(crate) fn sign_as(&self, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
        let header = Value::Object(self.header.clone()).to_string();
        compact(
            &header,
            &Value::Object(self.claims.clone()).to_string(),
            sign,
        )
    }

    /// The first two parts, `header.claims`, without a signature.
    pub(crate) fn unsigned(&self) -> String {
        let whole = self.sign_as(|_| Vec::new());
        whole.trim_end_matches('.').to_owned()
    }
}

/// Three parts from texts that need not be JSON: for duplicate members and other tricks.
pub(crate) fn compact(header: &str, claims: &str, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let message = format!("{}.{}", base64url(header), base64url(claims));
    let signature = base64url(sign(message.as_bytes()));
    format!("{message}.{signature}")
}

fn answer(state: &Mutex<State>, url: &str, seen: &Seen) -> Reply {
    let mut state = state.lock().unwrap();
    let path = path_of(seen);
    if let Some(reply) = state.once.get_mut(path).and_then(VecDeque::pop_front) {
        return reply;
    }
    if let Some(reply) = state.always.get(path) {
        return reply.clone();
    }
    match path {
        "/.well-known/openid-configuration" | "/.well-known/oauth-authorization-server" => {
            Reply::json(200, &metadata(url))
        }
        "/jwks" => key_set(&state),
        "/introspect" => introspect(&state, seen),
        _ => Reply::text(404, "text/plain", "nothing here"),
    }
}

fn metadata(url: &str) -> Value {
    json!({
        "issuer": url,
        "jwks_uri": format!("{url}/jwks"),
        "introspection_endpoint": format!("{url}/introspect"),
        "token_endpoint": format!("{url}/token"),
        "authorization_endpoint": format!("{url}/authorize"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    })
}

fn key_set(state: &State) -> Reply {
    let body = json!({ "keys": state.published }).to_string();
    let cache = state
        .cache_control
        .as_ref()
        .map_or_else(String::new, |value| format!("Cache-Control: {value}\r\n"));
    let length = body.len();
    Reply::raw(format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{cache}Content-Length: {length}\r\n\r\n{body}"
    ))
}

/// RFC 7662 §2.2, for the one client this endpoint knows.
fn introspect(state: &State, seen: &Seen) -> Reply {
    let (client, secret) = INTROSPECTION_CLIENT;
    // RFC 6749 §2.3.1: both halves are form-encoded before they are joined.
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let credentials = BASE64_STANDARD.encode(format!("{}:{}", encode(client), encode(secret)));
    if seen.header("authorization") != Some(&format!("Basic {credentials}")) {
        return Reply::json(401, &json!({ "error": "invalid_client" }));
    }
    let token = form_urlencoded::parse(&seen.body)
        .find(|(name, _)| name == "token")
        .map(|(_, value)| value.into_owned());
    match (seen.method.as_str(), token) {
        ("POST", Some(token)) => Reply::json(
            200,
            state
                .opaque
                .get(&token)
                .unwrap_or(&json!({ "active": false })),
        ),
        _ => Reply::json(400, &json!({ "error": "invalid_request" })),
    }
}

fn path_of(seen: &Seen) -> &str {
    seen.target.split('?').next().unwrap_or_default()
}
