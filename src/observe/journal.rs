//! The access log on its way out: never in the way of a request.
//!
//! Each worker fills a buffer of its own; a thread empties them every tenth of a second, or when one is full. If that
//! thread cannot keep up, lines are dropped and counted: a slow disk must not slow a request.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Where finished lines go.
#[derive(Debug)]
pub struct Journal {
    shelves: Arc<Shelves>,
    outbox: Mutex<Option<SyncSender<Vec<u8>>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shelves {
    buffers: Box<[Mutex<Vec<u8>>]>,
    dropped: AtomicU64,
}

/// How much one worker gathers before it hands it over, in bytes.
const FULL: usize = 64 * 1024;
/// Room for the line that makes it full.
const ROOM: usize = 4 * 1024;
/// How many full buffers may wait for the writer.
const WAITING: usize = 64;
const PERIOD: Duration = Duration::from_millis(100);

impl Journal {
    /// A journal for this many workers, written to `sink` by a thread of its own.
    pub fn new(workers: usize, sink: impl Write + Send + 'static) -> std::io::Result<Self> {
        let shelves = Arc::new(Shelves {
            buffers: (0..workers.max(1)).map(|_| Mutex::default()).collect(),
            dropped: AtomicU64::new(0),
        });
        let (outbox, inbox) = sync_channel(WAITING);
        let kept = Arc::clone(&shelves);
        let writer = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || empty(&kept, &inbox, sink))?;
        Ok(Self {
            shelves,
            outbox: Mutex::new(Some(outbox)),
            writer: Mutex::new(Some(writer)),
        })
    }

    /// Adds a line to a worker's buffer. Returns at once, whatever the writer is doing.
    pub fn write(&self, worker: usize, line: impl FnOnce(&mut Vec<u8>)) {
        let Some(mut buffer) = self.shelves.buffer(worker) else {
            return;
        };
        if buffer.len() >= FULL && !self.hand_over(&mut buffer) {
            self.shelves.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        line(&mut buffer);
    }

    /// How many lines were dropped because the writer could not keep up.
    pub fn dropped(&self) -> u64 {
        self.shelves.dropped.load(Ordering::Relaxed)
    }

    /// Writes out what is left and ends the writer.
    pub fn close(&self) {
        self.outbox
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let writer = self
            .writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(writer) = writer
            && writer.join().is_err()
        {
            tracing::error!("the journal's writer did not end well");
        }
    }

    fn hand_over(&self, buffer: &mut Vec<u8>) -> bool {
        let outbox = self.outbox.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(outbox) = &*outbox else { return false };
        // As large as it will get, as growing to that would copy every line.
        let empty = Vec::with_capacity(FULL + ROOM);
        match outbox.try_send(std::mem::replace(buffer, empty)) {
            Ok(()) => true,
            Err(TrySendError::Full(full) | TrySendError::Disconnected(full)) => {
                *buffer = full;
                false
            }
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shelves {
    fn buffer(&self, worker: usize) -> Option<MutexGuard<'_, Vec<u8>>> {
        let buffer = self.buffers.get(worker).or_else(|| self.buffers.first())?;
        Some(buffer.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn empty(shelves: &Shelves, inbox: &Receiver<Vec<u8>>, mut sink: impl Write) {
    loop {
        let handed_over = inbox.recv_timeout(PERIOD);
        let is_last = matches!(handed_over, Err(RecvTimeoutError::Disconnected));
        let mut lines = handed_over.unwrap_or_default();
        for worker in 0..shelves.buffers.len() {
            let Some(mut buffer) = shelves.buffer(worker) else {
                continue;
            };
            // What was handed over earlier comes first.
            for mut earlier in inbox.try_iter() {
                lines.append(&mut earlier);
            }
            lines.append(&mut buffer);
        }
        if let Err(error) = sink.write_all(&lines).and_then(|()| sink.flush()) {
            tracing::error!(%error, "the access log cannot be written");
            shelves.dropped.fetch_add(1, Ordering::Relaxed);
        }
        if is_last {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn every_line_is_out_when_the_journal_closes() {
        let kept = Kept::default();
        let journal = Journal::new(2, kept.clone()).unwrap();
        for number in 0..10_000 {
            journal.write(number % 2, |buffer| {
                buffer.extend_from_slice(b"a line of the log\n");
            });
        }
        journal.close();
        assert_eq!(
            kept.0.lock().unwrap().len() as u64 / 18 + journal.dropped(),
            10_000
        );
    }
}
