//! Races over HTTP, half of the fifty at each of two gateways with one PostgreSQL: one wins, whatever is raced for.

use std::time::{Duration, Instant};

use crate::harness::exchange::Answer;
use crate::harness::person::Person;
use crate::harness::wallet::Wallet;
use crate::nodes::{
    Nodes, Pair, RUNNERS, Runners, STRICT, redeeming, renewing, signing_in, taking_over,
};

/// TK-02, TK-03, TK-12
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_races_at_two_gateways_have_five_winners() {
    race(5).await;
}

/// TK-02, TK-03, TK-12. `TOLLGATE_PROOF_RACES` asks for fewer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes"]
async fn a_thousand_races_at_two_gateways_have_a_thousand_winners() {
    let asked = std::env::var_os("TOLLGATE_PROOF_RACES");
    let races = asked.map_or(1000, |races| races.to_str().unwrap().parse().unwrap());
    race(races).await;
}

/// In each race a code is redeemed, its refresh token renewed, a wallet signed in, and its session handed over.
#[expect(
    clippy::print_stdout,
    reason = "how long it takes is asked for with the proof"
)]
async fn race(races: usize) {
    let nodes = Nodes::changed(&[STRICT]).await;
    nodes.register("ada").await;
    let mut ada = Person::new(nodes.one().client());
    let runners = Runners::ready(&nodes).await;
    let wallet = Wallet::of(1);
    let begun = Instant::now();
    for race in 0..races {
        // Longer than a page is looked at, shorter than it takes to be forgotten.
        nodes.advance(Duration::from_secs(20));
        let [one, other] = nodes.each();
        let node = [one, other][race % 2];

        let code = one.code(&mut ada, "ada").await;
        let won = runners.run(|client| redeeming(client, &code)).await;
        let spent = winner(&won, race, "code", 400);
        let dead = renewing(&other.client(), &spent.refresh).send().await;
        assert_eq!(
            dead.status, 400,
            "a code that was shown twice began nothing"
        );

        let code = one.code(&mut ada, "ada").await;
        let first = Pair::of(&redeeming(&node.client(), &code).send().await);
        let won = runners.run(|client| renewing(client, &first.refresh)).await;
        let second = winner(&won, race, "refresh token", 400);
        assert_ne!(second.refresh, first.refresh);
        let third = renewing(&node.client(), &second.refresh).send().await;
        assert_eq!(
            third.status,
            200,
            "the winner's is the live one: {}",
            third.text()
        );

        let proof = node.proof(&wallet, &format!("nonce{race:06}"));
        let won = runners
            .run_at_blue(|client| signing_in(client, &proof))
            .await;
        let signed_in = winner(&won, race, "nonce", 401);

        let code = node.handoff(&signed_in.access).await;
        let won = runners
            .run_at_blue(|client| taking_over(client, &code))
            .await;
        winner(&won, race, "handoff code", 400);
    }
    let took = begun.elapsed();
    println!("{races} races of {RUNNERS} for each of four at two gateways in {took:?}");
}

/// The tokens of the only one who has won; the others heard no.
fn winner(answers: &[Answer], race: usize, what: &str, no: u16) -> Pair {
    let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert_eq!(won.len(), 1, "race {race} for a {what}");
    for answer in lost {
        assert_eq!(
            answer.status,
            no,
            "race {race} for a {what}: {}",
            answer.text()
        );
    }
    Pair::of(won[0])
}
