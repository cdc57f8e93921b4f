//! Clients, on every engine.

use tollgate::store::{Addition, FormerSecret, Status};
use tollgate::token::{Digest, Timestamp};

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
