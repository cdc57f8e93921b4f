//! How long access tokens live, and lived, on every engine.

use std::time::Duration;

use tollgate::token::Timestamp;

use crate::bed::{Bed, at};

const HOUR: i64 = 3600;

#[tokio::test]
async fn tokens_of_before_a_shorter_lifetime_are_reckoned_with_until_they_are_dead() {
    for bed in Bed::each() {
        let store = bed.open().await;
        let ask = async |hours: u64, now| {
            let access = Duration::from_hours(hours);
            store.former_end("hub", access, now).await.unwrap()
        };
        let keep = async |hours: u64, now| {
            let former_end = ask(hours, now).await;
            let access = Duration::from_hours(hours);
            let kept = store.keep_lifetime("hub", access, former_end);
            kept.await.unwrap();
            former_end
        };
        let none = Timestamp::from_millis(i64::MIN);
        assert_eq!(keep(10, at(0)).await, none);
        assert_eq!(keep(20, at(0)).await, none, "longer than before");
        // An hour more, in which another node may still issue as before.
        assert_eq!(keep(2, at(HOUR)).await, at(22 * HOUR));
        assert_eq!(keep(2, at(2 * HOUR)).await, at(22 * HOUR));
        assert_eq!(
            keep(1, at(3 * HOUR)).await,
            at(22 * HOUR),
            "that is earlier"
        );
        assert_eq!(keep(30, at(4 * HOUR)).await, at(22 * HOUR));
        assert_eq!(ask(1, at(5 * HOUR)).await, at(36 * HOUR));
        let elsewhere = store.former_end("blue", Duration::ZERO, at(0)).await;
        assert_eq!(elsewhere.unwrap(), none);
    }
}
