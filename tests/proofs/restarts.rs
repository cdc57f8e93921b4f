//! A server that stops at once under load, as if its machine had, loses nothing it has acknowledged.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tollgate::store::{Revoked, SessionId, Store, StoreSettings, Turn};

use crate::bed::{at, session, start, verdict};
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
    verdicts: Mutex<Vec<String>>,
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

async fn one_life(store: &Store, kept: &Kept) -> Result<(), tollgate::store::StoreError> {
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
    store
        .revoke(verdict(Revoked::Token(id.to_string())))
        .await?;
    kept.verdicts.lock().unwrap().push(id.to_string());
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
        let mut spoken = Vec::new();
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
        for jti in verdicts {
            let of = Revoked::Token(jti);
            assert!(spoken.contains(&of), "{of:?} is lost");
        }
    }
}
