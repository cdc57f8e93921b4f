//! What programs learn of the service, and how they register themselves.

use http::Method;
use serde_json::{Value, json};

use super::{Blue, SHOP_SECRET, Wallet, says};
use crate::harness::exchange::Answer;

impl Blue {
    async fn register(&self, body: &Value) -> Answer {
        self.post("register").json(body).send().await
    }
}

/// BN-16
#[tokio::test]
async fn bn_16_the_scopes_are_for_everybody_to_read() {
    let blue = Blue::start().await;
    let answer = blue.auth().get("/api/v1/auth/scopes").send().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body = answer.json();
    let scopes: Vec<&str> = body["scopes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|word| word.as_str().unwrap())
        .collect();
    assert_eq!(scopes[0], "account");
    for scope in ["agents-all", "connections", "openid", "email"] {
        assert!(scopes.contains(&scope), "{scope}");
    }
}

#[tokio::test]
async fn the_metadata_leads_to_every_endpoint() {
    let blue = Blue::start().await;
    let answer = blue
        .auth()
        .get("/.well-known/oauth-authorization-server")
        .send()
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body = answer.json();
    assert_eq!(body["issuer"], "https://gw.test");
    for name in [
        "authorization_endpoint",
        "token_endpoint",
        "registration_endpoint",
        "jwks_uri",
    ] {
        let url = body[name].as_str().unwrap();
        let path = url.strip_prefix("https://gw.test").unwrap();
        let answer = blue.auth().get(path).send().await;
        assert_ne!(answer.status, 404, "{url}");
    }
    let answer = blue
        .auth()
        .get("/.well-known/oauth-protected-resource")
        .send()
        .await;
    assert_eq!(
        answer.json()["authorization_servers"],
        json!(["https://gw.test"])
    );
}

/// Z03; and S21: what it is called by us is not its choice, so it is called like nobody.
#[tokio::test]
async fn z03_a_program_registers_itself_as_a_third_party() {
    let blue = Blue::start().await;
    let answer = blue
        .register(&json!({
            "client_name": "Desk", "redirect_uris": ["https://desk.test/cb"],
            "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
            "scope": "account agents-all everything", "wallets": { "domains": ["app.test"] },
            "client_id": "0123456789abcdef0123456789abcdef", "sub": "ada",
        }))
        .await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let client = answer.json();
    let id = client["client_id"].as_str().unwrap();
    let digits = id.strip_prefix("client_").unwrap();
    assert!(
        digits.len() == 24
            && digits
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')),
        "{id}"
    );
    let secret = client["client_secret"].as_str().unwrap();
    assert!(secret.starts_with("secret_"));
    assert_eq!(client["client_secret_expires_at"], 0);
    assert_eq!(client["client_name"], "Desk");
    assert_eq!(client["redirect_uris"], json!(["https://desk.test/cb"]));
    assert_eq!(
        client["grant_types"],
        json!(["authorization_code", "refresh_token"])
    );
    assert_eq!(client["token_endpoint_auth_method"], "client_secret_basic");
    assert_eq!(client["scope"], "account");

    // It is believed, but signs nobody in, and gets nothing for itself.
    let body = blue.signed(&Wallet::of(1));
    let login = blue.post("authenticate").basic(id, secret).json(&body);
    says(&login.send().await, 401, "UnauthorizedError");
    let form = [("grant_type", "refresh_token"), ("refresh_token", "x")];
    let known = blue
        .post("token")
        .basic(id, secret)
        .form(&form)
        .send()
        .await;
    assert_eq!(known.json()["error"], "invalid_grant");
    let wrong = blue
        .post("token")
        .basic(id, SHOP_SECRET)
        .form(&form)
        .send()
        .await;
    assert_eq!(wrong.json()["error"], "invalid_client");
}

/// Z03: it sees to its registration itself, by a token that nobody else has.
#[tokio::test]
async fn z03_a_program_reads_its_registration_and_no_other() {
    let blue = Blue::start().await;
    let uris = json!(["https://desk.test/cb"]);
    let body = json!({ "client_name": "Desk", "redirect_uris": uris, "scope": "account" });
    let (one, other) = (blue.register(&body).await, blue.register(&body).await);
    let (place, token) = managing(&one);
    let (other_place, other_token) = managing(&other);
    assert_ne!(token, other_token);

    let read = blue.auth().get(&place).bearer(&token).send().await;
    assert_eq!(read.status, 200, "{}", read.text());
    assert_eq!(read.header("cache-control"), Some("no-store"));
    let mut expected = one.json();
    // Of the secret only a digest is kept.
    for shown_once in ["client_secret", "client_secret_expires_at"] {
        expected.as_object_mut().unwrap().remove(shown_once);
    }
    assert_eq!(read.json(), expected);

    let nobodys = "/api/v1/auth/register?client_id=client_000000000000000000000000";
    for (path, token) in [
        (&*other_place, &*token),
        (&*place, "registration_x"),
        (nobodys, &*token),
        ("/api/v1/auth/register", &*token),
    ] {
        for request in [
            blue.auth().get(path),
            blue.auth().request(Method::DELETE, path),
        ] {
            let answer = request.bearer(token).send().await;
            assert_eq!(answer.status, 401, "{path} {}", answer.text());
            assert_eq!(answer.json()["error"], "invalid_token");
            let challenge = answer.header("www-authenticate").unwrap();
            assert!(challenge.starts_with("Bearer"), "{challenge}");
        }
    }
    assert_eq!(blue.auth().get(&place).send().await.status, 401);
    let put = blue
        .auth()
        .request(Method::PUT, &place)
        .bearer(&token)
        .send()
        .await;
    assert_eq!(put.status, 405);
    assert_eq!(put.header("allow"), Some("POST, GET, HEAD, DELETE"));
    // The token of a registration is no access token, and opens no route.
    says(
        &blue.api("/x").bearer(&token).send().await,
        401,
        "InvalidTokenError",
    );
}

/// Z03
#[tokio::test]
async fn z03_a_program_that_removes_its_registration_is_known_no_more() {
    let blue = Blue::start().await;
    let body = json!({ "redirect_uris": ["https://desk.test/cb"] });
    let (one, other) = (blue.register(&body).await, blue.register(&body).await);
    let (place, token) = managing(&one);
    let (other_place, other_token) = managing(&other);
    let gone = blue
        .auth()
        .request(Method::DELETE, &place)
        .bearer(&token)
        .send()
        .await;
    assert_eq!((gone.status, gone.text().as_str()), (204, ""));
    let again = blue.auth().get(&place).bearer(&token).send().await;
    assert_eq!(again.status, 401);
    let client = one.json();
    let text = |name: &str| client[name].as_str().unwrap().to_owned();
    let form = [("grant_type", "refresh_token"), ("refresh_token", "x")];
    let known = blue.post("token").form(&form);
    let known = known.basic(&text("client_id"), &text("client_secret"));
    assert_eq!(known.send().await.json()["error"], "invalid_client");
    let kept = blue.auth().get(&other_place).bearer(&other_token);
    assert_eq!(kept.send().await.status, 200);
}

/// Where a program sees to its registration, and by which token.
fn managing(registered: &Answer) -> (String, String) {
    assert_eq!(registered.status, 201, "{}", registered.text());
    let body = registered.json();
    let uri = body["registration_client_uri"].as_str().unwrap();
    let path = uri.strip_prefix("https://gw.test").unwrap();
    let token = body["registration_access_token"].as_str().unwrap();
    assert!(token.len() > 43, "{token}");
    (path.to_owned(), token.to_owned())
}

/// Z03: strangers do not fill the store.
#[tokio::test]
async fn z03_one_address_registers_a_hundred_programs_in_a_day() {
    let blue = Blue::start().await;
    let body = json!({ "redirect_uris": ["https://desk.test/cb"] });
    for _ in 0..100 {
        assert_eq!(blue.register(&body).await.status, 201);
        blue.advance(12);
    }
    // One more has come free in the meantime, in twenty minutes of a day.
    assert_eq!(blue.register(&body).await.status, 201);
    blue.rest();
    let refused = blue.register(&body).await;
    says(&refused, 429, "TooManyRequestsError");
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!(wait > 60, "{wait}");
    blue.advance(i64::try_from(wait).unwrap());
    assert_eq!(blue.register(&body).await.status, 201);
}

#[tokio::test]
async fn a_program_that_cannot_keep_a_secret_gets_none() {
    let blue = Blue::start().await;
    let body = json!({
        "redirect_uris": ["desk://cb", "http://127.0.0.1:8400/cb"], "token_endpoint_auth_method": "none",
    });
    let answer = blue.register(&body).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert!(answer.json().get("client_secret").is_none());
    let id = answer.json()["client_id"].as_str().unwrap().to_owned();
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", "x"),
        ("client_id", &id),
    ];
    let known = blue.post("token").form(&form).send().await;
    assert_eq!(known.json()["error"], "invalid_grant");
}

#[tokio::test]
async fn a_registration_that_would_harm_people_is_refused() {
    let blue = Blue::start().await;
    for (body, error) in [
        (json!({}), "invalid_redirect_uri"),
        (json!({ "redirect_uris": [] }), "invalid_redirect_uri"),
        (
            json!({ "redirect_uris": ["http://desk.test/cb"] }),
            "invalid_redirect_uri",
        ),
        (
            json!({ "redirect_uris": ["javascript:alert(1)"] }),
            "invalid_redirect_uri",
        ),
    ] {
        let answer = blue.register(&body).await;
        assert_eq!(
            (answer.status, &answer.json()["error"]),
            (400, &json!(error)),
            "{body}"
        );
    }
    // Five in a minute from one address, and no more.
    let uris = json!(["https://desk.test/cb"]);
    let cut = json!({ "redirect_uris": uris, "grant_types": ["client_credentials"] });
    assert_eq!(
        blue.register(&cut).await.json()["error"],
        "invalid_client_metadata"
    );
    says(&blue.register(&cut).await, 429, "TooManyRequestsError");
}

#[tokio::test]
async fn nobody_registers_where_registration_is_closed() {
    let blue =
        Blue::with(|file| file.replacen("register = \"open\"", "register = \"closed\"", 1)).await;
    let answer = blue
        .register(&json!({ "redirect_uris": ["https://desk.test/cb"] }))
        .await;
    says(&answer, 403, "ForbiddenError");
    let metadata = blue
        .auth()
        .get("/.well-known/oauth-authorization-server")
        .send()
        .await;
    assert!(metadata.json().get("registration_endpoint").is_none());
}

/// Decision B-18
#[tokio::test]
async fn the_short_paths_answer_where_the_operator_says_so() {
    let usual = Blue::start().await;
    let short = Blue::with(|file| {
        file.replace(
            "speak = \"bluenexus\"",
            "speak = \"bluenexus\"\nshort_paths = true",
        )
    })
    .await;
    let scopes = async |blue: &Blue| blue.auth().get("/v1/auth/scopes").send().await.status;
    assert_eq!((scopes(&usual).await, scopes(&short).await), (404, 200));
    let body = short.signed(&Wallet::of(1));
    let login = short
        .auth()
        .post("/v1/auth/authenticate")
        .basic("w", SHOP_SECRET);
    assert_eq!(login.json(&body).send().await.status, 200);
}
