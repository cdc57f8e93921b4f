//! Nexudus, row by row.

use std::time::Duration;

use aws_lc_rs::hmac;
use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use tollgate::{issue::NewAccount, token::Secret};

use super::file;
use crate::harness::{
    exchange::{Answer, Client, Request},
    tollgate::Tollgate,
    upstream::{Reply, Upstream},
};

const FILE: &str = r#"
[dialect.spaces]
speak = "nexudus"
hosts = ["spaces.test"]
@more@

[route.api]
hosts = ["spaces.test"]
path = "/api/**"
upstream = "up"
issuers = ["spaces"]
forward = { identity = { x-user-id = "sub", x-client = "client_id" } }

[route.passing]
hosts = ["spaces.test"]
path = "/passing/**"
upstream = "up"
issuers = ["spaces"]
forward = { token = "pass" }
"#;

const ADA: &str = "ada@space.test";
const PASSWORD: &str = "pw-1";

/// A gateway that speaks as Nexudus does, with Ada in its store, and an upstream behind it.
struct Spaces {
    gateway: Tollgate,
    up: Upstream,
}

/// The two tokens of a login or a refresh.
#[derive(Clone, Debug)]
struct Tokens {
    access: String,
    refresh: String,
}

impl Spaces {
    async fn start() -> Self {
        Self::with("").await
    }

    async fn with(more: &str) -> Self {
        let up = Upstream::start().await;
        let file = file(FILE, &up).replace("@more@", more);
        let gateway = Tollgate::start(&file).await;
        let spaces = Self { gateway, up };
        spaces.add(ADA, Some("Ada L")).await;
        spaces
    }

    /// The same after a restart with other settings.
    async fn again(self, more: &str) -> Self {
        let file = file(FILE, &self.up).replace("@more@", more);
        let gateway = self.gateway.again(&file).await;
        Self { gateway, ..self }
    }

    async fn add(&self, email: &str, title: Option<&str>) {
        let account = NewAccount {
            name: email.to_owned(),
            password: Some(Secret::new(PASSWORD)),
            title: title.map(str::to_owned),
            ..NewAccount::default()
        };
        self.gateway.add_account("spaces", account).await;
    }

    fn client(&self) -> Client {
        self.gateway.client().named("spaces.test")
    }

    fn get(&self, path: &str) -> Request {
        self.client().get(path)
    }

    fn token(&self, client_id: Option<&str>) -> Request {
        let request = self.client().post("/api/token");
        let request = request.header("accept", "application/json");
        match client_id {
            Some(id) => request.header("client_id", id),
            None => request,
        }
    }

    async fn login_as(&self, user: &str, client_id: Option<&str>) -> Answer {
        let fields = [
            ("grant_type", "password"),
            ("username", user),
            ("password", PASSWORD),
        ];
        self.token(client_id).form(&fields).send().await
    }

    async fn login(&self, client_id: Option<&str>) -> Tokens {
        tokens(&self.login_as(ADA, client_id).await)
    }

    async fn refresh(&self, token: &str, client_id: Option<&str>) -> Answer {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", token)];
        self.token(client_id).form(&fields).send().await
    }

    async fn opens(&self, access: &str) -> u16 {
        self.get("/api/x").bearer(access).send().await.status
    }
}

fn tokens(answer: &Answer) -> Tokens {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body = answer.json();
    let text = |name: &str| body[name].as_str().unwrap().to_owned();
    Tokens {
        access: text("access_token"),
        refresh: text("refresh_token"),
    }
}

fn is_refused(answer: &Answer, body: &Value) {
    assert_eq!((answer.status, &answer.json()), (400, body));
    never_kept(answer);
}

fn is_invalid_grant(answer: &Answer) {
    is_refused(answer, &json!({ "error": "invalid_grant" }));
}

fn never_kept(answer: &Answer) {
    assert_eq!(answer.header("cache-control"), Some("no-cache"));
    assert_eq!(answer.header("pragma"), Some("no-cache"));
    assert_eq!(answer.header("expires"), Some("-1"));
}

fn incorrect() -> Value {
    json!({
        "error": "invalid_grant",
        "error_description": "The user name or password is incorrect.",
    })
}

const DAY: Duration = Duration::from_hours(24);
const MINUTE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn nx_01_a_login_gives_two_tokens() {
    let spaces = Spaces::start().await;
    let answer = spaces.login_as(ADA, Some("c1")).await;
    never_kept(&answer);
    let kind = answer.header("content-type").unwrap();
    assert_eq!(kind, "application/json;charset=UTF-8");
    let body = answer.json();
    assert_eq!(
        (&body["token_type"], &body["expires_in"]),
        (&json!("bearer"), &json!(604_799))
    );
    let Tokens { access, refresh } = tokens(&answer);
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    assert!(
        refresh.len() == 32 && refresh.bytes().all(is_hex),
        "{refresh}"
    );
    assert_eq!(spaces.opens(&access).await, 200);
    assert_eq!(spaces.up.only().alike("x-client"), ["c1"]);
}

/// NX-2, NX-3, X-12, X-20
#[tokio::test]
async fn nx_02_nx_03_a_wrong_password_and_an_unknown_user_sound_the_same() {
    let spaces = Spaces::start().await;
    spaces.add("eve@space.test", None).await;
    spaces.gateway.disable("spaces", "eve@space.test").await;
    let attempt = async |user: &str, password: &str| {
        let fields = [
            ("grant_type", "password"),
            ("username", user),
            ("password", password),
            ("totp", ""),
        ];
        spaces.token(Some("c1")).form(&fields).send().await
    };
    let wrong = attempt(ADA, "pw-2").await;
    is_refused(&wrong, &incorrect());
    for (user, password) in [
        ("nobody@space.test", PASSWORD),
        ("eve@space.test", PASSWORD),
        ("", PASSWORD),
        (ADA, ""),
    ] {
        let answer = attempt(user, password).await;
        assert_eq!((answer.status, &answer.body), (400, &wrong.body), "{user}");
    }
    let missing = [("grant_type", "password")];
    is_refused(
        &spaces.token(None).form(&missing).send().await,
        &incorrect(),
    );
}

#[tokio::test]
async fn nx_04_json_holds_no_grant() {
    let spaces = Spaces::start().await;
    let body = json!({ "grant_type": "password", "username": ADA, "password": PASSWORD });
    let answer = spaces.token(Some("c1")).json(&body).send().await;
    is_refused(&answer, &json!({ "error": "unsupported_grant_type" }));
}

/// NX-5, X-14, X-15, X-16
#[tokio::test]
async fn nx_05_a_grant_is_named_exactly_and_in_the_body() {
    let spaces = Spaces::start().await;
    let unsupported = json!({ "error": "unsupported_grant_type" });
    for grant in [
        &[][..],
        &[("grant_type", "Password")],
        &[("grant_type", "authorization_code")],
    ] {
        let login = [("username", ADA), ("password", PASSWORD)];
        let fields = [grant, &login].concat();
        is_refused(
            &spaces.token(Some("c1")).form(&fields).send().await,
            &unsupported,
        );
    }
    let own = [("grant_type", "client_credentials")];
    is_refused(
        &spaces.token(Some("c1")).form(&own).send().await,
        &json!({ "error": "unauthorized_client" }),
    );
    let query = format!("/api/token?grant_type=password&username={ADA}&password={PASSWORD}");
    for method in [Method::GET, Method::PUT] {
        let request = spaces.client().request(method, &query);
        is_refused(&request.send().await, &unsupported);
    }
    let raw = format!("grant_type=password&username={ADA}&password={PASSWORD}");
    for kind in ["text/plain", ""] {
        let request = spaces.token(Some("c1")).body(raw.clone());
        let request = if kind.is_empty() {
            request
        } else {
            request.header("content-type", kind)
        };
        tokens(&request.send().await);
    }
}

#[tokio::test]
async fn nx_06_a_refresh_gives_two_new_tokens() {
    let spaces = Spaces::start().await;
    let first = spaces.login(Some("c1")).await;
    spaces.gateway.advance(MINUTE);
    let answer = spaces.refresh(&first.refresh, Some("c1")).await;
    never_kept(&answer);
    assert_eq!(answer.json()["expires_in"], 604_799);
    let second = tokens(&answer);
    assert_ne!(first.refresh, second.refresh);
    assert_ne!(first.access, second.access);
    assert_eq!(spaces.opens(&second.access).await, 200);
}

/// NX-7, X-9, X-11
#[tokio::test]
async fn nx_07_a_spent_refresh_token_is_refused_and_the_live_one_goes_on() {
    let spaces = Spaces::start().await;
    let first = spaces.login(Some("c1")).await;
    let second = tokens(&spaces.refresh(&first.refresh, Some("c1")).await);
    is_invalid_grant(&spaces.refresh(&first.refresh, Some("c1")).await);
    tokens(&spaces.refresh(&second.refresh, Some("c1")).await);
}

/// X-9: the option to end the session, whichever of the earlier ones comes back.
#[tokio::test]
async fn x_09_a_spent_refresh_token_ends_the_session_where_the_operator_wants_it() {
    let spaces = Spaces::with("refresh = { on_replay = \"end\" }").await;
    for back in [1, 3] {
        let first = spaces.login(Some("c1")).await;
        let mut live = first.clone();
        for _ in 0..back {
            live = tokens(&spaces.refresh(&live.refresh, Some("c1")).await);
        }
        is_invalid_grant(&spaces.refresh(&first.refresh, Some("c1")).await);
        is_invalid_grant(&spaces.refresh(&live.refresh, Some("c1")).await);
    }
    // One that a later login superseded is no sign of a thief.
    let old = spaces.login(Some("c1")).await;
    let new = spaces.login(Some("c1")).await;
    is_invalid_grant(&spaces.refresh(&old.refresh, Some("c1")).await);
    tokens(&spaces.refresh(&new.refresh, Some("c1")).await);
}

#[tokio::test]
async fn nx_08_a_refresh_token_belongs_to_one_program() {
    let spaces = Spaces::start().await;
    let first = spaces.login(Some("c1")).await;
    is_invalid_grant(&spaces.refresh(&first.refresh, Some("c2")).await);
    tokens(&spaces.refresh(&first.refresh, Some("c1")).await);
}

#[tokio::test]
async fn nx_09_an_access_token_outlives_the_refresh_token_it_came_with() {
    let spaces = Spaces::start().await;
    let first = spaces.login(Some("c1")).await;
    tokens(&spaces.refresh(&first.refresh, Some("c1")).await);
    assert_eq!(spaces.opens(&first.access).await, 200);
}

/// NX-10, X-4
#[tokio::test]
async fn nx_10_a_login_supersedes_those_of_the_same_user_and_program() {
    let spaces = Spaces::start().await;
    spaces.add("bob@space.test", None).await;
    let third = spaces.login(Some("c1")).await;
    let fourth = spaces.login(Some("c2")).await;
    let bobs = tokens(&spaces.login_as("bob@space.test", Some("c1")).await);
    let fifth = spaces.login(Some("c1")).await;
    is_invalid_grant(&spaces.refresh(&third.refresh, Some("c1")).await);
    tokens(&spaces.refresh(&fourth.refresh, Some("c2")).await);
    tokens(&spaces.refresh(&fifth.refresh, Some("c1")).await);
    tokens(&spaces.refresh(&bobs.refresh, Some("c1")).await);
    assert_eq!(spaces.opens(&third.access).await, 200);
}

/// NX-11, X-2, X-3, X-6
#[tokio::test]
async fn nx_11_a_program_without_a_name_goes_by_the_address_of_its_user() {
    let spaces = Spaces::start().await;
    for id in [ADA, " Ada@Space.TEST "] {
        let first = spaces.login(None).await;
        tokens(&spaces.refresh(&first.refresh, Some(id)).await);
    }
    let first = tokens(&spaces.login_as("ADA@space.test", Some("")).await);
    let fields = [
        ("grant_type", "refresh_token"),
        ("refresh_token", &*first.refresh),
        ("client_id", ADA),
    ];
    tokens(&spaces.token(None).form(&fields).send().await);
}

/// NX-12, X-5
#[tokio::test]
async fn nx_12_a_refresh_names_its_program_unless_the_operator_lets_it_go() {
    let spaces = Spaces::start().await;
    let first = spaces.login(None).await;
    is_invalid_grant(&spaces.refresh(&first.refresh, None).await);
    tokens(&spaces.refresh(&first.refresh, Some(ADA)).await);

    let lenient = Spaces::with("refresh_default_client = true").await;
    let first = lenient.login(None).await;
    let second = tokens(&lenient.refresh(&first.refresh, None).await);
    tokens(&lenient.refresh(&second.refresh, Some(ADA)).await);
    let named = lenient.login(Some("c1")).await;
    is_invalid_grant(&lenient.refresh(&named.refresh, None).await);
    tokens(&lenient.refresh(&named.refresh, Some("c1")).await);
}

/// NX-13, X-8
#[tokio::test]
async fn nx_13_each_refresh_token_lives_for_fifteen_days() {
    let spaces = Spaces::start().await;
    let mut refresh = spaces.login(Some("c1")).await.refresh;
    for _ in 0..8 {
        spaces.gateway.advance(14 * DAY + 1439 * MINUTE);
        refresh = tokens(&spaces.refresh(&refresh, Some("c1")).await).refresh;
    }
    spaces.gateway.advance(15 * DAY + MINUTE);
    is_invalid_grant(&spaces.refresh(&refresh, Some("c1")).await);

    let capped = Spaces::with("refresh = { absolute = \"20d\" }").await;
    let first = capped.login(Some("c1")).await;
    capped.gateway.advance(14 * DAY);
    let second = tokens(&capped.refresh(&first.refresh, Some("c1")).await);
    capped.gateway.advance(7 * DAY);
    is_invalid_grant(&capped.refresh(&second.refresh, Some("c1")).await);
}

/// NX-14, X-18: from the store of the gateway.
#[tokio::test]
async fn nx_14_the_gateway_describes_the_account_of_a_token() {
    let spaces = Spaces::with("me = \"built_in\"").await;
    let first = spaces.login(Some("c1")).await;
    let by_authorization = spaces.get("/api/auth/me").bearer(&first.access);
    let by_header = spaces.get("/api/auth/me").header("Bearer", &first.access);
    for request in [by_authorization, by_header] {
        let answer = request.send().await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        never_kept(&answer);
        let me = answer.json();
        assert_eq!(
            (&me["Email"], &me["FullName"]),
            (&json!(ADA), &json!("Ada L"))
        );
        assert!(me["Id"].is_u64(), "{me}");
        assert_eq!(me["UniqueId"].as_str().unwrap().len(), 36);
        assert_eq!(me.get("AccessToken"), Some(&Value::Null));
    }
    assert!(spaces.up.is_untouched());
}

/// NX-14, X-1, X-18: from the upstream, which gets to see neither credential.
#[tokio::test]
async fn nx_14_the_upstream_describes_the_account_and_sees_no_credential() {
    let spaces = Spaces::start().await;
    let first = spaces.login(Some("c1")).await;
    let described = json!({ "Id": 41, "UniqueId": "7d0a", "FullName": "Ada L", "Email": ADA });
    spaces.up.always(Reply::json(200, &described));
    let by_authorization = spaces.get("/api/auth/me").bearer(&first.access);
    let by_header = spaces.get("/api/auth/me").header("Bearer", &first.access);
    let by_both = spaces.get("/api/auth/me").bearer(&first.access);
    for request in [
        by_authorization,
        by_header,
        by_both.header("Bearer", &first.access),
    ] {
        let answer = request.header("client_id", "c1").send().await;
        assert_eq!((answer.status, answer.json()), (200, described.clone()));
        let seen = spaces.up.last();
        assert!(seen.alike("authorization").is_empty(), "{seen:?}");
        assert!(seen.alike("bearer").is_empty(), "{seen:?}");
        assert!(seen.header("x-user-id").is_some());
    }
    let passing = spaces.get("/passing/x").header("Bearer", &first.access);
    assert_eq!(passing.send().await.status, 200);
    assert_eq!(spaces.up.last().alike("bearer"), [&*first.access]);
}

#[tokio::test]
async fn nx_15_without_a_live_token_there_is_no_account() {
    for more in ["me = \"built_in\"", ""] {
        let spaces = Spaces::with(more).await;
        let first = spaces.login(Some("c1")).await;
        let is_unauthorized = |answer: &Answer| {
            assert_eq!(answer.status, 401, "{}", answer.text());
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        };
        is_unauthorized(&spaces.get("/api/auth/me").send().await);
        spaces.gateway.advance(Duration::from_secs(604_801));
        let request = spaces.get("/api/auth/me").bearer(&first.access);
        is_unauthorized(&request.send().await);
        assert!(spaces.up.is_untouched());
    }
}

#[tokio::test]
async fn nx_16_the_scheme_is_read_in_any_case() {
    let spaces = Spaces::with("me = \"built_in\"").await;
    let first = spaces.login(Some("c1")).await;
    let value = format!("BEARER {}", first.access);
    for path in ["/api/auth/me", "/api/x"] {
        let request = spaces.get(path).header("authorization", &value);
        assert_eq!(request.send().await.status, 200);
    }
}

#[tokio::test]
async fn nx_17_two_different_tokens_are_no_token() {
    let spaces = Spaces::with("me = \"built_in\"").await;
    let (a, b) = (
        spaces.login(Some("c1")).await,
        spaces.login(Some("c2")).await,
    );
    for path in ["/api/auth/me", "/api/x"] {
        let request = spaces
            .get(path)
            .bearer(&a.access)
            .header("Bearer", &b.access);
        let answer = request.send().await;
        assert_eq!(answer.status, 401);
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
    assert!(spaces.up.is_untouched());
}

/// NX-18, X-13: asked for only once the password was right, and each step's digits are good once.
#[tokio::test]
async fn nx_18_a_second_factor_is_asked_of_those_who_have_one() {
    let spaces = Spaces::start().await;
    let attempt = async |password: &str, totp: &str| {
        let fields = [
            ("grant_type", "password"),
            ("username", ADA),
            ("password", password),
            ("totp", totp),
        ];
        spaces.token(Some("c1")).form(&fields).send().await
    };
    tokens(&attempt(PASSWORD, "").await);
    let uri = spaces.gateway.enable_totp("spaces", ADA).await;
    let digits = |steps: i64| digits(&uri, spaces.gateway.seconds() / 30 + steps);
    let check = json!({ "error": "two_factor_auth_check" });
    is_refused(&attempt(PASSWORD, "").await, &check);
    is_refused(&attempt(PASSWORD, "000000x").await, &check);
    is_refused(&attempt("pw-2", "").await, &incorrect());
    is_refused(&attempt("pw-2", &digits(0)).await, &incorrect());
    tokens(&attempt(PASSWORD, &digits(0)).await);
    is_refused(&attempt(PASSWORD, &digits(0)).await, &check);
    tokens(&attempt(PASSWORD, &digits(-1)).await);
    tokens(&attempt(PASSWORD, &digits(1)).await);
    is_refused(&attempt(PASSWORD, &digits(2)).await, &check);
    let factors = spaces.gateway.kept().mint.second_factors();
    assert!(factors.disable("spaces", ADA).await.unwrap());
    tokens(&attempt(PASSWORD, "").await);
}

/// The word for a password that must be changed, once it was right.
#[tokio::test]
async fn a_password_that_must_be_changed_gives_no_token() {
    let spaces = Spaces::start().await;
    let store = &spaces.gateway.kept().store;
    let ada = store.account_by_name("spaces", ADA).await.unwrap().unwrap();
    let first = spaces.login(Some("c1")).await;
    assert!(store.set_must_reset(ada.id, true).await.unwrap());
    is_refused(
        &spaces.login_as(ADA, Some("c1")).await,
        &json!({ "error": "must_reset_password" }),
    );
    let wrong = [
        ("grant_type", "password"),
        ("username", ADA),
        ("password", "pw-2"),
    ];
    is_refused(&spaces.token(None).form(&wrong).send().await, &incorrect());
    is_invalid_grant(&spaces.refresh(&first.refresh, Some("c1")).await);
}

/// NX-19, X-10
#[tokio::test]
async fn nx_19_of_twenty_who_refresh_at_once_one_wins() {
    let spaces = Spaces::start().await;
    let first = spaces.login(Some("c1")).await;
    let refreshes = (0..20).map(|_| spaces.refresh(&first.refresh, Some("c1")));
    let answers = join_all(refreshes).await;
    let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert_eq!((won.len(), lost.len()), (1, 19));
    lost.into_iter().for_each(is_invalid_grant);
    tokens(&spaces.refresh(&tokens(won[0]).refresh, Some("c1")).await);
}

/// T13: whoever tries passwords out has to wait, from whichever address, and so does the right one meanwhile.
#[tokio::test]
async fn t13_whoever_guesses_at_the_password_grant_has_to_wait() {
    let spaces = Spaces::with("limit = { attempts = 10000, within = \"1s\" }").await;
    let attempt = async |password: &str| {
        let fields = [
            ("grant_type", "password"),
            ("username", ADA),
            ("password", password),
        ];
        spaces.token(Some("c1")).form(&fields).send().await
    };
    let mut statuses = Vec::new();
    for _ in 0..20 {
        statuses.push(attempt("pw-2").await.status);
    }
    assert_eq!(statuses[..4], [400; 4]);
    assert_eq!(statuses[4..], [409; 16]);
    let right = attempt(PASSWORD).await;
    assert_eq!(right.status, 409, "{}", right.text());
    let wait = right.header("retry-after").unwrap().parse().unwrap();
    spaces.gateway.advance(Duration::from_secs(wait));
    tokens(&attempt(PASSWORD).await);
}

/// NX-20, X-21: also where a route refuses.
#[tokio::test]
async fn nx_20_whoever_comes_too_often_hears_a_conflict() {
    let spaces = Spaces::with("limit = { attempts = 3, within = \"1m\" }").await;
    let first = spaces.login(Some("c1")).await;
    for _ in 0..2 {
        is_invalid_grant(&spaces.refresh("no-such-token", Some("c1")).await);
    }
    let answer = spaces.refresh(&first.refresh, Some("c1")).await;
    assert_eq!((answer.status, answer.text()), (409, String::new()));
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(answer.header("content-length"), Some("0"));
    never_kept(&answer);
    spaces.gateway.advance(MINUTE);
    tokens(&spaces.refresh(&first.refresh, Some("c1")).await);
}

/// X-21
#[tokio::test]
async fn the_conflict_has_the_reason_of_the_original() {
    let spaces = Spaces::with("limit = { attempts = 1, within = \"1m\" }").await;
    let ask = "POST /api/token HTTP/1.1\r\nHost: spaces.test\r\nContent-Length: 0\r\n\r\n";
    let mut wire = spaces.gateway.wire_to("spaces.test").await;
    wire.send(ask).await;
    wire.send(ask.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"))
        .await;
    let said = String::from_utf8(wire.rest().await).unwrap();
    let line = "HTTP/1.1 409 You must wait before accessing this url again.\r\n";
    assert!(said.contains(line), "{said}");
}

/// X-22
#[tokio::test]
async fn a_changed_password_ends_refresh_tokens_and_a_disabled_account_everything() {
    let spaces = Spaces::start().await;
    let first = spaces.login(Some("c1")).await;
    spaces.gateway.set_password("spaces", ADA, PASSWORD).await;
    is_invalid_grant(&spaces.refresh(&first.refresh, Some("c1")).await);
    spaces.gateway.advance(Duration::from_secs(2));
    let second = spaces.login(Some("c1")).await;
    assert_eq!(spaces.opens(&second.access).await, 200);
    spaces.gateway.disable("spaces", ADA).await;
    assert_eq!(spaces.opens(&second.access).await, 401);
    is_invalid_grant(&spaces.refresh(&second.refresh, Some("c1")).await);
}

/// X-22: tokens that were issued while they lived longer are dead for as long as they would have lived.
#[tokio::test]
async fn a_verdict_outlives_the_tokens_of_before_a_shorter_lifetime() {
    let spaces = Spaces::start().await;
    let tokens = spaces.login(Some("c1")).await;
    let spaces = spaces.again("tokens = { access = \"1h\" }").await;
    assert_eq!(spaces.opens(&tokens.access).await, 200);
    spaces.gateway.disable("spaces", ADA).await;
    for _ in 0..3 {
        assert_eq!(spaces.opens(&tokens.access).await, 401);
        spaces.gateway.advance(Duration::from_hours(48));
    }
    // A process that starts now has only the store to know it from.
    let spaces = spaces.again("tokens = { access = \"1h\" }").await;
    assert_eq!(spaces.opens(&tokens.access).await, 401);
}

/// X-17: what comes twice, or holds what no parameter does, changes nothing.
#[tokio::test]
async fn broken_forms_are_invalid_requests() {
    let spaces = Spaces::start().await;
    let first = spaces.login(Some("c1")).await;
    let refresh = format!("grant_type=refresh_token&refresh_token={}", first.refresh);
    let invalid = json!({ "error": "invalid_request" });
    for body in [
        format!("{refresh}&refresh_token={}", first.refresh),
        format!("{refresh}&grant_type=refresh_token"),
        format!("{refresh}&x=%00"),
    ] {
        let request = spaces.token(Some("c1")).body(body);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        is_refused(&request.send().await, &invalid);
    }
    for token in [
        "",
        "0123456789abcdef0123456789abcdef",
        "é",
        &first.refresh.to_uppercase(),
    ] {
        is_invalid_grant(&spaces.refresh(token, Some("c1")).await);
    }
    tokens(&spaces.refresh(&first.refresh, Some("c1")).await);
}

#[tokio::test]
async fn a_store_that_is_gone_is_an_outage_and_never_a_no() {
    let spaces = Spaces::start().await;
    let first = spaces.login(Some("c1")).await;
    spaces.gateway.kept().store.close().await;
    for answer in [
        spaces.login_as(ADA, Some("c1")).await,
        spaces.refresh(&first.refresh, Some("c1")).await,
    ] {
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert_eq!(answer.json(), json!({ "error": "temporarily_unavailable" }));
    }
    assert_eq!(spaces.opens(&first.access).await, 200);
}

/// What an app shows for a step (RFC 6238), from what it was told.
fn digits(uri: &str, step: i64) -> String {
    let (_, rest) = uri.split_once("secret=").unwrap();
    let (secret, _) = rest.split_once('&').unwrap();
    let values = secret.bytes().map(|symbol| match symbol {
        b'A'..=b'Z' => symbol - b'A',
        _ => symbol - b'2' + 26,
    });
    let bits: Vec<u8> = values
        .flat_map(|value| (0..5).rev().map(move |bit| value >> bit & 1))
        .collect();
    let key: Vec<u8> = bits
        .chunks_exact(8)
        .map(|byte| byte.iter().fold(0, |value, bit| value << 1 | bit))
        .collect();
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &key);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let tag = tag.as_ref();
    let offset = usize::from(tag[19] & 0xf);
    let number = u32::from_be_bytes(tag[offset..offset + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}
