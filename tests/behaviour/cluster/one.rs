//! Two nodes are one issuer: what one gives, takes back, spends and learns, the other honours.

use std::time::Duration;

use serde_json::{Value, json};
use tollgate::{
    issue::{Grant, NewClient},
    token::Scope,
};

use super::{HEARD, revoke, within};
use crate::{
    harness::{exchange::Answer, person::Person, tollgate::SHOP_SECRET, wallet::Wallet},
    nodes::{Node, Nodes, Pair, Runners, STRICT, redeeming, renewing, signing_in, taking_over},
};

async fn invalid_grant(node: &Node, refresh: &str) {
    let answer = renewing(&node.client(), refresh).send().await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert_eq!(answer.json()["error"], "invalid_grant");
}

async fn keys(node: &Node) -> Value {
    node.client().get("/oauth/jwks").send().await.json()
}

/// IS-07, V07: a token and the connections it was used on are known to both.
#[tokio::test]
async fn is_07_a_token_that_one_takes_back_is_refused_by_the_other() {
    let nodes = Nodes::start().await;
    nodes.register("ada").await;
    for turn in 0..4 {
        let [one, other] = nodes.each();
        let (giver, taker) = if turn % 2 == 0 {
            (one, other)
        } else {
            (other, one)
        };
        let pair = giver.log_in("ada").await;
        let client = giver.client().http2();
        let mut kept = client.session().await;
        for _ in 0..2 {
            assert_eq!(taker.status(&pair.access).await, 200);
            let request = client.get("/orders/1").bearer(&pair.access);
            assert_eq!(kept.send(request).await.status, 200);
        }
        let token = if turn < 2 {
            &pair.access
        } else {
            &pair.refresh
        };
        revoke(taker, token).await;
        assert_eq!(taker.status(&pair.access).await, 401, "there at once");
        let took = within(HEARD, 401, &[200], || giver.status(&pair.access)).await;
        println!("heard of within {took:?}");
        let request = client.get("/orders/1").bearer(&pair.access);
        assert_eq!(kept.send(request).await.status, 401);
        invalid_grant(giver, &pair.refresh).await;
    }
}

/// X-22, IS-07
#[tokio::test]
async fn an_account_that_one_cuts_off_is_out_at_the_other() {
    let nodes = Nodes::start().await;
    nodes.register("ada").await;
    let (one, other) = (nodes.one(), nodes.other());
    let (here, there) = (one.log_in("ada").await, other.log_in("ada").await);
    one.gateway.disable("oauth", "ada").await;
    for pair in [&here, &there] {
        assert_eq!(one.status(&pair.access).await, 401);
        within(HEARD, 401, &[200], || other.status(&pair.access)).await;
        invalid_grant(other, &pair.refresh).await;
    }
}

/// TK-04: whichever node the thief asks.
#[tokio::test]
async fn tk_04_a_token_spent_at_one_and_shown_at_the_other_ends_the_session_for_both() {
    let nodes = Nodes::start().await;
    nodes.register("ada").await;
    let (one, other) = (nodes.one(), nodes.other());
    let first = one.log_in("ada").await;
    let second = Pair::of(&renewing(&one.client(), &first.refresh).send().await);
    assert_eq!(
        one.status(&second.access).await,
        200,
        "the answer has arrived"
    );
    nodes.advance(Duration::from_secs(11));
    // That it has arrived is carried to the store every second; until then it may have been lost.
    let thief = other.client();
    let showing = || async { renewing(&thief, &first.refresh).send().await.status };
    within(HEARD, 400, &[200], showing).await;
    for node in nodes.each() {
        within(HEARD, 401, &[200], || node.status(&second.access)).await;
        invalid_grant(node, &second.refresh).await;
    }
}

/// An answer that was lost on the way from one node is given again by the other.
#[tokio::test]
async fn an_answer_of_one_that_never_arrived_is_given_again_by_the_other() {
    let nodes = Nodes::start().await;
    nodes.register("ada").await;
    let first = nodes.one().log_in("ada").await;
    let lost = renewing(&nodes.one().client(), &first.refresh).send().await;
    let again = renewing(&nodes.other().client(), &first.refresh)
        .send()
        .await;
    assert_eq!(Pair::of(&lost).refresh, Pair::of(&again).refresh);
    for node in nodes.each() {
        assert_eq!(node.status(&Pair::of(&again).access).await, 200);
    }
}

/// What the only one was given who was not too late.
fn one_of(answers: &[Answer], late: u16) -> Pair {
    let won = answers.iter().filter(|answer| answer.status == 200);
    let won: Vec<_> = won.collect();
    assert_eq!(won.len(), 1);
    assert!(
        answers
            .iter()
            .all(|answer| [200, late].contains(&answer.status))
    );
    Pair::of(won[0])
}

/// TK-02, TK-03, TK-12: half of the fifty at each.
#[tokio::test]
async fn tk_03_what_can_be_used_once_is_used_once_at_both_together() {
    let nodes = Nodes::changed(&[STRICT]).await;
    nodes.register("ada").await;
    let runners = Runners::ready(&nodes).await;
    let (one, other) = (nodes.one(), nodes.other());
    let first = one.log_in("ada").await;
    let second = one_of(
        &runners.run(|client| renewing(client, &first.refresh)).await,
        400,
    );
    let live = renewing(&other.client(), &second.refresh).send().await;
    assert_eq!(live.status, 200, "{}", live.text());

    let code = other.code(&mut Person::new(other.client()), "ada").await;
    let spent = one_of(&runners.run(|client| redeeming(client, &code)).await, 400);
    // RFC 6749 §4.1.2: it was shown twice, so what it began is over.
    for node in nodes.each() {
        invalid_grant(node, &spent.refresh).await;
        within(HEARD, 401, &[200], || node.status(&spent.access)).await;
    }

    let proof = one.proof(&Wallet::of(1), "nonce000001");
    let signed_in = one_of(
        &runners
            .run_at_blue(|client| signing_in(client, &proof))
            .await,
        401,
    );
    let code = other.handoff(&signed_in.access).await;
    one_of(
        &runners
            .run_at_blue(|client| taking_over(client, &code))
            .await,
        400,
    );
}

#[tokio::test]
async fn a_client_that_one_adds_is_known_to_the_other() {
    let nodes = Nodes::start().await;
    let (one, other) = (nodes.one(), nodes.other());
    let ask = async |secret: &str| {
        let request = other.client().post("/oauth/token");
        let request = request.form(&[("grant_type", "client_credentials")]);
        request.basic("late", secret).send().await.status
    };
    assert_eq!(ask("?").await, 401);
    let clients = &one.gateway.kept().clients;
    let late = NewClient {
        name: "late".to_owned(),
        scope: Scope::parse("orders:read").unwrap(),
        grants: vec![Grant::ClientCredentials],
    };
    let secret = clients.add(late, one.gateway.now()).await.unwrap();
    // That there is none of this name is remembered for a second.
    nodes.advance(Duration::from_secs(1));
    assert_eq!(ask(secret.reveal()).await, 200);
    assert!(clients.remove("late").await.unwrap());
    assert_eq!(ask(secret.reveal()).await, 401);
}

#[tokio::test]
async fn somebody_whom_one_adds_signs_in_at_the_other() {
    let nodes = Nodes::start().await;
    nodes.register("ada").await;
    let pair = nodes.other().log_in("ada").await;
    assert_eq!(nodes.one().status(&pair.access).await, 200);
    // A page of one is answered at the other: nobody knows which they reach.
    let mut ada = Person::new(nodes.one().client());
    nodes.one().code(&mut ada, "ada").await;
    let mut elsewhere = Person::new(nodes.other().client());
    elsewhere.cookie = ada.cookie.clone();
    nodes.other().code(&mut elsewhere, "nobody").await;
}

#[tokio::test]
async fn both_publish_the_same_keys_also_after_one_has_changed_them() {
    let nodes = Nodes::start().await;
    let (one, other) = (nodes.one(), nodes.other());
    let before = keys(one).await;
    assert_eq!(before, keys(other).await);
    let rotated = one.gateway.kept().keys["oauth"].rotate(true, one.gateway.now());
    let kid = json!(rotated.await.unwrap());
    let ours = keys(one).await;
    assert_eq!(ours["keys"][0]["kid"], kid);
    within(HEARD, true, &[false], || async {
        keys(other).await == ours
    })
    .await;
    let token = one.token().await;
    assert_eq!(other.status(&token).await, 200);
    assert_eq!(one.status(&other.token().await).await, 200);
    let basic = other
        .client()
        .post("/oauth/introspect")
        .form(&[("token", &token)]);
    let told = basic.basic("shop", SHOP_SECRET).send().await;
    assert_eq!(told.json()["active"], true);
}
