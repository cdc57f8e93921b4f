//! Accounts, on every engine.

use std::collections::BTreeSet;

use tollgate::store::{AccountId, Addition, Status, StoreError};
use tollgate::token::{Scope, Secret};

use crate::bed::{Bed, account, start};

#[tokio::test]
async fn names_are_compared_byte_for_byte_and_only_within_their_realm() {
    for bed in Bed::each() {
        let store = bed.open().await;
        for (realm, name) in [
            ("hub", "ada"),
            ("hub", "Ada"),
            ("hub", " ada"),
            ("blue", "ada"),
        ] {
            let added = store.add_account(account(realm, name)).await.unwrap();
            assert_eq!(added, Addition::Added, "{realm} {name:?}");
        }
        assert!(store.account_by_name("hub", "ADA").await.unwrap().is_none());
        let names: Vec<_> = store
            .accounts("hub")
            .await
            .unwrap()
            .into_iter()
            .map(|a| a.name)
            .collect();
        assert_eq!(names, [" ada", "Ada", "ada"]);
        let key = store
            .account_by_name("blue", "ada")
            .await
            .unwrap()
            .unwrap()
            .key;
        assert!(
            store.account_by_key("hub", &key).await.unwrap().is_none(),
            "a key of another realm"
        );
    }
}

#[tokio::test]
async fn of_many_who_want_one_name_exactly_one_gets_it() {
    for bed in Bed::each() {
        let (here, beside) = (bed.open().await, bed.open().await);
        let racers: Vec<_> = (0..40)
            .map(|n| {
                let store = if n % 2 == 0 {
                    here.clone()
                } else {
                    beside.clone()
                };
                start(async move { store.add_account(account("hub", "ada")).await.unwrap() })
            })
            .collect();
        let mut added = 0;
        for racer in racers {
            added += u32::from(racer.await.unwrap() == Addition::Added);
        }
        assert_eq!(added, 1);
        assert_eq!(here.accounts("hub").await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_generation_is_counted_once_for_each_who_bumps_it() {
    for bed in Bed::each() {
        let store = bed.open().await;
        let ada = account("hub", "ada");
        let _ = store.add_account(ada.clone()).await.unwrap();
        let bumps: Vec<_> = (0..50)
            .map(|_| {
                let store = store.clone();
                start(async move { store.bump_generation(ada.id).await.unwrap().unwrap() })
            })
            .collect();
        let mut seen = BTreeSet::new();
        for bump in bumps {
            seen.insert(bump.await.unwrap());
        }
        assert_eq!(seen, (1..=50).collect());
        assert_eq!(
            store
                .bump_generation(AccountId::from_bytes([9; 16]))
                .await
                .unwrap(),
            None
        );
    }
}

#[tokio::test]
async fn an_account_changes_as_it_was_told() {
    for bed in Bed::each() {
        let store = bed.open().await;
        let ada = account("hub", "ada");
        let _ = store.add_account(ada.clone()).await.unwrap();
        let scope = Scope::parse("read write").unwrap();
        assert!(store.set_scope(ada.id, scope.clone()).await.unwrap());
        assert!(
            store
                .set_account_status(ada.id, Status::Disabled)
                .await
                .unwrap()
        );
        assert!(
            store
                .rehash_password(ada.id, ada.password.clone(), Secret::new("better"))
                .await
                .unwrap()
        );
        assert!(
            !store
                .rehash_password(ada.id, ada.password.clone(), Secret::new("late"))
                .await
                .unwrap()
        );
        let found = store.account_by_name("hub", "ada").await.unwrap().unwrap();
        assert_eq!((found.scope, found.status), (scope, Status::Disabled));
        assert_eq!((found.password.reveal(), found.generation), ("better", 0));

        assert!(
            store
                .set_password(ada.id, Secret::new("new"))
                .await
                .unwrap()
        );
        let found = store.account_by_name("hub", "ada").await.unwrap().unwrap();
        assert_eq!(
            (found.password.reveal(), found.generation),
            ("new", 1),
            "and refresh tokens are void"
        );
        let nobody = AccountId::from_bytes([9; 16]);
        assert!(!store.set_scope(nobody, Scope::empty()).await.unwrap());
    }
}

#[tokio::test]
async fn an_account_is_found_by_its_identity_and_by_its_address_in_its_realm() {
    for bed in Bed::each() {
        let store = bed.open().await;
        let mut ada = account("hub", "ada");
        ada.email = Some("ada@example.com".to_owned());
        ada.title = Some("Ada".to_owned());
        ada.owner = Some(account("hub", "owner").id);
        let _ = store.add_account(ada.clone()).await.unwrap();
        let found = store.account(ada.id).await.unwrap().unwrap();
        assert_eq!(format!("{found:?}"), format!("{ada:?}"));
        let found = store.account_by_email("hub", "ada@example.com").await;
        assert_eq!(found.unwrap().unwrap().id, ada.id);
        for (realm, email) in [("blue", "ada@example.com"), ("hub", "Ada@example.com")] {
            let found = store.account_by_email(realm, email).await.unwrap();
            assert!(found.is_none(), "{realm} {email}");
        }
        let mut bob = account("hub", "bob");
        bob.email = ada.email;
        assert_eq!(
            store.add_account(bob).await.unwrap(),
            Addition::NameTaken,
            "an address belongs to one account"
        );
    }
}

#[tokio::test]
async fn a_second_factor_and_a_forced_reset_come_and_go() {
    for bed in Bed::each() {
        let store = bed.open().await;
        let ada = account("hub", "ada");
        let _ = store.add_account(ada.clone()).await.unwrap();
        assert!(store.set_totp(ada.id, Some(vec![7, 0, 7])).await.unwrap());
        assert!(store.set_must_reset(ada.id, true).await.unwrap());
        let found = store.account(ada.id).await.unwrap().unwrap();
        assert_eq!((found.totp, found.must_reset), (Some(vec![7, 0, 7]), true));
        assert!(store.set_totp(ada.id, None).await.unwrap());
        assert!(store.set_must_reset(ada.id, false).await.unwrap());
        let found = store.account(ada.id).await.unwrap().unwrap();
        assert_eq!((found.totp, found.must_reset), (None, false));
        assert!(store.set_must_reset(ada.id, true).await.unwrap());
        assert!(store.set_password(ada.id, Secret::new("x")).await.unwrap());
        let found = store.account(ada.id).await.unwrap().unwrap();
        assert!(!found.must_reset, "another password is what was asked for");
        let nobody = AccountId::from_bytes([9; 16]);
        assert!(!store.set_totp(nobody, None).await.unwrap());
    }
}

#[tokio::test]
async fn many_accounts_are_added_together_or_not_at_all() {
    for bed in Bed::each() {
        let store = bed.open().await;
        let many = |names: &[&str]| names.iter().map(|name| account("hub", name)).collect();
        store.add_accounts(many(&["ada", "bob"])).await.unwrap();
        let refused = store
            .add_accounts(many(&["cleo", "dan", "ada", "eve"]))
            .await;
        assert!(matches!(refused, Err(StoreError::Taken(2))), "{refused:?}");
        let twice = store.add_accounts(many(&["cleo", "cleo"])).await;
        assert!(matches!(twice, Err(StoreError::Taken(1))), "{twice:?}");
        assert_eq!(store.accounts("hub").await.unwrap().len(), 2);
    }
}

#[tokio::test]
async fn passwords_from_elsewhere_are_found_among_our_own() {
    for bed in Bed::each() {
        let store = bed.open().await;
        let kinds = ["$argon2id$v=19$m=64", "$2b$12$x", "", "pbkdf2_sha256$1$x"];
        for (name, password) in ["a", "b", "c", "d"].into_iter().zip(kinds) {
            let mut account = account("hub", name);
            account.password = Secret::new(password);
            assert_eq!(store.add_account(account).await.unwrap(), Addition::Added);
        }
        let found = store.foreign_passwords(10).await.unwrap();
        let found: BTreeSet<_> = found.iter().map(Secret::reveal).collect();
        assert_eq!(found, BTreeSet::from([kinds[1], kinds[3]]));
        assert_eq!(store.foreign_passwords(1).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn text_with_a_nul_is_never_kept_and_never_found() {
    for bed in Bed::each() {
        let store = bed.open().await;
        let refused = store.add_account(account("hub", "a\0da")).await;
        assert!(matches!(refused, Err(StoreError::Nul)), "{refused:?}");
        let found = store.account_by_name("hub", "a\0da").await.unwrap();
        assert!(found.is_none());
    }
}
