//! A dialect at a place: what was sent there is read, answered and written.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONNECTION;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, Version};

use super::{Asked, Dialect, Endpoint, Place, Socket, Spot};
use crate::issue::{Ask, Circumstances, IssueError, LocalIssuer, Mint};
use crate::net::{Body, BodyError, Limit, neighbourhood, read_limited};
use crate::observe::Refusal;
use crate::token::Timestamp;
use crate::verify::Identity;

/// A dialect at a host and path prefix, with the mint that answers it.
#[derive(Debug)]
pub struct Mount {
    /// Its name in the operator's file; also what its protected space is called.
    pub name: Arc<str>,
    dialect: Arc<dyn Dialect>,
    issuer: LocalIssuer,
    mint: Mint,
    prefix: String,
    doors: Vec<Door>,
}

/// An endpoint at its place.
#[derive(Debug)]
struct Door {
    path: String,
    endpoint: Endpoint,
    /// Shared by the doors of one name.
    limit: Option<Arc<Limit>>,
    /// Whether it is each program's own, and taken when it is known which one is asking.
    per_program: bool,
}

/// Who is asking, as far as a mount needs to know.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// The address of the client.
    pub peer_ip: IpAddr,
    /// The one time this request sees.
    pub now: Timestamp,
    /// The name of the request.
    pub request_id: &'a str,
    /// Whose token came with it, where one is demanded.
    pub identity: Option<&'a Arc<Identity>>,
}

/// What became of a request at a mount, for log and metrics: an extension of the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served {
    /// The endpoint; nothing if there is none of that path.
    pub endpoint: Option<&'static str>,
    /// `ok`, or the stable word for what went wrong.
    pub outcome: &'static str,
}

/// How far a request came, and the word for what became of it.
#[derive(Clone, Copy, Debug)]
enum Outcome {
    /// To the mint, which tells the audit log what it did.
    Answered(&'static str),
    /// Not so far.
    Declined(&'static str),
}

impl Outcome {
    const fn word(self) -> &'static str {
        match self {
            Self::Answered(word) | Self::Declined(word) => word,
        }
    }
}

impl Asker<'_> {
    const fn circumstances(&self) -> Circumstances {
        Circumstances {
            now: self.now,
            address: Some(self.peer_ip),
        }
    }
}

impl Mount {
    /// A mount whose endpoints lie below `prefix`, a path without a slash at the end.
    pub fn new(dialect: Arc<dyn Dialect>, issuer: LocalIssuer, mint: Mint, prefix: &str) -> Self {
        let mut limits = HashMap::new();
        let door = |endpoint: &Endpoint| Door {
            path: endpoint.spot.path(prefix, &issuer.identifier),
            endpoint: endpoint.clone(),
            limit: endpoint.limit.map(|allowance| {
                let limit = limits.entry(endpoint.name);
                Arc::clone(limit.or_insert_with(|| Arc::new(Limit::new(allowance))))
            }),
            per_program: dialect.counts_programs(endpoint),
        };
        let doors = dialect.endpoints().iter().map(door).collect();
        Self {
            name: Arc::clone(&issuer.name),
            dialect,
            issuer,
            mint,
            prefix: prefix.to_owned(),
            doors,
        }
    }

    /// The dialect, to phrase refusals with.
    pub fn dialect(&self) -> &Arc<dyn Dialect> {
        &self.dialect
    }

    /// The issuer of the tokens given here.
    pub fn issuer(&self) -> &LocalIssuer {
        &self.issuer
    }

    /// The paths that are this mount's, as a route writes them: one for all below its prefix, and those elsewhere.
    pub fn paths(&self) -> Vec<String> {
        let all = self.dialect.owns_all_below();
        let open = self
            .doors
            .iter()
            .filter(|door| !door.endpoint.demands_token);
        let single = open
            .filter(|door| !all || matches!(door.endpoint.spot, Spot::WellKnown(_)))
            .map(|door| door.path.clone());
        let mut paths: Vec<String> = all
            .then(|| format!("{}/**", self.prefix))
            .into_iter()
            .chain(single)
            .collect();
        paths.dedup();
        paths
    }

    /// The paths of its authorization endpoint, where people are asked; the pages serve them.
    pub fn authorization_paths(&self) -> Vec<String> {
        let spots = self.dialect.authorization().iter();
        spots
            .map(|spot| spot.path(&self.prefix, &self.issuer.identifier))
            .collect()
    }

    /// The paths at which it demands one of its own tokens.
    pub fn guarded_paths(&self) -> Vec<String> {
        let guarded = self.doors.iter().filter(|door| door.endpoint.demands_token);
        guarded.map(|door| door.path.clone()).collect()
    }

    /// How requests are made over a WebSocket here, if this is the path at which they are.
    pub fn socket(&self, path: &str) -> Option<&'static Socket> {
        let socket = self.dialect.socket()?;
        let below = path.strip_prefix(&self.prefix)?;
        (below == socket.path).then_some(socket)
    }

    /// The path below which its endpoints lie, without a slash at the end.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Answers a request. Never fails: whatever goes wrong is an answer in the words of the dialect.
    pub async fn serve<B>(&self, request: Request<B>, from: &Asker<'_>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes, Error = hyper::Error>,
    {
        let (head, body) = request.into_parts();
        let door = self.open(&head, from);
        let (spoken, mut response) = match &door {
            Ok(door) => self.enter(door, &head, body, from).await,
            Err((door, refusal)) => self.decline(*door, refusal, &head, from),
        };
        let door = door.map_or_else(|(door, _)| door, Some);
        let endpoint = door.map(|door| door.endpoint.name);
        let outcome = spoken.word();
        if let (Some(asked), Outcome::Declined(reason)) = (endpoint, spoken) {
            let (issuer, at) = (&self.issuer, from.circumstances());
            self.mint.declined(asked, reason, issuer, at).await;
        }
        tracing::debug!(
            mount = &*self.name,
            endpoint,
            outcome,
            request_id = from.request_id,
            "mount"
        );
        response
            .extensions_mut()
            .insert(Served { endpoint, outcome });
        response
    }

    /// The door a request came to, if it may come in.
    fn open(&self, head: &Parts, from: &Asker<'_>) -> Result<&Door, (Option<&Door>, Refusal)> {
        let here = || {
            let doors = self.doors.iter();
            doors.filter(|door| door.path == head.uri.path())
        };
        let first = here().next().ok_or((None, Refusal::NoRoute))?;
        let Some(door) = here().find(|door| door.takes(&head.method)) else {
            let words: Vec<&str> = here().map(Door::allow).collect();
            let allow = words.join(", ");
            return Err((Some(first), Refusal::MethodNotAllowed { allow }));
        };
        if door.per_program {
            return Ok(door);
        }
        door.take(None, from)
            .map(|()| door)
            .map_err(|refusal| (Some(door), refusal))
    }

    async fn enter<B>(
        &self,
        door: &Door,
        head: &Parts,
        body: B,
        from: &Asker<'_>,
    ) -> (Outcome, Response<Body>)
    where
        B: http_body::Body<Data = Bytes, Error = hyper::Error>,
    {
        let error = match read(body).await {
            Ok(body) => {
                let asked = Asked {
                    head,
                    body: &body,
                    identity: from.identity,
                };
                return self.answer(door, &asked, from).await;
            }
            Err(error) => error,
        };
        let (outcome, mut response) = self.decline(Some(door), &unread(&error), head, from);
        if head.version != Version::HTTP_2 {
            // What is left of the body would be taken for the next request.
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, close);
        }
        (outcome, response)
    }

    async fn answer(
        &self,
        door: &Door,
        asked: &Asked<'_>,
        from: &Asker<'_>,
    ) -> (Outcome, Response<Body>) {
        let at = &door.endpoint;
        let read = self.dialect.read(at, asked);
        if door.per_program {
            // What cannot be read is nobody's, and counts too.
            let program = read.as_ref().ok().and_then(Ask::program);
            if let Err(refusal) = door.take(program, from) {
                return self.decline(Some(door), &refusal, asked.head, from);
            }
        }
        let ask = match read {
            Ok(ask) => ask,
            Err(malformed) => return (Outcome::Declined(malformed.code), *malformed.response),
        };
        let when = from.circumstances();
        let answer = self.mint.answer(ask, &self.issuer, when).await;
        let outcome = match &answer {
            Ok(_) => "ok",
            Err(error) => {
                self.alert(error);
                error.code()
            }
        };
        (
            Outcome::Answered(outcome),
            self.dialect.write(at, answer.as_ref()),
        )
    }

    fn decline(
        &self,
        door: Option<&Door>,
        refusal: &Refusal,
        head: &Parts,
        from: &Asker<'_>,
    ) -> (Outcome, Response<Body>) {
        let place = Place {
            path: head.uri.path(),
            request_id: from.request_id,
            realm: &self.name,
        };
        let response = match door {
            Some(door) => self.dialect.decline(&door.endpoint, refusal, &place),
            None => self.dialect.refuse(refusal, &place),
        };
        (Outcome::Declined(refusal.code()), response)
    }

    /// Only what an operator must act on; the rest is the audit log's.
    fn alert(&self, error: &IssueError) {
        if let IssueError::Store(_) | IssueError::Sign(_) = error {
            let cause = std::error::Error::source(error).map(ToString::to_string);
            tracing::error!(mount = &*self.name, cause, "could not {error}");
        }
    }
}

impl Door {
    /// Counts one attempt from an address, and of a program where that matters.
    fn take(&self, program: Option<&str>, from: &Asker<'_>) -> Result<(), Refusal> {
        let Some(limit) = &self.limit else {
            return Ok(());
        };
        limit
            .take(&(neighbourhood(from.peer_ip), program), from.now)
            .map_err(|retry_after| Refusal::RateLimited { retry_after })
    }

    fn takes(&self, method: &Method) -> bool {
        let wanted = &self.endpoint.method;
        method == wanted || (method == Method::HEAD && wanted == Method::GET)
    }

    fn allow(&self) -> &str {
        match self.endpoint.method.as_str() {
            "GET" => "GET, HEAD",
            method => method,
        }
    }
}

/// Reads a whole body, which has so little to say that it must all be there in time.
async fn read<B>(body: B) -> Result<Bytes, BodyError>
where
    B: http_body::Body<Data = Bytes, Error = hyper::Error>,
{
    let whole = read_limited(body, BODY_LIMIT, BODY_TIME);
    let in_time = tokio::time::timeout(BODY_TIME, whole).await;
    in_time.unwrap_or(Err(BodyError::Idle))
}

fn unread(error: &BodyError) -> Refusal {
    match error {
        BodyError::TooLarge => Refusal::BodyTooLarge,
        BodyError::Idle => Refusal::BadRequest("the body did not arrive in time"),
        BodyError::Broken(_) | BodyError::PermitEnded => Refusal::BadRequest("the body broke off"),
    }
}

/// The largest body a mount reads, in bytes.
const BODY_LIMIT: usize = 64 << 10;

/// How long a client may take to send one.
const BODY_TIME: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::convert::Infallible;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use http_body_util::{BodyExt, Full};
    use serde_json::json;
    use tempfile::TempDir;

    use super::*;
    use crate::dialect::testing::said;
    use crate::dialect::{MountSettings, Speak};
    use crate::issue::{
        ClientSettings, Clients, Grant, Hashing, MasterKey, PasswordSettings, Registration,
        open_keyring,
    };
    use crate::settings::{ByteSize, SecretSource};
    use crate::store::{Store, StoreSettings};
    use crate::token::{Algorithm, Scope, Secret};

    const NOW: Timestamp = Timestamp::from_seconds(1_795_262_671);
    const FORM: &str = "application/x-www-form-urlencoded";

    /// A mount with a store of its own.
    struct House {
        mount: Mount,
        store: Store,
        _folder: TempDir,
    }

    impl House {
        async fn of(settings: &MountSettings) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let file = StoreSettings::default();
            let store = Store::open(&file, folder.path()).await.unwrap();
            let clients = Clients::open(&shop(), store.clone()).await.unwrap();
            let hashing = Hashing::start(&PasswordSettings {
                memory: ByteSize::kib(64),
                passes: 1,
                ..PasswordSettings::default()
            });
            let master = MasterKey::read(&Secret::new(STANDARD.encode([7; 32]))).unwrap();
            let mint = Mint::new(store.clone(), clients, hashing.unwrap(), &master).unwrap();
            let dialect = settings.dialect("https://api.test/oauth");
            let mut profile = dialect.profile().clone();
            // RSA keys take seconds to make.
            profile.algorithm = Algorithm::ES256;
            let keyring = open_keyring(&store, "it", profile.algorithm, &master, NOW).await;
            let issuer = LocalIssuer {
                name: Arc::from("it"),
                identifier: "https://api.test/oauth".to_owned(),
                audience: "https://api.test/oauth".to_owned(),
                keyring: keyring.unwrap(),
                profile,
                register: Registration::Open,
                former_end: Timestamp::from_millis(i64::MIN),
            };
            Self {
                mount: Mount::new(dialect, issuer, mint, settings.prefix()),
                store,
                _folder: folder,
            }
        }

        async fn ask(&self, method: &str, path: &str, kind: &str, body: &str) -> Response<Body> {
            let body = Full::new(Bytes::from(body.to_owned()));
            let body = body.map_err(|never: Infallible| -> hyper::Error { match never {} });
            let request = Request::builder().method(method).uri(path);
            let request = request.header("content-type", kind).body(body).unwrap();
            let asker = Asker {
                peer_ip: [127, 0, 0, 1].into(),
                now: NOW,
                request_id: "0193a1c2",
                identity: None,
            };
            self.mount.serve(request, &asker).await
        }
    }

    fn shop() -> BTreeMap<String, ClientSettings> {
        let shop = ClientSettings {
            secret: Some(SecretSource {
                literal: Some(Secret::new("s")),
                ..SecretSource::default()
            }),
            grants: vec![Grant::ClientCredentials],
            scopes: vec![Scope::parse("orders:read").unwrap()],
            ..ClientSettings::default()
        };
        BTreeMap::from([("shop".to_owned(), shop)])
    }

    fn outcome(response: &Response<Body>) -> (Option<&'static str>, &'static str) {
        let served = response.extensions().get::<Served>().unwrap();
        (served.endpoint, served.outcome)
    }

    const GOOD: &str = "grant_type=client_credentials&client_id=shop&client_secret=s";

    #[tokio::test]
    async fn a_client_gets_a_token_where_the_metadata_says() {
        let house = House::of(&MountSettings::default()).await;
        let well_known = "/.well-known/oauth-authorization-server/oauth";
        assert_eq!(house.mount.paths(), ["/oauth/**", well_known]);
        let below = "/oauth/.well-known/oauth-authorization-server";
        for path in [well_known, below] {
            let (status, metadata) = said(house.ask("GET", path, FORM, "").await);
            assert_eq!(status, 200);
            assert_eq!(metadata["token_endpoint"], "https://api.test/oauth/token");
            assert_eq!(metadata["issuer"], house.mount.issuer().identifier);
        }
        let response = house.ask("POST", "/oauth/token", FORM, GOOD).await;
        assert_eq!(outcome(&response), (Some("token"), "ok"));
        let (status, body) = said(response);
        assert_eq!((status, &body["scope"]), (200, &json!("orders:read")));
        let (status, keys) = said(house.ask("GET", "/oauth/jwks", FORM, "").await);
        assert_eq!((status, keys["keys"].as_array().unwrap().len()), (200, 1));
    }

    #[tokio::test]
    async fn t06_only_the_right_method_is_taken() {
        let house = House::of(&MountSettings::default()).await;
        let response = house.ask("GET", "/oauth/token", FORM, "").await;
        assert_eq!(
            (response.status().as_u16(), &response.headers()["allow"]),
            (405, &"POST".parse().unwrap())
        );
        assert_eq!(outcome(&response), (Some("token"), "method_not_allowed"));
        let response = house.ask("POST", "/oauth/jwks", FORM, "").await;
        assert_eq!(response.headers()["allow"], "GET, HEAD");
        assert_eq!(
            house.ask("HEAD", "/oauth/jwks", FORM, "").await.status(),
            200
        );
        let response = house.ask("POST", "/oauth/token/", FORM, GOOD).await;
        assert_eq!(outcome(&response), (None, "no_route"));
    }

    // XD-4
    #[tokio::test]
    async fn a_body_too_large_is_refused_in_the_words_of_the_dialect() {
        let large = "x".repeat(300_000);
        let house = House::of(&MountSettings::default()).await;
        let (status, body) = said(house.ask("POST", "/oauth/token", FORM, &large).await);
        assert_eq!((status, &body["error"]), (413, &json!("invalid_request")));
        let house = House::of(&MountSettings::speaking(Speak::Nexushub)).await;
        let response = house.ask("POST", "/refresh", FORM, &large).await;
        assert_eq!(response.status(), 413);
        assert_eq!(response.headers()["connection"], "close");
        assert_eq!(
            response.headers()["content-type"],
            "text/plain;charset=utf-8"
        );
    }

    #[tokio::test]
    async fn a_store_that_cannot_be_asked_is_a_503_and_never_a_no() {
        for (speak, path, body) in [
            (
                Speak::Oauth2,
                "/oauth/token",
                "grant_type=client_credentials&client_id=x&client_secret=y",
            ),
            (
                Speak::Nexushub,
                "/authenticate",
                "user_key=ada-00000000000000000000000000000000&user_secret=x",
            ),
        ] {
            let house = House::of(&MountSettings::speaking(speak)).await;
            house.store.close().await;
            let response = house.ask("POST", path, FORM, body).await;
            assert_eq!(outcome(&response).1, "store_unavailable");
            assert_eq!(response.status(), 503);
        }
    }

    // NH-1, NH-5, NH-7, NH-10, NH-11
    #[tokio::test]
    async fn an_account_is_made_and_its_tokens_are_renewed() {
        let house = House::of(&MountSettings::speaking(Speak::Nexushub)).await;
        assert_eq!(house.mount.paths(), ["/**"]);
        let (status, body) = said(
            house
                .ask("POST", "/register", FORM, "user_id=ada&user_secret=one")
                .await,
        );
        let key = body["user_key"].as_str().unwrap();
        assert_eq!((status, key.len(), &key[..4]), (200, 36, "ada-"));
        let login = json!({ "user_key": key, "user_secret": "one" }).to_string();
        let mut refresh_tokens = Vec::new();
        for _ in 0..2 {
            let (status, tokens) = said(
                house
                    .ask("POST", "/authenticate", "application/json", &login)
                    .await,
            );
            assert_eq!((status, tokens.as_object().unwrap().len()), (200, 2));
            refresh_tokens.push(tokens["refresh_token"].as_str().unwrap().to_owned());
        }
        assert_eq!(refresh_tokens[0], refresh_tokens[1]);
        let renewal = format!("refresh_token={}", refresh_tokens[0]);
        for _ in 0..3 {
            let (status, tokens) = said(house.ask("POST", "/refresh", FORM, &renewal).await);
            assert_eq!((status, tokens.as_object().unwrap().len()), (200, 1));
        }
        let response = house
            .ask("POST", "/refresh", FORM, "refresh_token=nope")
            .await;
        assert_eq!(outcome(&response), (Some("refresh"), "invalid_grant"));
        assert_eq!(response.status(), 403);
    }

    // NH-19
    #[tokio::test]
    async fn the_twenty_first_attempt_waits() {
        let house = House::of(&MountSettings::speaking(Speak::Nexushub)).await;
        for _ in 0..20 {
            assert_eq!(house.ask("POST", "/refresh", FORM, "").await.status(), 401);
        }
        let (status, body) = said(house.ask("POST", "/refresh", FORM, "").await);
        assert_eq!(status, 429);
        let reason = "Max requests per interval reached. You need to wait 6000ms to continue.";
        assert_eq!(
            body,
            json!({ "error": "Rate limit exceeded.", "reason": reason })
        );
        assert_eq!(house.ask("POST", "/userkey", FORM, "").await.status(), 403);
    }
}
