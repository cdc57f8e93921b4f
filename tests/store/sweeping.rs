//! Forgetting what is over, on every engine.

use tollgate::store::{Ended, Ending, OneTimeKind, Revoked, Turn, Whose};

use crate::bed::{Bed, account_id, at, code, open_all, session, verdict};

/// Dead sessions are kept for a day.
const DAY: i64 = 24 * 3600;

#[tokio::test]
async fn what_is_over_is_forgotten_and_what_is_not_stays() {
    for bed in Bed::each() {
        let store = bed.open().await;
        let _ = store.keep_once(code("c")).await.unwrap();
        let revoked = Revoked::Token("t".to_owned());
        store.revoke(verdict(revoked)).await.unwrap();
        assert_eq!(store.sweep(at(59)).await.unwrap(), 0);
        assert_eq!(store.sweep(at(60)).await.unwrap(), 1);
        let code = store.one_time(OneTimeKind::Code, code("c").digest).await;
        assert!(code.unwrap().is_none());
        assert_eq!(store.sweep(at(599)).await.unwrap(), 0);
        assert_eq!(store.sweep(at(600)).await.unwrap(), 1);
        assert!(store.revocations_since(0).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_session_goes_a_day_after_its_first_end() {
    for bed in Bed::each() {
        let store = bed.open().await;
        let idle = session(None);
        let mut over = session(None);
        over.idle_end = at(9000);
        let mut ended = session(None);
        ended.idle_end = at(9000);
        ended.absolute_end = at(9000);
        ended.ended = Some(Ended {
            at: at(50),
            why: Ending::Revoked,
        });
        let mut live = session(None);
        (live.idle_end, live.absolute_end) = (at(9000), at(9000));
        for session in [&idle, &over, &ended, &live] {
            store.add_session(session.clone()).await.unwrap();
        }
        for (session, end) in [(&ended, 50), (&idle, 100), (&over, 1000)] {
            assert_eq!(store.sweep(at(DAY + end - 1)).await.unwrap(), 0);
            assert!(store.session(session.id).await.unwrap().is_some());
            assert_eq!(store.sweep(at(DAY + end)).await.unwrap(), 1);
            assert!(store.session(session.id).await.unwrap().is_none());
        }
        assert!(store.session(live.id).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn a_session_that_was_renewed_is_put_off_once_and_goes_at_its_new_end() {
    for bed in Bed::each() {
        let store = bed.open().await;
        let session = session(None);
        store.add_session(session.clone()).await.unwrap();
        let mut idle_end = at(100);
        for (from, seconds) in [(0, 150), (1, 160), (2, 200)] {
            idle_end = at(seconds);
            let turn = Turn {
                id: session.id,
                from,
                now: at(99),
                idle_end,
                digest: None,
            };
            assert!(store.rotate_session(turn).await.unwrap());
        }
        assert_eq!(store.sweep(at(DAY + 99)).await.unwrap(), 0);
        assert_eq!(store.sweep(at(DAY + 100)).await.unwrap(), 1, "put off");
        for seconds in [100, 150, 199] {
            assert_eq!(store.sweep(at(DAY + seconds)).await.unwrap(), 0);
        }
        let found = store.session(session.id).await.unwrap().unwrap();
        assert_eq!(found.idle_end, idle_end);
        assert_eq!(store.sweep(at(DAY + 200)).await.unwrap(), 1);
        assert!(store.session(session.id).await.unwrap().is_none());
        assert_eq!(store.sweep(at(DAY + 200)).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn a_session_that_was_ended_goes_a_day_later_whatever_it_was_due() {
    for bed in Bed::each() {
        let store = bed.open().await;
        let mut sessions: Vec<_> = (0..3).map(|_| session(Some(account_id()))).collect();
        for session in &mut sessions {
            (session.idle_end, session.absolute_end) = (at(9 * DAY), at(9 * DAY));
        }
        sessions[2].client = "desk".to_owned();
        open_all(&store, sessions.clone()).await;
        let ended = Ended {
            at: at(50),
            why: Ending::Revoked,
        };
        let by_name = store.end_session(sessions[0].id, ended, None).await;
        assert!(by_name.unwrap());
        let whose = Whose::Account(sessions[1].account.unwrap());
        for whose in [whose, Whose::Client("desk")] {
            let count = store.end_sessions("hub", whose, ended, None).await;
            assert_eq!(count.unwrap(), 1);
        }
        assert_eq!(store.sweep(at(DAY + 49)).await.unwrap(), 0);
        assert_eq!(store.sweep(at(DAY + 50)).await.unwrap(), 3);
    }
}

#[tokio::test]
async fn a_large_table_is_swept_a_stretch_at_a_time_and_wholly() {
    for bed in Bed::each() {
        let store = bed.open().await;
        let sessions = (0..2500).map(|n| {
            let mut session = session(None);
            if n % 2 == 0 {
                (session.idle_end, session.absolute_end) = (at(9 * DAY), at(9 * DAY));
            }
            session
        });
        open_all(&store, sessions).await;
        let mut gone = Vec::new();
        for _ in 0..3 {
            gone.push(store.sweep(at(2 * DAY)).await.unwrap());
        }
        assert_eq!(gone.iter().sum::<u64>(), 1250, "{gone:?}");
        assert!(gone.iter().all(|gone| *gone < 1001), "{gone:?}");
        let left = store.sessions("hub", None).await.unwrap();
        assert_eq!(left.len(), 1000);
    }
}
