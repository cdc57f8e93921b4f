//! Sessions, on every engine.

use tollgate::store::{Ended, Ending, Revoked, Session, Turn, Whose};
use tollgate::token::Digest;

use crate::bed::{Bed, REALM, account_id, at, at_once, open_all, session, session_id, verdict};

#[tokio::test]
async fn a_session_is_kept_as_it_was_opened() {
    for bed in Bed::each() {
        let store = bed.open().await;
        let mut plain = session(None);
        plain.idle_end = tollgate::token::Timestamp::from_millis(i64::MAX);
        let mut full = session(Some(account_id()));
        full.root = plain.id;
        full.digest = Some(Digest::of(b"token"));
        full.exclusive = true;
        full.seen = u32::MAX;
        for session in [plain, full] {
            store.add_session(session.clone()).await.unwrap();
            let found = store.session(session.id).await.unwrap().unwrap();
            assert_eq!(format!("{found:?}"), format!("{session:?}"));
        }
        assert!(store.session(session_id()).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn of_many_who_renew_one_generation_exactly_one_does() {
    for bed in Bed::each() {
        let (here, beside) = (bed.open().await, bed.open().await);
        let opened = session(None);
        here.add_session(opened.clone()).await.unwrap();
        for generation in 0..5 {
            let racers = (0..50).map(|n| {
                let store = if n % 2 == 0 { &here } else { &beside }.clone();
                let turn = turn(&opened, generation);
                async move { store.rotate_session(turn).await.unwrap() }
            });
            let won = at_once(racers).await;
            assert_eq!(won.iter().filter(|won| **won).count(), 1);
        }
        let found = here.session(opened.id).await.unwrap().unwrap();
        assert_eq!(found.generation, 5);
    }
}

#[tokio::test]
async fn a_renewal_moves_the_idle_end_and_the_live_token() {
    for bed in Bed::each() {
        let store = bed.open().await;
        let mut opened = session(None);
        opened.digest = Some(Digest::of(b"first"));
        store.add_session(opened.clone()).await.unwrap();
        let turn = Turn {
            idle_end: at(150),
            digest: Some(Digest::of(b"second")),
            ..turn(&opened, 0)
        };
        assert!(store.rotate_session(turn).await.unwrap());
        let found = store.session(opened.id).await.unwrap().unwrap();
        assert_eq!((found.renewed_at, found.idle_end), (at(50), at(150)));
        let by = async |token: &[u8]| {
            let found = store.session_by_digest(REALM, Digest::of(token)).await;
            found.unwrap().map(|session| session.generation)
        };
        assert_eq!((by(b"first").await, by(b"second").await), (None, Some(1)));
        let elsewhere = store.session_by_digest("blue", Digest::of(b"second")).await;
        assert!(elsewhere.unwrap().is_none());
    }
}

#[tokio::test]
async fn what_is_over_is_not_renewed() {
    for bed in Bed::each() {
        let store = bed.open().await;
        for (now, renewed) in [(99, true), (100, false), (101, false)] {
            let opened = session(None);
            store.add_session(opened.clone()).await.unwrap();
            let turn = Turn {
                now: at(now),
                ..turn(&opened, 0)
            };
            let outcome = store.rotate_session(turn).await.unwrap();
            assert_eq!(outcome, renewed, "idle until 100, at {now}");
        }
        let mut opened = session(None);
        opened.idle_end = at(2000);
        store.add_session(opened.clone()).await.unwrap();
        let turn = Turn {
            now: at(1000),
            ..turn(&opened, 0)
        };
        assert!(!store.rotate_session(turn).await.unwrap(), "absolute end");
        assert!(!store.rotate_session(turn_of_nobody()).await.unwrap());
    }
}

#[tokio::test]
async fn a_generation_seen_is_never_forgotten_for_an_older_one() {
    for bed in Bed::each() {
        let store = bed.open().await;
        let opened = session(None);
        store.add_session(opened.clone()).await.unwrap();
        for (note, seen) in [(3, 3), (2, 3), (4, 4)] {
            let notes = vec![(opened.id, note), (session_id(), 9)];
            store.note_seen(notes).await.unwrap();
            let found = store.session(opened.id).await.unwrap().unwrap();
            assert_eq!(found.seen, seen);
        }
    }
}

#[tokio::test]
async fn a_session_ends_with_all_that_continue_it_and_the_verdict_is_spoken_once() {
    for bed in Bed::each() {
        let store = bed.open().await;
        let root = session(Some(account_id()));
        let mut continued = session(root.account);
        continued.root = root.id;
        continued.digest = Some(Digest::of(b"token"));
        let bystander = session(root.account);
        for session in [&root, &continued, &bystander] {
            store.add_session(session.clone()).await.unwrap();
        }
        let spoken = verdict(Revoked::Session(root.id));
        let end = |why| store.end_session(root.id, ended(why), Some(spoken.clone()));
        assert!(end(Ending::Replayed).await.unwrap());
        assert!(!end(Ending::Revoked).await.unwrap(), "it is over");
        for session in [&root, &continued] {
            let found = store.session(session.id).await.unwrap().unwrap();
            assert_eq!(found.ended, Some(ended(Ending::Replayed)));
            assert!(!store.rotate_session(turn(session, 0)).await.unwrap());
        }
        let found = store.session_by_digest(REALM, Digest::of(b"token")).await;
        assert!(found.unwrap().is_none());
        let found = store.session(bystander.id).await.unwrap().unwrap();
        assert_eq!(found.ended, None);
        let verdicts = store.revocations_since(0).await.unwrap();
        assert_eq!(verdicts.len(), 1);
        assert_eq!(verdicts[0].1, spoken);
    }
}

#[tokio::test]
async fn an_exclusive_session_supersedes_its_like_and_nobody_else() {
    for bed in Bed::each() {
        let store = bed.open().await;
        let ada = Some(account_id());
        let exclusive = |account, client: &str| Session {
            exclusive: true,
            client: client.to_owned(),
            ..session(account)
        };
        let first = exclusive(ada, "shop");
        let others = [
            exclusive(ada, "desk"),
            exclusive(Some(account_id()), "shop"),
            session(ada),
        ];
        for session in others.iter().chain([&first]) {
            store.add_session(session.clone()).await.unwrap();
        }
        let second = exclusive(ada, "shop");
        store.add_session(second.clone()).await.unwrap();
        let found = store.session(first.id).await.unwrap().unwrap();
        let superseded = Ended {
            at: second.created_at,
            why: Ending::Superseded,
        };
        assert_eq!(found.ended, Some(superseded));
        for session in others.iter().chain([&second]) {
            let found = store.session(session.id).await.unwrap().unwrap();
            assert_eq!(found.ended, None);
        }
        // Its access tokens live, so whoever ends it for good must be able to.
        let verdict = verdict(Revoked::Session(first.id));
        let end = store.end_session(first.id, ended(Ending::Revoked), Some(verdict));
        assert!(end.await.unwrap());
        assert_eq!(store.revocations_since(0).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn of_exclusive_sessions_opened_at_once_one_lives() {
    for bed in Bed::each() {
        let (here, beside) = (bed.open().await, bed.open().await);
        let ada = account_id();
        let racers = (0..30).map(|n| {
            let store = if n % 2 == 0 { &here } else { &beside }.clone();
            let mut session = session(Some(ada));
            session.exclusive = true;
            async move { store.add_session(session).await.unwrap() }
        });
        at_once(racers).await;
        let live = here.sessions(REALM, Some(ada)).await.unwrap();
        assert_eq!(live.len(), 1);
    }
}

#[tokio::test]
async fn all_sessions_of_an_account_or_a_client_end_together() {
    for bed in Bed::each() {
        let store = bed.open().await;
        let (ada, bob) = (account_id(), account_id());
        let mut elsewhere = session(Some(ada));
        elsewhere.realm = "blue".to_owned();
        let mut desk = session(Some(ada));
        desk.client = "desk".to_owned();
        for session in [session(Some(ada)), desk, session(Some(bob)), elsewhere] {
            store.add_session(session).await.unwrap();
        }
        let end = async |whose, verdict| {
            let ending = store.end_sessions(REALM, whose, ended(Ending::Account), verdict);
            ending.await.unwrap()
        };
        let spoken = verdict(Revoked::Subject("ada".to_owned()));
        assert_eq!(end(Whose::Account(ada), Some(spoken)).await, 2);
        assert_eq!(end(Whose::Account(ada), None).await, 0);
        assert_eq!(store.sessions("blue", Some(ada)).await.unwrap().len(), 1);
        assert_eq!(end(Whose::Client("shop"), None).await, 1);
        assert!(store.sessions(REALM, None).await.unwrap().is_empty());
        let spoken = verdict(Revoked::Client("shop".to_owned()));
        assert_eq!(end(Whose::Client("shop"), Some(spoken)).await, 0);
        let verdicts = store.revocations_since(0).await.unwrap();
        assert_eq!(verdicts.len(), 2, "spoken whether or not there were any");
    }
}

#[tokio::test]
async fn sessions_are_listed_newest_first_and_never_more_than_a_thousand() {
    for bed in Bed::each() {
        let store = bed.open().await;
        let ada = account_id();
        let sessions = (0..1005).map(|n| Session {
            created_at: at(n),
            ..session(Some(ada))
        });
        open_all(&store, sessions).await;
        for account in [None, Some(ada)] {
            let listed = store.sessions(REALM, account).await.unwrap();
            assert_eq!(listed.len(), 1000);
            assert_eq!(listed[0].created_at, at(1004));
            assert!(listed.is_sorted_by_key(|session| -session.created_at.millis()));
        }
        assert!(store.sessions("blue", None).await.unwrap().is_empty());
    }
}

fn turn(session: &Session, from: u32) -> Turn {
    Turn {
        id: session.id,
        from,
        now: at(50),
        idle_end: at(100),
        digest: None,
    }
}

fn turn_of_nobody() -> Turn {
    turn(&session(None), 0)
}

fn ended(why: Ending) -> Ended {
    Ended { at: at(30), why }
}
