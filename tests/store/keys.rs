//! Signing keys, on every engine.

use std::collections::BTreeSet;
use std::sync::Arc;

use tollgate::store::{KeyState, StoredKey};

use crate::bed::{Bed, at, at_once, key};

#[tokio::test]
async fn processes_that_start_together_agree_on_one_key() {
    for bed in Bed::each() {
        let bed = Arc::new(bed);
        let starts = (0..6).map(|n| {
            let bed = Arc::clone(&bed);
            async move {
                let store = bed.open().await;
                let key = key("hub", &format!("k{n}"));
                store.add_key(key).await.unwrap().kid
            }
        });
        let winners: BTreeSet<_> = at_once(starts).await.into_iter().collect();
        assert_eq!(winners.len(), 1, "{winners:?}");
        let store = bed.open().await;
        assert_eq!(store.keys("hub").await.unwrap().len(), 1);
        let other = StoredKey {
            algorithm: "ES256".into(),
            ..key("hub", "es")
        };
        assert_eq!(
            store.add_key(other).await.unwrap().kid,
            "es",
            "another algorithm is another key"
        );
    }
}

#[tokio::test]
async fn a_key_goes_from_pending_to_active_to_retiring_and_never_back() {
    for bed in Bed::each() {
        let store = bed.open().await;
        store.add_key(key("hub", "old")).await.unwrap();
        let next = StoredKey {
            state: KeyState::Pending,
            ..key("hub", "next")
        };
        assert_eq!(store.add_key(next.clone()).await.unwrap(), next);
        let other = StoredKey {
            kid: "other".to_owned(),
            ..next
        };
        let there = store.add_key(other).await.unwrap();
        assert_eq!(there.kid, "next", "two that rotate at once agree");

        assert!(
            store
                .move_key("next", KeyState::Active, at(50))
                .await
                .unwrap()
        );
        let states: Vec<_> = store
            .keys("hub")
            .await
            .unwrap()
            .into_iter()
            .map(|key| (key.kid, key.state, key.since))
            .collect();
        assert_eq!(
            states,
            [
                ("next".to_owned(), KeyState::Active, at(50)),
                ("old".to_owned(), KeyState::Retiring, at(50))
            ]
        );
        for (kid, to) in [
            ("old", KeyState::Active),
            ("old", KeyState::Retiring),
            ("next", KeyState::Active),
            ("next", KeyState::Pending),
            ("nobody", KeyState::Revoked),
        ] {
            assert!(
                !store.move_key(kid, to, at(60)).await.unwrap(),
                "{kid} {to:?}"
            );
        }
        assert!(
            !store.remove_key("next").await.unwrap(),
            "a key that signs stays"
        );
        assert!(
            store
                .move_key("next", KeyState::Revoked, at(70))
                .await
                .unwrap()
        );
        assert!(store.remove_key("next").await.unwrap());
        assert!(store.remove_key("old").await.unwrap());
        assert!(store.keys("hub").await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_key_of_another_realm_or_algorithm_signs_on_when_one_becomes_active() {
    for bed in Bed::each() {
        let store = bed.open().await;
        let es = StoredKey {
            algorithm: "ES256".to_owned(),
            ..key("hub", "es")
        };
        for key in [key("hub", "old"), key("blue", "blue"), es] {
            store.add_key(key).await.unwrap();
        }
        let next = StoredKey {
            state: KeyState::Pending,
            ..key("hub", "next")
        };
        store.add_key(next).await.unwrap();
        assert!(
            store
                .move_key("next", KeyState::Active, at(50))
                .await
                .unwrap()
        );
        let state = async |realm, kid: &str| {
            let keys = store.keys(realm).await.unwrap();
            keys.into_iter().find(|key| key.kid == kid).unwrap().state
        };
        assert_eq!(state("hub", "old").await, KeyState::Retiring);
        assert_eq!(state("hub", "es").await, KeyState::Active);
        assert_eq!(state("blue", "blue").await, KeyState::Active);
    }
}
