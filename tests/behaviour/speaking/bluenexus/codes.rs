//! Programs that people give leave to act for them.

use serde_json::json;
use tollgate::{issue::NewAccount, token::Secret};

use super::{Blue, SHOP_SECRET, Tokens, claims, says, says_oauth};
use crate::harness::{
    exchange::Answer,
    person::{Person, told},
};

const PASSWORD: &str = "correct horse battery";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CALLBACK: &str = "https://third.test/cb";
const ASKING: &str = "response_type=code&client_id=p&redirect_uri=https%3A%2F%2Fthird.test%2Fcb&state=s1\
                      &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";

impl Blue {
    /// With Ada, who has a password.
    async fn with_ada() -> Self {
        let blue = Self::start().await;
        let ada = NewAccount {
            name: "ada".to_owned(),
            password: Some(Secret::new(PASSWORD)),
            ..NewAccount::default()
        };
        blue.gateway.add_account("blue", ada).await;
        blue
    }

    /// A code of Ada's for the third party.
    async fn given(&self, path: &str, more: &str) -> String {
        let mut ada = Person::new(self.auth());
        let path = format!("{path}?{ASKING}{more}");
        let page = ada.arrives_as(&path, "ada", PASSWORD).await;
        let answer = match page.status {
            303 => page,
            _ => ada.answers(&page, "allow").await,
        };
        assert_eq!(told(&answer, "state").as_deref(), Some("s1"));
        assert_eq!(told(&answer, "iss").as_deref(), Some("https://gw.test"));
        told(&answer, "code").expect("a code")
    }

    async fn exchange(&self, code: &str, changes: &[(&str, Option<&str>)]) -> Answer {
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        for (name, value) in changes {
            fields.retain(|(field, _)| field != name);
            fields.extend(value.map(|value| (*name, value)));
        }
        let request = self.post("token").basic("p", SHOP_SECRET);
        request.form(&fields).send().await
    }
}

/// BN-11
#[tokio::test]
async fn bn_11_a_code_is_for_who_asked_where_they_asked() {
    let blue = Blue::with_ada().await;
    let other = VERIFIER.replace('d', "e");
    for (change, error) in [
        (("code_verifier", Some(&*other)), "invalid_grant"),
        (
            ("redirect_uri", Some("https://third.test/cb/")),
            "invalid_grant",
        ),
        (("code_verifier", None), "invalid_request"),
    ] {
        let code = blue.given("/oauth/authorize", "").await;
        says_oauth(&blue.exchange(&code, &[change]).await, error);
    }
}

/// BN-12
#[tokio::test]
async fn bn_12_a_code_that_comes_back_ends_what_it_began() {
    let blue = Blue::with_ada().await;
    let code = blue.given("/oauth/authorize", "").await;
    let answer = blue.exchange(&code, &[]).await;
    let tokens = Tokens::of(&answer);
    assert_eq!(answer.json()["expires_in"], 900);
    assert_eq!(answer.json()["scope"], "account connections");
    assert!(!tokens.refresh.is_empty(), "programs insist on both");
    assert_eq!(claims(&tokens.access)["client_id"], "p");
    blue.opens(&tokens.access).await;
    says_oauth(&blue.exchange(&code, &[]).await, "invalid_grant");
    let opened = blue.api("/x").bearer(&tokens.access).send().await;
    says(&opened, 401, "SessionRevokedError");
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", &*tokens.refresh),
    ];
    let renewed = blue.post("token").basic("p", SHOP_SECRET).form(&form);
    says_oauth(&renewed.send().await, "invalid_grant");
}

/// BN-18, for a token that a third party was given
#[tokio::test]
async fn bn_18_a_third_party_hands_nothing_over() {
    let blue = Blue::with_ada().await;
    let code = blue.given("/oauth/authorize", "").await;
    let tokens = Tokens::of(&blue.exchange(&code, &[]).await);
    let wanted = json!({ "redirectUri": "https://app.test/cb", "intent": "connections" });
    let request = blue
        .post("handoff/init")
        .bearer(&tokens.access)
        .json(&wanted);
    says(&request.send().await, 403, "ForbiddenError");
}

/// B-17 and the contract of scopes: what is unknown, or not for this program, is dropped without a word.
#[tokio::test]
async fn a_scope_that_cannot_be_had_is_dropped_and_the_rest_is_told() {
    let blue = Blue::with_ada().await;
    let more = "&scope=connections+agents-all+made-up";
    let code = blue.given("/api/v1/auth/authorize", more).await;
    let answer = blue.exchange(&code, &[]).await;
    assert_eq!(answer.json()["scope"], "connections", "{}", answer.text());
}
