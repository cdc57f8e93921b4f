//! Signing keys come and go, and nobody who checks our tokens notices.

use std::time::Duration;

use jsonwebtoken::{DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
use serde_json::Value;
use tollgate::token::Timestamp;

use crate::harness::{bench::Bench, tollgate::SHOP_SECRET};

const MORE: &str = r#"
[dialect.oauth]
speak = "oauth2"
path = "/oauth"
hosts = ["gw.test"]

[client.shop]
secret = { file = "shop.secret" }
scopes = ["orders:read"]

[route.orders]
hosts = ["gw.test"]
path = "/orders/**"
upstream = "u1"
issuers = ["oauth"]
"#;

const DAY: Duration = Duration::from_hours(24);
const HOUR: Duration = Duration::from_hours(1);

async fn token(bench: &Bench) -> String {
    let grant = [("grant_type", "client_credentials")];
    let request = bench.post("/oauth/token").form(&grant);
    let answer = request.basic("shop", SHOP_SECRET).send().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

fn kid(token: &str) -> String {
    decode_header(token).unwrap().kid.unwrap()
}

async fn published(bench: &Bench) -> Vec<String> {
    let keys = bench.get("/oauth/jwks").send().await.json();
    let keys = keys["keys"].as_array().unwrap();
    keys.iter()
        .map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect()
}

/// What is done every second.
async fn tend(bench: &Bench) {
    let now = bench.gateway.now();
    bench.gateway.kept().tend_keys(now).await.unwrap();
}

async fn pass(bench: &Bench, span: Duration) {
    bench.gateway.advance(span);
    tend(bench).await;
}

/// An upstream that checks tokens by itself, and believes what it has fetched for as long as it may.
struct Validator {
    keys: JwkSet,
    stale_at: Timestamp,
}

impl Validator {
    async fn fetch(bench: &Bench) -> Self {
        let answer = bench.get("/oauth/jwks").send().await;
        let control = answer.header("cache-control").unwrap().to_owned();
        let age = control.split("max-age=").nth(1).unwrap();
        let age: String = age.chars().take_while(char::is_ascii_digit).collect();
        let age = Duration::from_secs(age.parse().unwrap());
        assert!(
            age >= HOUR / 2 && age <= DAY / 2,
            "{control}: published long before it is used"
        );
        Self {
            keys: serde_json::from_slice(&answer.body).unwrap(),
            stale_at: bench.gateway.now().plus(age),
        }
    }

    async fn check(&mut self, bench: &Bench, token: &str) {
        if bench.gateway.now() >= self.stale_at {
            *self = Self::fetch(bench).await;
        }
        let key = self
            .keys
            .find(&kid(token))
            .expect("a key that is known here");
        let mut rules = Validation::new(jsonwebtoken::Algorithm::ES256);
        (rules.validate_aud, rules.validate_exp) = (false, false);
        decode::<Value>(token, &DecodingKey::from_jwk(key).unwrap(), &rules).unwrap();
    }
}

#[tokio::test]
async fn an_upstream_that_caches_our_keys_never_meets_one_it_does_not_know() {
    let bench = Bench::with(MORE).await;
    let mut validator = Validator::fetch(&bench).await;
    let mut kids = vec![kid(&token(&bench).await)];
    for _ in 0..2 {
        pass(&bench, DAY * 88).await;
        for _ in 0..75 {
            pass(&bench, Duration::from_mins(59)).await;
            let token = token(&bench).await;
            validator.check(&bench, &token).await;
            let opened = bench.get("/orders/7").bearer(&token).send().await;
            assert_eq!(opened.status, 200, "{}", opened.text());
            kids.push(kid(&token));
        }
    }
    kids.dedup();
    assert_eq!(kids.len(), 3, "a new key every 90 days: {kids:?}");
}

#[tokio::test]
async fn a_key_is_published_a_day_before_it_signs_and_kept_a_day_after_its_last_token() {
    let bench = Bench::with(MORE).await;
    let first = kid(&token(&bench).await);
    assert_eq!(published(&bench).await, [first.as_str()]);
    pass(&bench, DAY * 89).await;
    let both = published(&bench).await;
    assert_eq!(
        (both.len(), &both[0]),
        (2, &first),
        "the one that signs comes first"
    );
    assert_eq!(kid(&token(&bench).await), first);

    pass(&bench, Duration::from_secs(86_399)).await;
    let last = token(&bench).await;
    assert_eq!(kid(&last), first);
    pass(&bench, Duration::from_secs(1)).await;
    assert_eq!(kid(&token(&bench).await), both[1]);
    assert_eq!(published(&bench).await.len(), 2);
    bench.gateway.advance(Duration::from_secs(590));
    let opened = bench.get("/orders/7").bearer(&last).send().await;
    assert_eq!(opened.status, 200, "what the old key signed is still good");

    pass(&bench, DAY).await;
    assert_eq!(published(&bench).await.len(), 2);
    pass(&bench, Duration::from_secs(10)).await;
    assert_eq!(published(&bench).await, [both[1].as_str()]);
}

#[tokio::test]
async fn a_revoked_key_is_refused_at_once_and_published_no_longer() {
    let bench = Bench::with(MORE).await;
    let (before, open) = (token(&bench).await, "/orders/7");
    assert_eq!(bench.get(open).bearer(&before).send().await.status, 200);
    let keys = &bench.gateway.kept().keys["oauth"];
    let stolen = kid(&before);
    assert!(
        keys.retire(&stolen, true, bench.gateway.now())
            .await
            .unwrap()
    );
    bench.refuses(bench.get(open).bearer(&before)).await;
    assert!(!published(&bench).await.contains(&stolen));
    let after = token(&bench).await;
    assert_ne!(kid(&after), stolen);
    assert_eq!(bench.get(open).bearer(&after).send().await.status, 200);
    let again = keys.retire(&stolen, true, bench.gateway.now()).await;
    assert!(!again.unwrap(), "once is enough");
    assert!(
        !keys
            .retire("nothing", false, bench.gateway.now())
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn a_key_that_is_retired_by_hand_signs_no_more_and_still_verifies() {
    let bench = Bench::with(MORE).await;
    let before = token(&bench).await;
    let keys = &bench.gateway.kept().keys["oauth"];
    let old = kid(&before);
    assert!(keys.retire(&old, false, bench.gateway.now()).await.unwrap());
    assert_ne!(kid(&token(&bench).await), old);
    assert_eq!(
        bench.get("/orders/7").bearer(&before).send().await.status,
        200
    );
    assert!(published(&bench).await.contains(&old));
}

#[tokio::test]
async fn a_rotation_the_operator_asks_for_is_published_first_unless_they_cannot_wait() {
    let bench = Bench::with(MORE).await;
    let keys = &bench.gateway.kept().keys["oauth"];
    let first = kid(&token(&bench).await);
    let second = keys.rotate(false, bench.gateway.now()).await.unwrap();
    assert!(published(&bench).await.contains(&second));
    assert_eq!(kid(&token(&bench).await), first);
    let same = keys.rotate(false, bench.gateway.now()).await.unwrap();
    assert_eq!(same, second, "one successor is enough");
    pass(&bench, DAY).await;
    assert_eq!(kid(&token(&bench).await), second);
    let third = keys.rotate(true, bench.gateway.now()).await.unwrap();
    assert_eq!(kid(&token(&bench).await), third);
}

#[tokio::test]
async fn what_lies_in_the_store_is_no_key_to_anybody_who_has_only_that() {
    let bench = Bench::with(MORE).await;
    let keys = bench.gateway.kept().store.keys("oauth").await.unwrap();
    for key in &keys {
        // PKCS#8 (RFC 5208) begins with a sequence and the version.
        assert!(
            !key.sealed
                .windows(3)
                .any(|window| window == [0x02, 0x01, 0x00])
        );
        assert!(!format!("{key:?}").contains("sealed"));
    }
}
