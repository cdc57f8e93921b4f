//! A process that is killed under load loses nothing it has acknowledged: sessions, renewals, spent codes, the ends of
//! sessions, verdicts.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tollgate::store::{
    Addition, OneTimeKind, Redeemed, Revoked, Session, SessionId, Store, StoreSettings, Turn,
};

use crate::bed::{at, at_once, code, ended, session, verdict};

#[tokio::test]
async fn five_kills_lose_nothing() {
    survive(5).await;
}

#[tokio::test]
#[ignore = "takes minutes"]
async fn two_hundred_kills_lose_nothing() {
    survive(200).await;
}

/// One process after another works on the same file until it is killed. The file is asked for everything that any of
/// them has acknowledged; not after each of many, as what is lost stays lost.
async fn survive(rounds: usize) {
    let folder = tempfile::tempdir().unwrap();
    let mut kept = Kept::default();
    for round in 0..rounds {
        let before = kept.count();
        // Not always at the same point of a batch or a checkpoint.
        work_and_be_killed(folder.path(), 300 + round * 37 % 500, &mut kept);
        assert!(kept.count() >= before + 300, "round {round}");
        if round % 10 == 0 || round + 1 == rounds || rounds < 10 {
            kept.check(folder.path(), round).await;
        }
    }
}

/// Everything that was acknowledged.
#[derive(Debug, Default)]
struct Kept {
    /// The generation of each session.
    sessions: BTreeMap<String, u32>,
    verdicts: BTreeSet<String>,
    /// The sessions that have ended, each with a verdict on its tokens.
    ends: BTreeSet<String>,
    /// The sessions that were opened with a code, which is spent by this.
    redemptions: BTreeSet<String>,
}

impl Kept {
    fn count(&self) -> usize {
        let renewals: u32 = self.sessions.values().sum();
        let others = self.verdicts.len() + self.ends.len() + self.redemptions.len();
        self.sessions.len() + others + renewals as usize
    }

    fn read(&mut self, line: &str) {
        let words: Vec<_> = line.split(' ').collect();
        match words[..] {
            // A line of the test runner may stand before the first.
            [.., "opened", id] => assert!(self.sessions.insert(id.to_owned(), 0).is_none()),
            [.., "renewed", id, generation] => {
                *self.sessions.get_mut(id).unwrap() = generation.parse().unwrap();
            }
            [.., "revoked", jti] => assert!(self.verdicts.insert(jti.to_owned())),
            [.., "redeemed", id] => {
                assert!(self.redemptions.insert(id.to_owned()));
                assert!(self.sessions.insert(id.to_owned(), 0).is_none());
            }
            [.., "ended", id] => assert!(self.ends.insert(id.to_owned())),
            _ => {}
        }
    }

    async fn check(&self, folder: &Path, round: usize) {
        let store = open(folder).await;
        store.integrity().await.unwrap();
        for (id, generation) in &self.sessions {
            let id = SessionId::from_hex(id).unwrap();
            let found = store.session(id).await.unwrap();
            assert!(found.is_some(), "round {round}: session {id} is lost");
            let found = found.unwrap();
            assert!(
                found.generation >= *generation,
                "round {round}: renewal {generation} of {id} is lost"
            );
            assert!(
                found.ended.is_some() || !self.ends.contains(&id.to_string()),
                "round {round}: the end of {id} is lost"
            );
        }
        for id in &self.redemptions {
            let session = SessionId::from_hex(id).unwrap();
            let again = store.redeem(OneTimeKind::Code, code(id).digest, at(50), None);
            let again = again.await.unwrap();
            assert!(
                matches!(again, Redeemed::Again(Some(by)) if by == session),
                "round {round}: {id} is lost, its code says {again:?}"
            );
        }
        let mut missing: BTreeSet<String> = &self.verdicts | &self.ends;
        let mut last = 0;
        loop {
            let page = store.revocations_since(last).await.unwrap();
            let Some((seq, _)) = page.last() else {
                break;
            };
            last = *seq;
            for (_, verdict) in page {
                match verdict.of {
                    Revoked::Token(jti) => missing.remove(&jti),
                    Revoked::Session(id) => missing.remove(&id.to_string()),
                    _ => false,
                };
            }
        }
        assert!(missing.is_empty(), "round {round}: {missing:?} are lost");
        store.close().await;
    }
}

/// Starts this same program as a process that works on the store, kills it after so many acknowledgements, and reads
/// all that it has written.
fn work_and_be_killed(folder: &Path, acknowledgements: usize, kept: &mut Kept) {
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kills::work_until_killed", "--ignored"])
        .arg("--nocapture")
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).split(b'\n');
    let mut read = |line: io::Result<Vec<u8>>| kept.read(str::from_utf8(&line.unwrap()).unwrap());
    lines.by_ref().take(acknowledgements).for_each(&mut read);
    // SIGKILL. What is in the pipe by then was acknowledged, too; a line is short enough to be there wholly or not.
    process.kill().unwrap();
    lines.for_each(read);
    process.wait().unwrap();
}

/// Not a test: the process that is killed.
#[tokio::test]
#[ignore = "the other half of a proof"]
async fn work_until_killed() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else {
        return;
    };
    let store = open(&folder).await;
    at_once((0..16).map(|_| work(store.clone()))).await;
}

async fn work(store: Store) {
    loop {
        let opened = fresh();
        let id = opened.id;
        store.add_session(opened).await.unwrap();
        say(&format!("opened {id}"));
        for from in 0..3 {
            let turn = Turn {
                id,
                from,
                now: at(50),
                idle_end: at(100),
                digest: None,
            };
            assert!(store.rotate_session(turn).await.unwrap());
            say(&format!("renewed {id} {}", from + 1));
        }
        let of = Revoked::Token(id.to_string());
        store.revoke(verdict(of)).await.unwrap();
        say(&format!("revoked {id}"));
        by_a_code(&store).await;
    }
}

/// A session that is opened with a code and ended.
async fn by_a_code(store: &Store) {
    let opened = fresh();
    let id = opened.id;
    let code = code(&id.to_string());
    assert_eq!(
        store.keep_once(code.clone()).await.unwrap(),
        Addition::Added
    );
    let redeemed = store.redeem(OneTimeKind::Code, code.digest, at(50), Some(opened));
    let redeemed = redeemed.await.unwrap();
    assert!(matches!(redeemed, Redeemed::First(_)), "{redeemed:?}");
    say(&format!("redeemed {id}"));
    let spoken = verdict(Revoked::Session(id));
    assert!(store.end_session(id, ended(), Some(spoken)).await.unwrap());
    say(&format!("ended {id}"));
}

/// A session that no process before has opened.
fn fresh() -> Session {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).unwrap();
    let id = SessionId::from_bytes(bytes);
    Session {
        id,
        root: id,
        ..session(None)
    }
}

/// One whole line at once.
fn say(line: &str) {
    let mut out = io::stdout().lock();
    out.write_all(format!("{line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

async fn open(folder: &Path) -> Store {
    Store::open(&StoreSettings::default(), folder)
        .await
        .unwrap()
}

/// The variable that tells the other half where to work.
const FOLDER: &str = "TOLLGATE_PROOF_FOLDER";
