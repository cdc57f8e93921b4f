//! Tokens renewed, taken back and held against routes.

use std::time::Duration;

use serde_json::json;

use super::{Blue, SHOP_SECRET, Tokens, Wallet, claims, says, says_oauth};

/// BN-8
#[tokio::test]
async fn bn_08_a_refresh_token_is_spent_for_the_next() {
    let blue = Blue::start().await;
    let first = blue.login(&Wallet::of(1)).await;
    let answer = blue.refresh(&first.refresh).await;
    let second = Tokens::of(&answer);
    let body = answer.json();
    assert_ne!(second.refresh, first.refresh);
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["expires_in"], 900);
    assert_eq!(body["refresh_expires_in"], 604_800);
    assert_eq!(body["scope"], "account connections");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let (before, after) = (claims(&first.access), claims(&second.access));
    assert_eq!(
        (&before["sid"], &before["sub"]),
        (&after["sid"], &after["sub"])
    );
    blue.opens(&second.access).await;
}

/// BN-9
#[tokio::test]
async fn bn_09_a_spent_refresh_token_that_comes_back_ends_the_session() {
    let blue = Blue::start().await;
    let first = blue.login(&Wallet::of(1)).await;
    let second = Tokens::of(&blue.refresh(&first.refresh).await);
    blue.opens(&second.access).await;
    says_oauth(&blue.refresh(&first.refresh).await, "invalid_grant");
    says_oauth(&blue.refresh(&second.refresh).await, "invalid_grant");
    let answer = blue.api("/x").bearer(&second.access).send().await;
    says(&answer, 401, "SessionRevokedError");
}

/// BN-10
#[tokio::test]
async fn bn_10_a_wrong_client_secret_is_told_in_both_descriptions_and_spends_nothing() {
    let blue = Blue::start().await;
    let tokens = blue.login(&Wallet::of(1)).await;
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", &*tokens.refresh),
    ];
    let wrong = blue
        .post("token")
        .basic("w", "wrong")
        .form(&form)
        .send()
        .await;
    says_oauth(&wrong, "invalid_client");
    assert_eq!(wrong.header("www-authenticate"), None);
    let nobody = blue.post("token").form(&form).send().await;
    says_oauth(&nobody, "invalid_client");
    let other = blue
        .post("token")
        .basic("p", SHOP_SECRET)
        .form(&form)
        .send()
        .await;
    says_oauth(&other, "invalid_grant");
    Tokens::of(&blue.refresh(&tokens.refresh).await);
}

/// BN-13
#[tokio::test]
async fn bn_13_no_other_grant_is_known() {
    let blue = Blue::start().await;
    for grant in ["password", "client_credentials", "Refresh_Token"] {
        let form = [("grant_type", grant), ("username", "a"), ("password", "b")];
        let request = blue.post("token").basic("w", SHOP_SECRET).form(&form);
        says_oauth(&request.send().await, "unsupported_grant_type");
    }
}

/// BN-14
#[tokio::test]
async fn bn_14_either_token_ends_the_whole_session() {
    let blue = Blue::start().await;
    let ada = Wallet::of(1);
    let (first, second) = (blue.login(&ada).await, blue.login(&ada).await);
    let ends = async |fields: &[(&str, &str)]| {
        let request = blue.post("revoke").basic("w", SHOP_SECRET).form(fields);
        let answer = request.send().await;
        assert_eq!((answer.status, answer.body.len()), (200, 0));
        assert_eq!(answer.header("content-length"), Some("0"));
        assert_eq!(answer.header("content-type"), None);
    };
    ends(&[("token", &first.access)]).await;
    blue.has_ended(&first).await;
    blue.opens(&second.access).await;
    ends(&[
        ("token", &second.refresh),
        ("token_type_hint", "access_token"),
    ])
    .await;
    blue.has_ended(&second).await;
}

/// B-15
#[tokio::test]
async fn an_expired_access_token_still_ends_its_session() {
    let blue = Blue::start().await;
    let tokens = blue.login(&Wallet::of(1)).await;
    blue.advance(901);
    let renewed = Tokens::of(&blue.refresh(&tokens.refresh).await);
    let body = json!({ "token": tokens.access });
    let request = blue.post("revoke").basic("w", SHOP_SECRET).json(&body);
    assert_eq!(request.send().await.status, 200);
    blue.has_ended(&renewed).await;
}

/// BN-15
#[tokio::test]
async fn bn_15_nobody_revokes_what_is_not_theirs_and_nobody_learns_whose_it_is() {
    let blue = Blue::start().await;
    let tokens = blue.login(&Wallet::of(1)).await;
    let revoke = async |client: &str, token: &str| {
        let form = [("token", token)];
        let request = blue.post("revoke").basic(client, SHOP_SECRET).form(&form);
        let answer = request.send().await;
        assert_eq!((answer.status, answer.body.len()), (200, 0));
    };
    let forged = format!("{}x", tokens.access);
    for garbage in ["garbage", "a.b.c", &forged, &format!("{}x", tokens.refresh)] {
        revoke("w", garbage).await;
    }
    revoke("p", &tokens.access).await;
    revoke("p", &tokens.refresh).await;
    let form = [("token", &*tokens.access)];
    says_oauth(
        &blue.post("revoke").form(&form).send().await,
        "invalid_client",
    );
    let wrong = blue.post("revoke").basic("w", "wrong").form(&form);
    says_oauth(&wrong.send().await, "invalid_client");
    let hint = [("token", &*tokens.access), ("token_type_hint", "id_token")];
    let hint = blue.post("revoke").basic("w", SHOP_SECRET).form(&hint);
    says_oauth(&hint.send().await, "invalid_request");
    blue.rest();
    blue.opens(&tokens.access).await;
    Tokens::of(&blue.refresh(&tokens.refresh).await);
}

/// BN-19
#[tokio::test]
async fn bn_19_a_route_refuses_in_the_words_of_the_api() {
    let blue = Blue::start().await;
    let tokens = blue.login(&Wallet::of(1)).await;
    blue.opens(&tokens.access).await;
    let seen = blue.up.only();
    let subject = claims(&tokens.access)["sub"].clone();
    assert_eq!(seen.alike("x-user-id"), [subject.as_str().unwrap()]);
    let answer = blue.api("/agents/1").bearer(&tokens.access).send().await;
    says(&answer, 403, "InsufficientScopeError");
    says(&blue.api("/x").send().await, 401, "UnauthorizedError");
    says(
        &blue.api("/x").bearer("rubbish").send().await,
        401,
        "InvalidTokenError",
    );
    blue.advance(901);
    let answer = blue.api("/x").bearer(&tokens.access).send().await;
    says(&answer, 401, "TokenExpiredError");
    assert!(
        answer
            .header("www-authenticate")
            .unwrap()
            .contains("resource_metadata=")
    );
}

/// BN-20
#[tokio::test]
async fn bn_20_the_eleventh_attempt_of_a_client_waits() {
    let blue = Blue::start().await;
    let form = [("grant_type", "refresh_token"), ("refresh_token", "x")];
    let attempt = async |client: &str| {
        let request = blue.post("token").basic(client, SHOP_SECRET).form(&form);
        request.send().await
    };
    for _ in 0..10 {
        says_oauth(&attempt("w").await, "invalid_grant");
    }
    let answer = attempt("w").await;
    says(&answer, 429, "TooManyRequestsError");
    assert_eq!(answer.json()["message"], "Rate limit exceeded");
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    // Another client from the same address has its own (B-24), as has another endpoint.
    says_oauth(&attempt("p").await, "invalid_grant");
    blue.login(&Wallet::of(1)).await;
    blue.gateway.advance(Duration::from_secs(wait));
    says_oauth(&attempt("w").await, "invalid_grant");
    // What names no client is counted, too.
    for _ in 0..10 {
        says_oauth(
            &blue.post("token").form(&form).send().await,
            "invalid_client",
        );
    }
    let answer = blue.post("token").form(&form).send().await;
    says(&answer, 429, "TooManyRequestsError");
}

/// A refresh token lives seven days unused, and a session for as long as it is renewed.
#[tokio::test]
async fn a_refresh_token_lives_a_week() {
    const DAY: i64 = 24 * 60 * 60;
    let blue = Blue::start().await;
    let mut tokens = blue.login(&Wallet::of(1)).await;
    for _ in 0..20 {
        blue.advance(6 * DAY);
        tokens = Tokens::of(&blue.refresh(&tokens.refresh).await);
    }
    blue.advance(7 * DAY);
    says_oauth(&blue.refresh(&tokens.refresh).await, "invalid_grant");
}

/// XD-1, between this API and NexusHub
#[tokio::test]
async fn xd_01_a_token_of_one_api_opens_no_door_of_another() {
    let blue = Blue::start().await;
    let ours = blue.login(&Wallet::of(1)).await;
    let hub = blue.gateway.client().named("auth.hub.test");
    let user = json!({ "user_id": "ada", "user_secret": "s3cret-one" });
    let key = hub.post("/register").json(&user).send().await.json()["user_key"].clone();
    let login = json!({ "user_key": key, "user_secret": "s3cret-one" });
    let theirs = hub.post("/authenticate").json(&login).send().await;
    let theirs = theirs.json()["access_token"].as_str().unwrap().to_owned();

    says(
        &blue.api("/x").bearer(&theirs).send().await,
        401,
        "InvalidTokenError",
    );
    let api = blue.gateway.client().named("api.hub.test");
    let answer = api.get("/x").bearer(&ours.access).send().await;
    assert_eq!(
        (answer.status, &answer.json()["error"]),
        (401, &json!("Invalid Token."))
    );
    assert!(blue.up.is_untouched());
    // A refresh token is no access token.
    says(
        &blue.api("/x").bearer(&ours.refresh).send().await,
        401,
        "InvalidTokenError",
    );
}

/// XD-4
#[tokio::test]
async fn xd_04_a_body_of_300_kilobytes_is_refused_everywhere() {
    let blue = Blue::start().await;
    let tokens = blue.login(&Wallet::of(1)).await;
    let huge = json!({ "token": "x".repeat(300 << 10) });
    for path in [
        "authenticate",
        "token",
        "revoke",
        "handoff/init",
        "handoff/redeem",
        "register",
    ] {
        let request = blue.post(path).json(&huge);
        let request = if path == "handoff/init" {
            request.bearer(&tokens.access)
        } else {
            request
        };
        says(&request.send().await, 413, "PayloadTooLargeError");
    }
    blue.opens(&tokens.access).await;
}

/// XD-5
#[tokio::test]
async fn xd_05_a_body_may_be_announced_or_come_in_pieces() {
    let blue = Blue::start().await;
    let form = "grant_type=password&client_id=m";
    let head = "POST /api/v1/auth/token HTTP/1.1\r\nHost: auth.blue.test\r\nConnection: close\r\n\
                Content-Type: application/x-www-form-urlencoded\r\n";
    let announced = format!(
        "{head}Expect: 100-continue\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    );
    let chunked = format!(
        "{head}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{form}\r\n0\r\n\r\n",
        form.len()
    );
    for request in [announced, chunked] {
        let mut wire = blue.wire().await;
        wire.send(request).await;
        let replies = wire.replies().await;
        let last = replies.last().unwrap();
        says_oauth(last, "unsupported_grant_type");
    }
    let both = format!(
        "{head}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{form}\r\n0\r\n\r\n",
        form.len()
    );
    let mut wire = blue.wire().await;
    wire.send(both).await;
    let replies = wire.replies().await;
    assert!(replies.len() < 2 && replies.iter().all(|reply| reply.status >= 400));
    assert!(blue.up.is_untouched());
}

/// Whatever cannot be read in one way only is refused, and spends nothing.
#[tokio::test]
async fn a_request_that_could_be_read_in_two_ways_changes_nothing() {
    let blue = Blue::start().await;
    let tokens = blue.login(&Wallet::of(1)).await;
    let refresh = &tokens.refresh;
    let form = "application/x-www-form-urlencoded";
    let bodies = [
        (
            form,
            format!("grant_type=refresh_token&refresh_token={refresh}&refresh_token={refresh}"),
        ),
        (
            form,
            format!("grant_type=refresh_token&grant_type=password&refresh_token={refresh}"),
        ),
        (
            form,
            format!("grant_type=refresh_token&refresh_token={refresh}&client_id=p"),
        ),
        (
            form,
            format!("grant_type=refresh_token&refresh_token={refresh}%00"),
        ),
        (
            "text/plain",
            format!("grant_type=refresh_token&refresh_token={refresh}"),
        ),
        (
            "application/json",
            format!("{{\"grant_type\":\"refresh_token\",\"refresh_token\":[\"{refresh}\"]}}"),
        ),
        (
            "application/json",
            format!(
                "{{\"grant_type\":\"refresh_token\",\"refresh_token\":{{\"$ne\":\"{refresh}\"}}}}"
            ),
        ),
        (
            "application/json",
            format!(
                "{{\"grant_type\":\"refresh_token\",\"refresh_token\":\"a\",\"refresh_token\":\"{refresh}\"}}"
            ),
        ),
        (
            "application/json",
            format!("{{\"grant_type\":\"refresh_token\",\"refresh_token\":\"{refresh}\"}} x"),
        ),
    ];
    for (kind, body) in bodies {
        let request = blue.post("token").basic("w", SHOP_SECRET);
        let answer = request
            .header("content-type", kind)
            .body(body.clone())
            .send()
            .await;
        says_oauth(&answer, "invalid_request");
    }
    blue.rest();
    Tokens::of(&blue.refresh(refresh).await);
}
