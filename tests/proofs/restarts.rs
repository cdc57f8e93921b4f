//! A server that stops at once under load, as if its machine had, loses nothing it has acknowledged.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tollgate::store::{
    Addition, OneTimeKind, Redeemed, Revoked, SessionId, Store, StoreError, StoreSettings, Turn,
};

use crate::bed::{at, code, ended, session, start, verdict};
use crate::postgres::Server;

#[tokio::test]
async fn three_restarts_of_the_server_lose_nothing() {
    survive(3).await;
}

#[tokio::test]
#[ignore = "takes minutes"]
async fn fifty_restarts_of_the_server_lose_nothing() {
    survive(50).await;
}

/// What has been acknowledged.
#[derive(Debug, Default)]
struct Kept {
    sessions: Mutex<BTreeMap<String, u32>>,
    verdicts: Mutex<Vec<Revoked>>,
    /// The sessions that were opened with a code, which is spent by this.
    redemptions: Mutex<Vec<SessionId>>,
    ends: Mutex<Vec<SessionId>>,
    count: AtomicUsize,
    stop: AtomicBool,
}

async fn survive(rounds: usize) {
    let server = Server::durable();
    let settings = StoreSettings::at(server.database());
    let store = Store::open(&settings, "".as_ref()).await.unwrap();
    let kept = Arc::new(Kept::default());
    let workers: Vec<_> = (0..16)
        .map(|_| start(work(store.clone(), Arc::clone(&kept))))
        .collect();
    for _ in 0..rounds {
        let goal = kept.count.load(Ordering::Relaxed) + 200;
        while kept.count.load(Ordering::Relaxed) < goal {
            tokio::task::yield_now().await;
        }
        server.crash();
    }
    kept.stop.store(true, Ordering::Relaxed);
    for worker in workers {
        worker.await.unwrap();
    }
    kept.check(&store).await;
    store.close().await;
}

/// Works until it is told to stop. What fails while the server is away is tried with another session.
async fn work(store: Store, kept: Arc<Kept>) {
    while !kept.stop.load(Ordering::Relaxed) {
        if one_life(&store, &kept).await.is_err() {
            tokio::task::yield_now().await;
        }
    }
}

async fn one_life(store: &Store, kept: &Kept) -> Result<(), StoreError> {
    let opened = session(None);
    let id = opened.id;
    store.add_session(opened).await?;
    kept.renewed(id, 0);
    for from in 0..3 {
        let turn = Turn {
            id,
            from,
            now: at(50),
            idle_end: at(100),
            digest: None,
        };
        assert!(store.rotate_session(turn).await?, "nobody else renews it");
        kept.renewed(id, from + 1);
    }
    let of = Revoked::Token(id.to_string());
    store.revoke(verdict(of.clone())).await?;
    kept.verdicts.lock().unwrap().push(of);
    by_a_code(store, kept).await
}

/// A session that is opened with a code and ended.
async fn by_a_code(store: &Store, kept: &Kept) -> Result<(), StoreError> {
    let opened = session(None);
    let id = opened.id;
    let code = code(&id.to_string());
    let added = store.keep_once(code.clone()).await?;
    assert_eq!(added, Addition::Added);
    let redeemed = store.redeem(OneTimeKind::Code, code.digest, at(50), Some(opened));
    let redeemed = redeemed.await?;
    assert!(matches!(redeemed, Redeemed::First(_)), "{redeemed:?}");
    kept.renewed(id, 0);
    kept.redemptions.lock().unwrap().push(id);
    let of = Revoked::Session(id);
    let spoken = verdict(of.clone());
    let is_first = store.end_session(id, ended(), Some(spoken)).await?;
    assert!(is_first, "nobody else ends it");
    kept.verdicts.lock().unwrap().push(of);
    kept.ends.lock().unwrap().push(id);
    Ok(())
}

impl Kept {
    fn renewed(&self, id: SessionId, generation: u32) {
        let mut sessions = self.sessions.lock().unwrap();
        sessions.insert(id.to_string(), generation);
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    async fn check(&self, store: &Store) {
        let sessions = self.sessions.lock().unwrap().clone();
        for (id, generation) in sessions {
            let id = SessionId::from_hex(&id).unwrap();
            let found = store.session(id).await.unwrap();
            assert!(found.is_some(), "session {id} is lost");
            let kept = found.unwrap().generation;
            assert!(kept >= generation, "a renewal of {id} is lost");
        }
        let ends = self.ends.lock().unwrap().clone();
        for id in ends {
            let found = store.session(id).await.unwrap();
            assert!(found.unwrap().ended.is_some(), "the end of {id} is lost");
        }
        let redemptions = self.redemptions.lock().unwrap().clone();
        for id in redemptions {
            let digest = code(&id.to_string()).digest;
            let again = store.redeem(OneTimeKind::Code, digest, at(50), None);
            let again = again.await.unwrap();
            assert!(
                matches!(again, Redeemed::Again(Some(by)) if by == id),
                "{id} is lost, its code says {again:?}"
            );
        }
        let mut spoken = HashSet::new();
        let mut last = 0;
        loop {
            let page = store.revocations_since(last).await.unwrap();
            let Some((seq, _)) = page.last() else {
                break;
            };
            last = *seq;
            spoken.extend(page.into_iter().map(|(_, verdict)| verdict.of));
        }
        let verdicts = self.verdicts.lock().unwrap().clone();
        for of in verdicts {
            assert!(spoken.contains(&of), "{of:?} is lost");
        }
    }
}
