//! A thousand races of fifty, on one node and on two: never two winners.

use tollgate::store::{Addition, OneTime, OneTimeKind, Redeemed, Store, Turn};

use crate::bed::{Bed, at, at_once, code, session};

#[tokio::test]
async fn twenty_races_have_twenty_winners() {
    race(20).await;
}

#[tokio::test]
#[ignore = "takes minutes"]
async fn a_thousand_races_have_a_thousand_winners() {
    race(1000).await;
}

/// Half of the racers are on another node.
async fn race(races: usize) {
    for bed in Bed::each() {
        let nodes = [bed.open().await, bed.open().await];
        let opened = session(None);
        nodes[0].add_session(opened.clone()).await.unwrap();
        for race in 0..races {
            let turn = Turn {
                id: opened.id,
                from: u32::try_from(race).unwrap(),
                now: at(50),
                idle_end: at(100),
                digest: None,
            };
            let won = fifty(&nodes, move |store| async move {
                store.rotate_session(turn).await.unwrap()
            });
            assert_eq!(won.await, 1, "renewal {race} on {}", bed.engine);

            let code = code(&format!("c{race}"));
            let digest = code.digest;
            let _ = nodes[0].keep_once(code.clone()).await.unwrap();
            let won = fifty(&nodes, move |store| async move {
                let opens = Some(session(None));
                let redeeming = store.redeem(OneTimeKind::Code, digest, at(20), opens);
                matches!(redeeming.await.unwrap(), Redeemed::First(_))
            });
            assert_eq!(won.await, 1, "code {race} on {}", bed.engine);

            let handoff = OneTime {
                kind: OneTimeKind::Handoff,
                ..code.clone()
            };
            let _ = nodes[1].keep_once(handoff).await.unwrap();
            let won = fifty(&nodes, move |store| async move {
                let redeeming = store.redeem(OneTimeKind::Handoff, digest, at(20), None);
                matches!(redeeming.await.unwrap(), Redeemed::First(_))
            });
            assert_eq!(won.await, 1, "handoff code {race} on {}", bed.engine);

            let won = fifty(&nodes, move |store| {
                let mut proof = code.clone();
                proof.kind = OneTimeKind::Nonce;
                async move { store.keep_once(proof).await.unwrap() == Addition::Added }
            });
            assert_eq!(won.await, 1, "nonce {race} on {}", bed.engine);
        }
    }
}

/// How many of fifty who try at once, on two nodes, are told that they won.
async fn fifty<W>(nodes: &[Store; 2], attempt: impl Fn(Store) -> W) -> usize
where
    W: Future<Output = bool> + Send + 'static,
{
    let attempts: Vec<_> = (0..50).map(|n| attempt(nodes[n % 2].clone())).collect();
    let won = at_once(attempts).await;
    won.into_iter().filter(|won| *won).count()
}
