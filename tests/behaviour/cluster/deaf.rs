//! A node that cannot hear what others take back, and nodes whose store is gone.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use futures_util::future::join_all;
use serde_json::Value;

use super::{revoke, within};
use crate::{
    harness::{exchange::Answer, soon, until, wallet::Wallet},
    nodes::{Node, Nodes, Pair, renewing, signing_in},
};

/// How soon everything is as it was when the network is.
const HEALED: Duration = Duration::from_secs(5);

/// How soon somebody who cannot be served is told.
const TOLD: Duration = Duration::from_secs(2);

/// Room for a slow machine, where no promise is measured.
const ROOM: Duration = Duration::from_secs(20);

/// What passes the gate without one of our own tokens.
async fn others_go_on(nodes: &Nodes, node: &Node) {
    let answer = node.client().get("/public/x").send().await;
    assert_eq!(answer.status, 200);
    let request = node.client().get("/api/x").bearer(&nodes.a.token().sign());
    assert_eq!(request.send().await.status, 200);
}

/// The reasons why a node is not ready, each with its sentence.
async fn reasons(node: &Node) -> Vec<(String, String)> {
    let told = node.probe().await.text();
    let lines = told
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(": "));
    lines
        .map(|(name, why)| (name.to_owned(), why.to_owned()))
        .collect()
}

async fn says_that_it_is_deaf(node: &Node) -> bool {
    reasons(node)
        .await
        .iter()
        .any(|(name, _)| name == "revocations")
}

/// RL-09: 503 in the shape of each dialect, within two seconds.
async fn cannot_issue(node: &Node, refresh: &str) {
    let begun = Instant::now();
    let answer = renewing(&node.client(), refresh).send().await;
    is_an_outage(&answer, begun.elapsed());
    assert_eq!(answer.json()["error"], "temporarily_unavailable");
    assert!(answer.header("retry-after").is_some());
    let proof = node.proof(&Wallet::of(1), "nonce000001");
    let begun = Instant::now();
    let answer = signing_in(&node.blue(), &proof).send().await;
    is_an_outage(&answer, begun.elapsed());
    assert_eq!(answer.json()["statusCode"], 503);
}

fn is_an_outage(answer: &Answer, took: Duration) {
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(took < TOLD, "told after {took:?}");
}

/// Own tokens are refused by a node that hears nothing, and by nobody else; what was taken back meanwhile is never
/// accepted again.
#[tokio::test]
async fn a_node_that_hears_nothing_refuses_what_may_have_been_taken_back() {
    for freeze in [false, true] {
        let nodes = Nodes::start().await;
        nodes.register("ada").await;
        let (one, deaf) = (nodes.one(), nodes.other());
        let (kept, revoked) = (deaf.log_in("ada").await, deaf.log_in("ada").await);
        assert!(reasons(deaf).await.is_empty());
        if freeze {
            deaf.wire.freeze();
        } else {
            deaf.wire.cut();
        }
        // The clock stands still: not a moment has passed.
        assert_eq!(deaf.status(&kept.access).await, 200);
        nodes.advance(Duration::from_secs(5));
        for pair in [&kept, &revoked] {
            within(ROOM, 503, &[200], || deaf.status(&pair.access)).await;
        }
        let answer = deaf
            .client()
            .get("/orders/1")
            .bearer(&kept.access)
            .send()
            .await;
        assert_eq!(answer.code().as_deref(), Some("store_unavailable"));
        assert!(says_that_it_is_deaf(deaf).await);
        assert_eq!(deaf.probe().await.status, 503);
        others_go_on(&nodes, deaf).await;
        cannot_issue(deaf, &kept.refresh).await;
        assert!(reasons(one).await.is_empty());
        assert_eq!(one.status(&kept.access).await, 200);
        revoke(one, &revoked.access).await;
        deaf.wire.mend();
        let healing = within(HEALED, 200, &[503], || deaf.status(&kept.access)).await;
        println!("healed after {healing:?}, frozen: {freeze}");
        assert_eq!(deaf.status(&revoked.access).await, 401);
        within(HEALED, 200, &[503], || async { deaf.probe().await.status }).await;
        Pair::of(&renewing(&deaf.client(), &kept.refresh).send().await);
    }
}

/// The bound: five seconds after it has heard the last word, and not a look later.
#[tokio::test]
async fn a_node_knows_after_five_seconds_that_it_is_deaf() {
    let nodes = Nodes::start().await;
    nodes.register("ada").await;
    let pair = nodes.one().log_in("ada").await;
    nodes.one().wire.cut();
    nodes.other().wire.freeze();
    let begun = Instant::now();
    let deaf_after = async |node: &Node| {
        within(ROOM, 503, &[200], || node.status(&pair.access)).await;
        begun.elapsed()
    };
    let listening = async { tokio::join!(deaf_after(nodes.one()), deaf_after(nodes.other())) };
    let (cut, frozen) = tokio::select! {
        both = listening => both,
        never = run(&nodes) => match never {},
    };
    println!("deaf after {cut:?}, frozen out after {frozen:?}");
    for after in [cut, frozen] {
        // The last word was heard up to a second before the wire broke.
        assert!(after > Duration::from_secs(3), "{after:?}");
        assert!(after < Duration::from_secs(6), "{after:?}");
    }
}

/// Lets the clocks go as fast as real time.
async fn run(nodes: &Nodes) -> std::convert::Infallible {
    let begun = Instant::now();
    let mut ticks = tokio::time::interval(Duration::from_millis(1));
    let mut passed = 0;
    loop {
        ticks.tick().await;
        let due = begun.elapsed().as_millis() - passed;
        nodes.advance(Duration::from_millis(due.try_into().unwrap()));
        passed += due;
    }
}

/// `cluster.deaf = "serve:30s"`: the limit is the operator's.
#[tokio::test]
async fn a_node_that_may_serve_longer_does_and_then_refuses() {
    let serve = ("[store]\n", "[cluster]\ndeaf = \"serve:30s\"\n\n[store]\n");
    let nodes = Nodes::changed(&[serve]).await;
    nodes.register("ada").await;
    let deaf = nodes.other();
    let pair = deaf.log_in("ada").await;
    deaf.wire.cut();
    nodes.advance(Duration::from_secs(34));
    let tried = deaf.wire.attempts();
    until("it has tried to hear again and again", || {
        (deaf.wire.attempts() > tried + 10).then_some(())
    })
    .await;
    assert_eq!(deaf.status(&pair.access).await, 200);
    assert!(!says_that_it_is_deaf(deaf).await);
    nodes.advance(Duration::from_secs(1));
    within(ROOM, 503, &[200], || deaf.status(&pair.access)).await;
    assert!(says_that_it_is_deaf(deaf).await);
    others_go_on(&nodes, deaf).await;
    deaf.wire.mend();
    within(HEALED, 200, &[503], || deaf.status(&pair.access)).await;
}

/// A network may forget connections without a word to either end: who waits on one for an answer waits in vain.
#[tokio::test]
async fn connections_that_died_without_a_word_are_replaced() {
    let nodes = Nodes::start().await;
    nodes.register("ada").await;
    let (one, other) = (nodes.one(), nodes.other());
    let mut pair = other.log_in("ada").await;
    let mut news = other.gateway.kept().store.watch().unwrap();
    other.wire.forget();
    let client = other.client();
    let renewal = || async { renewing(&client, &pair.refresh).send().await };
    let forgotten = Instant::now();
    let answer = loop {
        let answer = renewal().await;
        if answer.status == 200 {
            break answer;
        }
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert!(forgotten.elapsed() < ROOM, "{}", answer.text());
    };
    println!("renewed after {:?}", forgotten.elapsed());
    pair = Pair::of(&answer);
    assert_eq!(other.status(&pair.access).await, 200);
    // It is told of what happens as it happens, not only by asking: the first word may be that it listens again.
    for _ in 0..3 {
        let token = one.log_in("ada").await.access;
        revoke(one, &token).await;
        soon("a word from the other node", news.changed())
            .await
            .unwrap();
    }
}

/// Somebody who renews again and again, at both nodes in turn, and asks once more when there is no answer.
struct Renewer<'a> {
    nodes: &'a Nodes,
    last: Pair,
    renewed: u32,
}

impl Renewer<'_> {
    async fn renew(&mut self, refused: &AtomicUsize) {
        let node = &self.nodes.each()[self.renewed as usize % 2];
        let begun = Instant::now();
        let answer = renewing(&node.client(), &self.last.refresh).send().await;
        if answer.status == 503 {
            is_an_outage(&answer, begun.elapsed());
            assert_eq!(answer.json()["error"], "temporarily_unavailable");
            refused.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.last = Pair::of(&answer);
        self.renewed += 1;
    }
}

/// RL-09: the server gone under load.
#[tokio::test]
async fn rl_09_while_the_store_is_gone_nothing_is_issued_nothing_lost_and_traffic_goes_on() {
    let nodes = Nodes::start().await;
    nodes.register("ada").await;
    let mut renewers = Vec::new();
    for _ in 0..8 {
        renewers.push(Renewer {
            nodes: &nodes,
            last: nodes.one().log_in("ada").await,
            renewed: 0,
        });
    }
    let (done, refused) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (done, refused) = (&done, &refused);
    let load = join_all(renewers.into_iter().map(|mut renewer| async move {
        while !done.load(Ordering::Relaxed) || renewer.renewed < 3 {
            renewer.renew(refused).await;
        }
        renewer
    }));
    let story = async {
        let known = nodes.one().log_in("ada").await;
        for node in nodes.each() {
            node.wire.cut();
        }
        until("everybody was refused", || {
            (refused.load(Ordering::Relaxed) > 16).then_some(())
        })
        .await;
        for node in nodes.each() {
            // By the gateway's clock not a moment has passed, so it is within the limit.
            assert_eq!(node.status(&known.access).await, 200);
            others_go_on(&nodes, node).await;
            cannot_issue(node, &known.refresh).await;
            // Without the store a client of the file has its own token all the same: it is nobody's session.
            node.token().await;
            node.wire.mend();
        }
        for node in nodes.each() {
            within(HEALED, 200, &[503], || async { node.probe().await.status }).await;
            assert_eq!(node.status(&known.access).await, 200);
        }
        done.store(true, Ordering::Relaxed);
    };
    let (renewers, ()) = tokio::join!(load, story);
    let kept = nodes.one().gateway.kept();
    let issuer = kept.mounts["oauth"].issuer();
    let sessions = kept.mint.list_sessions(Some("ada"), issuer).await.unwrap();
    let sessions = sessions.unwrap();
    assert_eq!(sessions.len(), 9, "one for every login");
    for renewer in renewers {
        assert_eq!(nodes.other().status(&renewer.last.access).await, 200);
        let next = renewing(&nodes.other().client(), &renewer.last.refresh)
            .send()
            .await;
        Pair::of(&next);
        let sid = &claims(&renewer.last.access)["sid"];
        let session = sessions
            .iter()
            .find(|session| *sid == session.id.to_string());
        let generation = session.unwrap().generation;
        assert_eq!(generation, renewer.renewed, "as many are kept as were told");
    }
}

fn claims(token: &str) -> Value {
    let part = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}
