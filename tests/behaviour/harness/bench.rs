//! The bench of the acceptance list: one gateway, one upstream, two issuers, two introspection servers, and the words in which
//! the list speaks (REJ, NO, SAFE, ABORT, LIVE).
//!
//! | route | path | demands |
//! |---|---|---|
//! | O | `/public/**` | nothing |
//! | P | `/api/**` | a token of A for the audience `api` |
//! | M | `/api/admin/**` | the same with scope `admin` |
//! | W | `/ws` | as P |
//! | S | `/svc/**`, prefix stripped | nothing |
//! | X, Y | `/intro/**`, `/intro2/**` | an opaque token, checked at N1, N2 |
//! | B | host `b.test` | a token of B |

use super::{
    exchange::{Answer, Client, Request, Wire},
    issuer::{INTROSPECTION_CLIENT, Issuer, Token},
    keys,
    tollgate::{Tollgate, panics},
    upstream::Upstream,
};

/// `GET /public/smuggled`, 48 bytes: what must never be understood as a request of its own.
pub(crate) const SMUGGLED: &str = "GET /public/smuggled HTTP/1.1\r\nHost: gw.test\r\n\r\n";

/// The gateway and its world.
pub(crate) struct Bench {
    /// The gateway, G.
    pub(crate) gateway: Tollgate,
    /// The upstream, U1.
    pub(crate) upstream: Upstream,
    /// Issuer A.
    pub(crate) a: Issuer,
    /// Issuer B.
    pub(crate) b: Issuer,
    /// The introspection server of route X.
    pub(crate) n1: Issuer,
    /// The introspection server of route Y.
    pub(crate) n2: Issuer,
}

impl Bench {
    /// The bench as the list describes it.
    pub(crate) async fn start() -> Self {
        Self::with("").await
    }

    /// The bench with more in the gateway's file.
    pub(crate) async fn with(more: &str) -> Self {
        let world = World::start().await;
        let file = world.file() + more;
        world.gate(&file).await
    }

    /// The bench with parts of the gateway's file replaced, and more after it.
    pub(crate) async fn changed(changes: &[(&str, &str)], more: &str) -> Self {
        let world = World::start().await;
        let mut file = world.file();
        for (from, to) in changes {
            assert!(file.contains(from), "the file has no {from:?}");
            file = file.replace(from, to);
        }
        world.gate(&(file + more)).await
    }

    /// A client for `gw.test`, HTTP/1.1.
    pub(crate) fn client(&self) -> Client {
        self.gateway.client()
    }

    /// A GET request to `gw.test`.
    pub(crate) fn get(&self, path: &str) -> Request {
        self.client().get(path)
    }

    /// A POST request to `gw.test`.
    pub(crate) fn post(&self, path: &str) -> Request {
        self.client().post(path)
    }

    /// A raw TLS connection to the gateway.
    pub(crate) async fn wire(&self) -> Wire {
        self.gateway.wire().await
    }

    /// `tok()`: a good token of A.
    pub(crate) fn token(&self) -> Token {
        self.a.token()
    }

    /// Sends bytes on a connection of their own and gives every reply until the gateway closes it.
    pub(crate) async fn say(&self, bytes: impl AsRef<[u8]>) -> Vec<Answer> {
        let mut wire = self.wire().await;
        wire.send(bytes).await;
        wire.replies().await
    }

    /// REJ: refused as malformed or simply closed; the upstream untouched; the connection closed.
    pub(crate) async fn rejects(&self, bytes: impl AsRef<[u8]>) {
        let before = self.upstream.bytes().len();
        let replies = self.say(&bytes).await;
        let said = String::from_utf8_lossy(bytes.as_ref()).into_owned();
        assert!(replies.len() < 2, "{} replies to {said:?}", replies.len());
        if let Some(answer) = replies.first() {
            let status = answer.status;
            assert!(
                [400, 413, 414, 421, 431, 501, 505].contains(&status),
                "{status} to {said:?}"
            );
        }
        assert_eq!(
            self.upstream.bytes().len(),
            before,
            "the upstream was touched by {said:?}"
        );
        self.lives().await;
    }

    /// SAFE: refused, or exactly one well-framed request passed and nothing was smuggled.
    pub(crate) async fn passes_safely(&self, bytes: impl AsRef<[u8]>) {
        let replies = self.say(&bytes).await;
        let requests = self.upstream.requests();
        assert!(
            requests.len() <= 1,
            "several requests from one: {requests:#?}"
        );
        assert!(
            requests.len() <= replies.len(),
            "more requests than replies: {requests:#?}"
        );
        assert!(
            requests
                .iter()
                .all(|seen| seen.target != "/public/smuggled"),
            "{requests:#?}"
        );
        assert!(
            self.upstream.faults().is_empty(),
            "{:?}",
            self.upstream.faults()
        );
        self.lives().await;
    }

    /// ABORT: refused or closed; whatever the upstream got was never finished.
    pub(crate) async fn aborts(&self, bytes: impl AsRef<[u8]>) {
        let replies = self.say(&bytes).await;
        assert!(replies.len() < 2);
        if let Some(answer) = replies.first() {
            assert_eq!(answer.status, 400);
        }
        assert!(
            self.upstream.requests().iter().all(|seen| !seen.complete),
            "{:#?}",
            self.upstream.requests()
        );
        self.upstream.abandoned().await;
        self.lives().await;
    }

    /// NO: 401 with a challenge, and the upstream untouched.
    pub(crate) async fn refuses(&self, request: Request) -> Answer {
        let before = self.upstream.bytes().len();
        let answer = request.send().await;
        assert_eq!(answer.status, 401, "{}", answer.text());
        let challenge = answer.header("www-authenticate").unwrap_or_default();
        assert!(challenge.starts_with("Bearer"), "{challenge:?}");
        assert_eq!(
            self.upstream.bytes().len(),
            before,
            "the upstream was touched"
        );
        answer
    }

    /// NO, for a token on route P.
    pub(crate) async fn refuses_token(&self, token: &str) -> Answer {
        self.refuses(self.get("/api/x").bearer(token)).await
    }

    /// A token opens route P.
    pub(crate) async fn admits_token(&self, token: &str) {
        let answer = self.get("/api/x").bearer(token).send().await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// LIVE: a good request on a new connection is answered.
    pub(crate) async fn lives(&self) {
        let answer = self.get("/public/live").send().await;
        assert_eq!(
            answer.status,
            200,
            "the gateway no longer serves: {}",
            answer.text()
        );
        assert!(panics().is_empty(), "{:?}", panics());
    }
}

/// What surrounds the gateway.
struct World {
    upstream: Upstream,
    a: Issuer,
    b: Issuer,
    n1: Issuer,
    n2: Issuer,
}

impl World {
    async fn start() -> Self {
        Self {
            upstream: Upstream::start().await,
            a: Issuer::start(keys::a()).await,
            b: Issuer::start(keys::b()).await,
            n1: Issuer::start(keys::a()).await,
            n2: Issuer::start(keys::b()).await,
        }
    }

    async fn gate(self, file: &str) -> Bench {
        let gateway = Tollgate::start(file).await;
        let Self {
            upstream,
            a,
            b,
            n1,
            n2,
        } = self;
        Bench {
            gateway,
            upstream,
            a,
            b,
            n1,
            n2,
        }
    }

    fn file(&self) -> String {
        let (id, secret) = INTROSPECTION_CLIENT;
        let mut file = include_str!("bench.toml").to_owned();
        for (mark, value) in [
            ("@upstream@", self.upstream.url()),
            ("@a@", self.a.url()),
            ("@b@", self.b.url()),
            ("@n1@", self.n1.introspection_url()),
            ("@n2@", self.n2.introspection_url()),
            ("@id@", id.to_owned()),
            ("@secret@", secret.to_owned()),
        ] {
            file = file.replace(mark, &value);
        }
        file
    }
}
