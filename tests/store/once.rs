//! What can be used once, on every engine.

use tollgate::store::{Addition, OneTimeKind, Redeemed};
use tollgate::token::Digest;

use crate::bed::{Bed, account_id, at, at_once, code, session};

#[tokio::test]
async fn a_code_is_good_until_it_is_used_and_known_afterwards() {
    for bed in Bed::each() {
        let store = bed.open().await;
        let code = code("c");
        let _ = store.keep_once(code.clone()).await.unwrap();
        let look = || store.one_time(OneTimeKind::Code, code.digest);
        let found = look().await.unwrap().unwrap();
        assert_eq!(format!("{found:?}"), format!("{code:?}"));
        let opens = session(None);
        let redeem = |now, opens| store.redeem(OneTimeKind::Code, code.digest, at(now), opens);
        let first = redeem(59, Some(opens.clone())).await.unwrap();
        assert!(matches!(first, Redeemed::First(thing) if thing.payload == code.payload));
        assert!(look().await.unwrap().is_none(), "it is spent");
        assert!(store.session(opens.id).await.unwrap().is_some());
        for now in [59, 60, 99] {
            let second = session(None);
            let again = redeem(now, Some(second.clone())).await.unwrap();
            assert!(matches!(again, Redeemed::Again(Some(id)) if id == opens.id));
            assert!(store.session(second.id).await.unwrap().is_none());
        }
    }
}

#[tokio::test]
async fn what_nobody_kept_or_what_is_too_old_is_unknown() {
    for bed in Bed::each() {
        let store = bed.open().await;
        let _ = store.keep_once(code("c")).await.unwrap();
        let opens = session(None);
        for (kind, text, now) in [
            (OneTimeKind::Code, "other", 20),
            (OneTimeKind::Handoff, "c", 20),
            (OneTimeKind::Code, "c", 60),
        ] {
            let digest = Digest::of(text.as_bytes());
            let redeeming = store.redeem(kind, digest, at(now), Some(opens.clone()));
            let outcome = redeeming.await.unwrap();
            assert!(matches!(outcome, Redeemed::Unknown), "{text} at {now}");
        }
        assert!(store.session(opens.id).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn of_many_who_redeem_one_code_exactly_one_is_first_and_the_others_learn_its_session() {
    for bed in Bed::each() {
        let (here, beside) = (bed.open().await, bed.open().await);
        for round in 0..10 {
            let code = code(&format!("c{round}"));
            let digest = code.digest;
            let _ = here.keep_once(code).await.unwrap();
            let racers = (0..50).map(|n| {
                let store = if n % 2 == 0 { &here } else { &beside }.clone();
                async move {
                    let opens = session(None);
                    let id = opens.id;
                    let redeeming = store.redeem(OneTimeKind::Code, digest, at(20), Some(opens));
                    (id, redeeming.await.unwrap())
                }
            });
            let outcomes = at_once(racers).await;
            let winners: Vec<_> = outcomes
                .iter()
                .filter(|(_, outcome)| matches!(outcome, Redeemed::First(_)))
                .map(|(id, _)| *id)
                .collect();
            let [winner] = winners[..] else {
                panic!("{} were first", winners.len());
            };
            for (id, outcome) in outcomes.into_iter().filter(|(id, _)| *id != winner) {
                assert!(matches!(outcome, Redeemed::Again(Some(of)) if of == winner));
                assert!(here.session(id).await.unwrap().is_none());
            }
            assert!(here.session(winner).await.unwrap().is_some());
        }
    }
}

#[tokio::test]
async fn a_session_that_cannot_be_opened_leaves_the_code_unspent() {
    for bed in Bed::each() {
        let store = bed.open().await;
        let code = code("c");
        let _ = store.keep_once(code.clone()).await.unwrap();
        let taken = session(Some(account_id()));
        store.add_session(taken.clone()).await.unwrap();
        let redeeming = store.redeem(OneTimeKind::Code, code.digest, at(20), Some(taken));
        redeeming.await.unwrap_err();
        let found = store.one_time(OneTimeKind::Code, code.digest).await;
        assert!(found.unwrap().is_some(), "wholly or not at all");
    }
}

#[tokio::test]
async fn a_code_may_open_no_session_and_an_exclusive_one_supersedes() {
    for bed in Bed::each() {
        let store = bed.open().await;
        let _ = store.keep_once(code("c")).await.unwrap();
        let redeem = |text: &str, opens| {
            let digest = Digest::of(text.as_bytes());
            store.redeem(OneTimeKind::Code, digest, at(20), opens)
        };
        let first = redeem("c", None).await.unwrap();
        assert!(matches!(first, Redeemed::First(_)));
        let again = redeem("c", None).await.unwrap();
        assert!(matches!(again, Redeemed::Again(None)));

        let mut old = session(Some(account_id()));
        old.exclusive = true;
        store.add_session(old.clone()).await.unwrap();
        let _ = store.keep_once(code("d")).await.unwrap();
        let mut new = session(old.account);
        new.exclusive = true;
        let first = redeem("d", Some(new)).await.unwrap();
        assert!(matches!(first, Redeemed::First(_)));
        let old = store.session(old.id).await.unwrap().unwrap();
        assert!(old.ended.is_some());
    }
}

#[tokio::test]
async fn of_many_who_show_one_proof_exactly_one_is_first() {
    for bed in Bed::each() {
        let (here, beside) = (bed.open().await, bed.open().await);
        let racers = (0..50).map(|n| {
            let store = if n % 2 == 0 { &here } else { &beside }.clone();
            let mut proof = code("proof");
            proof.kind = OneTimeKind::Nonce;
            async move { store.keep_once(proof).await.unwrap() }
        });
        let added = at_once(racers).await;
        let firsts = added.iter().filter(|added| **added == Addition::Added);
        assert_eq!(firsts.count(), 1);
        let mut another = code("proof");
        another.kind = OneTimeKind::Assertion;
        assert_eq!(here.keep_once(another).await.unwrap(), Addition::Added);
    }
}
