//! What a believed token may do: routes that ask for nothing, for a token, for scopes, for claims.

use serde_json::json;

use crate::harness::bench::Bench;

#[tokio::test]
async fn a_route_that_does_not_care_passes_with_and_without_identity() {
    let route = r#"
[route.optional]
hosts = ["gw.test"]
path = "/optional"
upstream = "u1"
issuers = ["a"]
auth = "optional"
forward = { identity = { x-user-id = "sub" } }
"#;
    let bench = Bench::with(route).await;
    assert_eq!(
        bench
            .get("/optional")
            .header("x-user-id", "admin")
            .send()
            .await
            .status,
        200
    );
    assert!(bench.upstream.last().alike("x-user-id").is_empty());
    assert_eq!(
        bench
            .get("/optional")
            .bearer(&bench.token().sign())
            .send()
            .await
            .status,
        200
    );
    assert_eq!(bench.upstream.last().alike("x-user-id"), ["u1"]);
    let before = bench.upstream.requests().len();
    assert_eq!(
        bench.get("/optional").bearer("rubbish").send().await.status,
        401
    );
    assert_eq!(
        bench.upstream.requests().len(),
        before,
        "a bad token is not the same as none"
    );
}

#[tokio::test]
async fn a_public_route_does_not_look_at_tokens() {
    let bench = Bench::start().await;
    assert_eq!(
        bench.get("/public/x").bearer("rubbish").send().await.status,
        200
    );
}

#[tokio::test]
async fn scopes_are_read_from_either_claim_in_either_form() {
    let bench = Bench::start().await;
    for (claim, value) in [
        ("scope", json!("read admin")),
        ("scp", json!(["read", "admin"])),
        ("scp", json!("admin")),
        ("scope", json!(["admin"])),
    ] {
        let token = bench
            .token()
            .without("scope")
            .with(claim, value.clone())
            .sign();
        let answer = bench.get("/api/admin/x").bearer(&token).send().await;
        assert_eq!(answer.status, 200, "{claim} = {value}");
    }
}

#[tokio::test]
async fn two_routes_judge_the_same_token_each_by_its_own_terms() {
    // IS-08, for signed tokens
    let bench = Bench::start().await;
    let token = bench.token().sign();
    bench.admits_token(&token).await;
    assert_eq!(
        bench.get("/api/admin/x").bearer(&token).send().await.status,
        403
    );
    bench.admits_token(&token).await;
    let admin = bench.token().with("scope", "admin").sign();
    assert_eq!(
        bench.get("/api/admin/x").bearer(&admin).send().await.status,
        200
    );
}

#[tokio::test]
async fn an_opaque_token_is_held_to_the_terms_too() {
    let routes = r#"
[route.intro_admin]
hosts = ["gw.test"]
path = "/intro/admin"
upstream = "u1"
issuers = ["n1"]
require = { scope = "admin" }
"#;
    let bench = Bench::with(routes).await;
    bench
        .n1
        .activate("t", &json!({ "sub": "u1", "scope": "read" }));
    assert_eq!(bench.get("/intro/x").bearer("t").send().await.status, 200);
    assert_eq!(
        bench.get("/intro/admin").bearer("t").send().await.status,
        403
    );
    assert_eq!(
        bench.n1.introspection_count(),
        1,
        "facts are remembered, verdicts are not"
    );
}
