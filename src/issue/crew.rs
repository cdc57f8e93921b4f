//! The threads that hash passwords: few of them, and at idle priority.
//!
//! A hash takes milliseconds of a core and megabytes of memory on purpose. So that a flood of logins slows only logins:
//! a few cores may hash, and only while nobody on that core has a request to forward; a short queue waits; who does not
//! fit in is told to come back; who has waited too long, or has gone away, is not hashed for any more.
//!
//! Where requests, or other programs, fill every core, idle priority is never. So what is not done after a second is
//! begun again on one more thread, the steady one, which has the priority of everybody else and rests after each job.
//! Whichever is done first is the answer.

use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use argon2::Argon2;
use argon2::password_hash;
use futures_util::future::{Either, select};
#[cfg(target_os = "linux")]
use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::{IssueError, legacy};

/// The threads. They end when the last clone is dropped.
#[derive(Clone, Debug)]
pub(super) struct Crew {
    queue: SyncSender<Job>,
    steady: SyncSender<Job>,
    overdue: Duration,
    load: Arc<Load>,
}

/// How much the threads at idle priority have to do.
#[derive(Debug)]
struct Load {
    now: AtomicUsize,
    most: AtomicUsize,
    began: Instant,
    /// When one of them last began or ended a job, in milliseconds since `began`.
    moved: AtomicU64,
}

type Job = Box<dyn FnOnce(&Argon2<'static>) + Send>;
type Told<T> = oneshot::Receiver<password_hash::Result<T>>;

impl Crew {
    /// Starts so many threads, and the steady one, before each of which so many may wait.
    pub(super) fn start(argon2: &Argon2<'static>, threads: usize, room: usize) -> io::Result<Self> {
        let (queue, jobs) = sync_channel(room);
        let jobs = Arc::new(Mutex::new(jobs));
        let load = Arc::new(Load::new());
        for n in 0..threads {
            let (argon2, jobs, load) = (argon2.clone(), Arc::clone(&jobs), Arc::clone(&load));
            thread::Builder::new()
                .name(format!("hashing-{n}"))
                .spawn(move || work(&argon2, &jobs, &load))?;
        }
        let (steady, overdue) = sync_channel(room);
        let argon2 = argon2.clone();
        thread::Builder::new()
            .name("hashing-steady".to_owned())
            .spawn(move || work_steadily(&argon2, &overdue))?;
        Ok(Self {
            queue,
            steady,
            overdue: OVERDUE,
            load,
        })
    }

    /// The most jobs that were ever done at once, but for the steady thread's.
    pub(super) fn busiest(&self) -> usize {
        self.load.most.load(Ordering::Relaxed)
    }

    /// Has work done, or says that there is too much of it.
    pub(super) async fn run<T, W>(&self, work: W) -> Result<T, IssueError>
    where
        W: Fn(&Argon2<'static>) -> password_hash::Result<T> + Send + Sync + 'static,
        T: Send + 'static,
    {
        let done = self.outcome(Arc::new(work)).await.ok_or(BUSY)?;
        done.map_err(|error| {
            tracing::error!(%error, "could not hash a password");
            BUSY
        })
    }

    /// What came of it; nothing if nobody came to it.
    async fn outcome<T, W>(&self, work: Arc<W>) -> Option<password_hash::Result<T>>
    where
        W: Fn(&Argon2<'static>) -> password_hash::Result<T> + Send + Sync + 'static,
        T: Send + 'static,
    {
        let entered = Instant::now();
        let Some(mut told) = attempt(&self.queue, Arc::clone(&work), entered) else {
            if self.load.rests_for() < self.overdue {
                return None;
            }
            // Nothing leaves the queue: what fills it may long have been done by the steady thread.
            return attempt(&self.steady, work, entered)?.await.ok();
        };
        if let Ok(done) = timeout(self.overdue, &mut told).await {
            return done.ok();
        }
        match attempt(&self.steady, work, entered) {
            Some(again) => either(told, again).await.ok(),
            None => told.await.ok(),
        }
    }
}

impl Load {
    fn new() -> Self {
        Self {
            now: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            began: Instant::now(),
            moved: AtomicU64::new(0),
        }
    }

    fn begin(&self) {
        self.moves();
        let now = self.now.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(now, Ordering::Relaxed);
    }

    fn end(&self) {
        self.moves();
        self.now.fetch_sub(1, Ordering::Relaxed);
    }

    fn moves(&self) {
        self.moved.store(self.millis(), Ordering::Relaxed);
    }

    /// How long no job has begun or ended.
    fn rests_for(&self) -> Duration {
        let moved = self.moved.load(Ordering::Relaxed);
        Duration::from_millis(self.millis().saturating_sub(moved))
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Asks a thread for work, if there is room; it is not begun for somebody who has gone away or has waited too long.
fn attempt<T, W>(queue: &SyncSender<Job>, work: Arc<W>, entered: Instant) -> Option<Told<T>>
where
    W: Fn(&Argon2<'static>) -> password_hash::Result<T> + Send + Sync + 'static,
    T: Send + 'static,
{
    let (tell, told) = oneshot::channel();
    let job: Job = Box::new(move |argon2| {
        if !tell.is_closed() && entered.elapsed() < PATIENCE {
            // Whoever asked may go away in the meantime, or have been told by another; then nobody is told.
            let _ = tell.send(work(argon2));
        }
    });
    queue.try_send(job).ok()?;
    Some(told)
}

/// What the first of two has to tell; one that has nothing to tell leaves it to the other.
async fn either<T>(
    one: Told<T>,
    other: Told<T>,
) -> Result<password_hash::Result<T>, oneshot::error::RecvError> {
    match select(one, other).await {
        Either::Left((Err(_), other)) => other.await,
        Either::Right((Err(_), one)) => one.await,
        Either::Left((told, _)) | Either::Right((told, _)) => told,
    }
}

/// The life of one thread at idle priority.
fn work(argon2: &Argon2<'static>, jobs: &Mutex<Receiver<Job>>, load: &Load) {
    give_way();
    while let Some(job) = next(jobs) {
        load.begin();
        job(argon2);
        load.end();
    }
}

/// The next job; the memory of the last is not kept while there is none.
fn next(jobs: &Mutex<Receiver<Job>>) -> Option<Job> {
    if let Ok(jobs) = jobs.try_lock()
        && let Ok(job) = jobs.try_recv()
    {
        return Some(job);
    }
    legacy::let_go();
    // Held while waiting: the next thread waits for the lock, which is as good as waiting for a job.
    jobs.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .recv()
        .ok()
}

/// The life of the steady thread.
fn work_steadily(argon2: &Argon2<'static>, overdue: &Receiver<Job>) {
    while let Ok(job) = overdue.recv() {
        let begun = Instant::now();
        job(argon2);
        legacy::let_go();
        thread::park_timeout(REST.min(begun.elapsed() * 9));
    }
}

/// Whoever forwards requests takes the core at once, instead of waiting for the end of a slice of time.
fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) =
        set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, IDLE)
    {
        tracing::warn!(%error, "could not lower the priority of password hashing");
    }
}

/// Runs when nobody else on the core wants to (`SCHED_IDLE`). A mere niceness is heeded only where a slice of time ends,
/// which is milliseconds, and those are felt.
#[cfg(target_os = "linux")]
const IDLE: ThreadSchedulePolicy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);

/// What is not done after this long is begun again by the steady thread.
const OVERDUE: Duration = Duration::from_secs(1);

/// How long the steady thread rests after a job at most. What ours take leaves it a tenth of a core.
const REST: Duration = Duration::from_millis(500);

/// Whoever has waited this long is told to come back instead.
const PATIENCE: Duration = Duration::from_secs(5);
const BUSY: IssueError = IssueError::Busy {
    retry_after: Duration::from_secs(1),
};

#[cfg(test)]
mod tests {
    use argon2::Params;
    use futures_util::poll;

    use super::*;

    /// One thread at idle priority, before which two may wait, and longer than a busy machine makes them.
    fn crew() -> Crew {
        let params = Params::new(8, 1, 1, None).unwrap();
        let argon2 = Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
        Crew {
            overdue: PATIENCE,
            ..Crew::start(&argon2, 1, 2).unwrap()
        }
    }

    /// Keeps the one thread at idle priority from everything else until the sender is dropped.
    async fn occupy(
        crew: &Crew,
    ) -> (
        impl Future<Output = Result<(), IssueError>>,
        std::sync::mpsc::Sender<()>,
    ) {
        let (release, held) = std::sync::mpsc::channel::<()>();
        let (started, starts) = std::sync::mpsc::channel();
        let held = Mutex::new(held);
        let mut first = Box::pin(crew.run(move |_| {
            let _ = started.send(());
            let _ = held.lock().unwrap().recv();
            Ok(())
        }));
        assert!(poll!(&mut first).is_pending());
        starts.recv().unwrap();
        (first, release)
    }

    #[tokio::test]
    async fn who_does_not_fit_into_the_queue_is_told_to_come_back() {
        let crew = crew();
        let (first, release) = occupy(&crew).await;
        let mut waiting: Vec<_> = (0..2).map(|n| Box::pin(crew.run(move |_| Ok(n)))).collect();
        for one in &mut waiting {
            assert!(poll!(one).is_pending());
        }
        let refused = crew.run(|_| Ok(())).await;
        assert!(matches!(refused, Err(IssueError::Busy { .. })));

        drop(release);
        first.await.unwrap();
        for (n, one) in waiting.into_iter().enumerate() {
            assert_eq!(one.await.unwrap(), n);
        }
    }

    #[tokio::test]
    async fn what_idle_priority_never_comes_to_is_done_all_the_same() {
        let crew = crew();
        let (first, release) = occupy(&crew).await;
        let hasty = Crew {
            overdue: Duration::ZERO,
            ..crew.clone()
        };
        // More of them than there is room for, as those that are done stay in the queue.
        for _ in 0..5 {
            let name = hasty.run(|_| Ok(thread::current().name().map(str::to_owned)));
            assert_eq!(name.await.unwrap().as_deref(), Some("hashing-steady"));
        }
        drop(release);
        first.await.unwrap();
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn hashing_yields_to_those_who_forward_requests() {
        let crew = crew();
        let policy = crew.run(|_| Ok(thread_priority::thread_schedule_policy()));
        assert_eq!(policy.await.unwrap().unwrap(), IDLE);
    }
}
