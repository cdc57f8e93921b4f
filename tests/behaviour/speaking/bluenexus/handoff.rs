//! Sessions handed over to a browser.

use serde_json::{Value, json};

use super::{Blue, SHOP_SECRET, Tokens, Wallet, claims, says};
use crate::harness::exchange::Answer;

impl Blue {
    async fn begin(&self, access: &str, body: &Value) -> Answer {
        self.post("handoff/init")
            .bearer(access)
            .json(body)
            .send()
            .await
    }

    async fn code(&self, tokens: &Tokens) -> String {
        let answer = self.begin(&tokens.access, &wanted()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.json()["expiresIn"], 30);
        answer.json()["code"].as_str().unwrap().to_owned()
    }

    async fn redeem(&self, code: &str) -> Answer {
        self.redeem_for("w", code).await
    }

    async fn redeem_for(&self, client: &str, code: &str) -> Answer {
        let body = json!({ "code": code, "clientId": client });
        self.post("handoff/redeem").json(&body).send().await
    }
}

fn wanted() -> Value {
    json!({ "redirectUri": "https://app.test/cb", "intent": "connections" })
}

/// BN-17
#[tokio::test]
async fn bn_17_a_code_is_redeemed_once_within_half_a_minute() {
    let blue = Blue::start().await;
    let tokens = blue.login(&Wallet::of(1)).await;
    let (code, late) = (blue.code(&tokens).await, blue.code(&tokens).await);
    assert_ne!(code, late);
    blue.advance(29);
    let answer = blue.redeem(&code).await;
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(
        answer.json(),
        json!({
            "clientId": "w", "accountId": claims(&tokens.access)["sub"], "sessionId": tokens.session,
            "redirectUri": "https://app.test/cb",
        })
    );
    says(&blue.redeem(&code).await, 400, "BadRequestError");
    blue.advance(2);
    says(&blue.redeem(&late).await, 400, "BadRequestError");
    says(&blue.redeem("ho_unknown").await, 400, "BadRequestError");
}

/// BN-18
#[tokio::test]
async fn bn_18_what_cannot_be_handed_over_is_refused_in_the_shape_of_the_api() {
    let blue = Blue::start().await;
    let tokens = blue.login(&Wallet::of(1)).await;
    let begin = async |body: Value| blue.begin(&tokens.access, &body).await;
    let with = |name: &str, value: Value| {
        let mut body = wanted();
        body[name] = value;
        body
    };
    says(
        &begin(with("intent", "other".into())).await,
        422,
        "ValidationError",
    );
    says(
        &begin(json!({ "intent": "connections" })).await,
        422,
        "ValidationError",
    );
    for uri in [
        "https://evil.test/cb",
        "https://app.test/cb/",
        "https://app.test/cb?x=1",
        "http://app.test/cb",
        "javascript:alert(1)",
        "data:text/html,x",
    ] {
        says(
            &begin(with("redirectUri", uri.into())).await,
            400,
            "BadRequestError",
        );
    }
    let app = begin(with("redirectUri", "yourapp://connections".into())).await;
    assert_eq!(app.status, 200, "{}", app.text());
    let nobody = blue.post("handoff/init").json(&wanted()).send().await;
    says(&nobody, 401, "UnauthorizedError");
    let refresh = blue.begin(&tokens.refresh, &wanted()).await;
    says(&refresh, 401, "InvalidTokenError");
    assert!(blue.up.is_untouched());
}

/// BN-18, decision B-22: a client under its own label, without a page of its own.
#[tokio::test]
async fn a_client_without_a_page_is_told_so_in_the_words_of_the_original() {
    let blue = Blue::start().await;
    let tokens = blue.login_publicly(&Wallet::of(1)).await;
    let answer = blue.begin(&tokens.access, &wanted()).await;
    says(&answer, 400, "BadRequestError");
    let words = "Unable to determine client criterias for secure handoff";
    assert_eq!(answer.json()["message"], words);
}

#[tokio::test]
async fn a_session_that_has_ended_is_not_handed_over() {
    let blue = Blue::start().await;
    let tokens = blue.login(&Wallet::of(1)).await;
    let code = blue.code(&tokens).await;
    let form = [("token", &*tokens.refresh)];
    let revoked = blue.post("revoke").basic("w", SHOP_SECRET).form(&form);
    assert_eq!(revoked.send().await.status, 200);
    says(&blue.redeem(&code).await, 400, "BadRequestError");
    let answer = blue.begin(&tokens.access, &wanted()).await;
    says(&answer, 401, "SessionRevokedError");
}

/// TK-12
#[tokio::test]
async fn tk_12_of_fifty_who_redeem_one_code_one_succeeds() {
    let blue = Blue::start().await;
    let tokens = blue.login(&Wallet::of(1)).await;
    for _ in 0..2 {
        let code = blue.code(&tokens).await;
        let answers = futures_util::future::join_all((0..50).map(|_| blue.redeem(&code))).await;
        let good = answers.iter().filter(|answer| answer.status == 200);
        assert_eq!(good.count(), 1);
        let bad = answers.iter().filter(|answer| answer.status == 400);
        assert_eq!(bad.count(), 49);
        blue.rest();
    }
    let late = blue.code(&tokens).await;
    blue.advance(60);
    says(&blue.redeem(&late).await, 400, "BadRequestError");
}

/// TK-12: a code is made for a client. (No browser has been seen when it is made, so it is bound to none.)
#[tokio::test]
async fn tk_12_a_code_that_another_client_redeems_is_refused_and_spent() {
    let blue = Blue::start().await;
    let tokens = blue.login(&Wallet::of(1)).await;
    for other in ["p", "nobody"] {
        let code = blue.code(&tokens).await;
        says(&blue.redeem_for(other, &code).await, 400, "BadRequestError");
        says(&blue.redeem(&code).await, 400, "BadRequestError");
    }
    let code = blue.code(&tokens).await;
    let unsaid = blue.post("handoff/redeem").json(&json!({ "code": code }));
    says(&unsaid.send().await, 422, "ValidationError");
    assert_eq!(blue.redeem(&code).await.status, 200);
}

/// The store is away, which is nobody's fault and no verdict, and each endpoint says so in its own shape.
#[tokio::test]
async fn a_store_that_is_gone_is_an_outage_and_never_a_no() {
    let blue = Blue::start().await;
    let (ada, tokens) = (Wallet::of(1), blue.login(&Wallet::of(1)).await);
    let code = blue.code(&tokens).await;
    blue.gateway.kept().store.close().await;
    let revoke = blue.post("revoke").basic("w", SHOP_SECRET);
    let revoke = revoke.form(&[("token", &*tokens.refresh)]);
    let register = json!({ "redirect_uris": ["https://desk.test/cb"] });
    for answer in [
        blue.authenticate(&blue.signed(&ada)).await,
        blue.refresh(&tokens.refresh).await,
        revoke.send().await,
        blue.post("register").json(&register).send().await,
    ] {
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert_eq!(answer.header("retry-after"), Some("1"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let body = answer.json();
        assert_eq!(body["error"], "temporarily_unavailable", "{body}");
        assert_eq!(body["statusCode"], 503, "{body}");
        assert_eq!(body["message"], body["error_description"], "{body}");
        assert_eq!(body.as_object().unwrap().len(), 4, "{body}");
    }
    for answer in [
        blue.begin(&tokens.access, &wanted()).await,
        blue.redeem(&code).await,
    ] {
        says(&answer, 503, "ServiceUnavailableError");
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    // Whoever has a token is served meanwhile.
    blue.opens(&tokens.access).await;
}
