//! Clients, on every engine.

use tollgate::store::{AccountId, Addition, FormerSecret, Status};
use tollgate::token::{Digest, Scope, Timestamp};

use crate::bed::{Bed, client};

#[tokio::test]
async fn a_client_has_two_live_secrets_while_they_are_exchanged() {
    for bed in Bed::each() {
        let store = bed.open().await;
        let _ = store.add_client(client("shop")).await.unwrap();
        assert_eq!(
            store.add_client(client("shop")).await.unwrap(),
            Addition::NameTaken
        );
        let old = client("shop").secret;
        let former = FormerSecret {
            digest: old.unwrap(),
            until: Timestamp::from_seconds(99),
        };
        let new = Digest::of(b"new");
        assert!(store.set_client_secret("shop", new, former).await.unwrap());
        assert!(
            !store
                .set_client_secret("shop", Digest::of(b"late"), former)
                .await
                .unwrap()
        );
        let found = store.client("shop").await.unwrap().unwrap();
        assert_eq!((found.secret, found.former), (Some(new), Some(former)));

        assert!(
            store
                .set_client_status("shop", Status::Disabled)
                .await
                .unwrap()
        );
        assert_eq!(store.clients().await.unwrap()[0].status, Status::Disabled);
        assert!(store.remove_client("shop").await.unwrap());
        assert!(!store.remove_client("shop").await.unwrap());
    }
}

#[tokio::test]
async fn a_client_without_a_secret_keeps_where_people_may_be_sent() {
    for bed in Bed::each() {
        let store = bed.open().await;
        let mut public = client("app");
        public.secret = None;
        public.redirect_uris = vec![
            "https://app.example/back".to_owned(),
            "app:/back?x=1".to_owned(),
        ];
        public.title = Some("The App".to_owned());
        public.registered_at = Some("blue".to_owned());
        let _ = store.add_client(public.clone()).await.unwrap();
        let found = store.client("app").await.unwrap().unwrap();
        assert_eq!(format!("{found:?}"), format!("{public:?}"));
    }
}

/// Z03
#[tokio::test]
async fn z03_of_those_who_registered_themselves_the_unused_make_room() {
    for bed in Bed::each() {
        let store = bed.open().await;
        let at = |seconds| Timestamp::from_seconds(seconds);
        for (name, realm, made) in [
            ("old", Some("blue"), 1),
            ("agreed", Some("blue"), 1),
            ("new", Some("blue"), 5),
            ("elsewhere", Some("red"), 1),
            ("shop", None, 1),
        ] {
            let mut client = client(name);
            client.registered_at = realm.map(str::to_owned);
            client.created_at = at(made);
            let _ = store.add_client(client).await.unwrap();
        }
        // What people elsewhere agreed to is not what they agreed to here.
        for (realm, name) in [("blue", "agreed"), ("red", "old")] {
            let account = AccountId::from_bytes([7; 16]);
            let kept = store.keep_consent(realm, account, name, Scope::empty(), at(2));
            kept.await.unwrap();
        }
        assert_eq!(store.registered_clients("blue").await.unwrap(), 3);
        assert_eq!(store.remove_unused_clients("blue", at(5)).await.unwrap(), 1);
        assert_eq!(store.registered_clients("blue").await.unwrap(), 2);
        let left = store.clients().await.unwrap();
        let left: Vec<_> = left.iter().map(|client| client.name.as_str()).collect();
        assert_eq!(left, ["agreed", "elsewhere", "new", "shop"]);
    }
}
