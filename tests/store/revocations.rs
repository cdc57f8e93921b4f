//! Verdicts and consents, on every engine.

use tollgate::store::Revoked;

use crate::bed::{Bed, account_id, at, at_once, scope, session_id, verdict};

#[tokio::test]
async fn verdicts_are_read_in_the_order_they_were_spoken() {
    for bed in Bed::each() {
        let store = bed.open().await;
        let spoken = [
            Revoked::Session(session_id()),
            Revoked::Subject("ada".to_owned()),
            Revoked::Client("shop".to_owned()),
            Revoked::Key("k1".to_owned()),
            Revoked::Token("jti".to_owned()),
        ]
        .map(verdict);
        for verdict in &spoken {
            store.revoke(verdict.clone()).await.unwrap();
        }
        let read = store.revocations_since(0).await.unwrap();
        assert!(read.iter().map(|(_, verdict)| verdict).eq(&spoken));
        assert!(read.is_sorted_by_key(|(seq, _)| *seq));
        let rest = store.revocations_since(read[2].0).await.unwrap();
        assert_eq!(rest, read[3..]);
        let none = store.revocations_since(read[4].0).await.unwrap();
        assert!(none.is_empty());
    }
}

#[tokio::test]
async fn whoever_has_seen_a_verdict_has_seen_all_before_it() {
    for bed in Bed::each() {
        let (here, beside) = (bed.open().await, bed.open().await);
        let speakers = (0..200).map(|n| {
            let store = if n % 2 == 0 { &here } else { &beside }.clone();
            async move {
                let of = Revoked::Token(format!("t{n}"));
                store.revoke(verdict(of)).await.unwrap();
            }
        });
        let reader = async {
            let (mut last, mut count) = (0, 0);
            while count < 200 {
                let news = here.revocations_since(last).await.unwrap();
                count += news.len();
                last = news.last().map_or(last, |(seq, _)| *seq);
            }
            count
        };
        let (_, count) = tokio::join!(at_once(speakers), reader);
        assert_eq!(count, 200);
    }
}

#[tokio::test]
async fn verdicts_come_a_thousand_at_a_time_and_numbers_are_never_given_twice() {
    for bed in Bed::each() {
        let store = bed.open().await;
        let speakers = (0..503).map(|n| {
            let store = store.clone();
            async move {
                let of = Revoked::Token(format!("t{n}"));
                store.revoke(verdict(of)).await.unwrap();
            }
        });
        at_once(speakers).await;
        for n in 503..1003 {
            let of = Revoked::Token(format!("t{n}"));
            store.revoke(verdict(of)).await.unwrap();
        }
        let page = store.revocations_since(0).await.unwrap();
        assert_eq!(page.len(), 1000);
        let rest = store.revocations_since(page[999].0).await.unwrap();
        assert_eq!(rest.len(), 3);
        while store.sweep(at(600)).await.unwrap() > 0 {}
        let late = Revoked::Token("late".to_owned());
        store.revoke(verdict(late)).await.unwrap();
        let after = store.revocations_since(rest[2].0).await.unwrap();
        assert_eq!(after.len(), 1, "a reader that was far ahead misses nothing");
    }
}

#[tokio::test]
async fn consent_is_remembered_replaced_and_taken_back() {
    for bed in Bed::each() {
        let store = bed.open().await;
        let ada = account_id();
        let look = || store.consent("hub", ada, "shop");
        assert_eq!(look().await.unwrap(), None);
        for text in ["orders:read", "orders:read orders:write"] {
            let keeping = store.keep_consent("hub", ada, "shop", scope(text), at(1));
            keeping.await.unwrap();
            assert_eq!(look().await.unwrap(), Some(scope(text)));
        }
        let other = store.consent("blue", ada, "shop").await.unwrap();
        assert_eq!(other, None);
        assert!(store.remove_consent("hub", ada, "shop").await.unwrap());
        assert!(!store.remove_consent("hub", ada, "shop").await.unwrap());
        assert_eq!(look().await.unwrap(), None);
    }
}
