//! One write for all streams of HTTP/2 that are ready in the same turn.
//!
//! The HTTP/2 connection flushes after each piece of a body, and each time it has run. A flush that follows bytes is put
//! off: the connection is woken to flush again, and may go on adding frames until then. One that follows none yields
//! first, so that the tasks that are ready to run can add theirs, and then writes everything as one. A system call and a
//! TLS record cost as much for thirty answers as for one.
//!
//! What is put off cannot be forgotten: whoever was told that a flush is done has been woken, and ends its turn with
//! another flush, as HTTP/2 does.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream whose writes are held back until a flush, and a flush for one turn.
#[derive(Debug)]
pub(super) struct Coalesce<S> {
    stream: S,
    held: Vec<u8>,
    written: usize,
    /// Whether anything was added since the last flush.
    is_growing: bool,
    has_yielded: bool,
}

/// How much is held back.
const HELD: usize = 32 * 1024;

thread_local! {
    /// What this worker's connections hold back in, while they hold nothing: as much memory, asked for and given back
    /// at every flush, would cost more than the flush.
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// How many of these are kept.
const SPARES: usize = 8;

/// What is this long, or longer, gains nothing from being copied once more.
const LONG: usize = 16 * 1024;

impl<S> Coalesce<S> {
    pub(super) const fn new(stream: S) -> Self {
        Self {
            stream,
            held: Vec::new(),
            written: 0,
            is_growing: false,
            has_yielded: false,
        }
    }

    fn hold(&mut self, bytes: &[u8]) {
        if self.held.capacity() == 0 {
            self.held = SPARE
                .with_borrow_mut(Vec::pop)
                .unwrap_or_else(|| Vec::with_capacity(HELD));
        }
        self.held.extend_from_slice(bytes);
        self.is_growing = true;
    }

    /// An idle connection holds no memory for writes that may never come: the next one that writes gets it.
    fn let_go(&mut self) {
        let mut held = std::mem::take(&mut self.held);
        if held.capacity() == 0 {
            return;
        }
        held.clear();
        SPARE.with_borrow_mut(|spare| {
            if spare.len() < SPARES {
                spare.push(held);
            }
        });
    }
}

impl<S: AsyncWrite + Unpin> Coalesce<S> {
    fn poll_release(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self
            .held
            .get(self.written..)
            .filter(|rest| !rest.is_empty())
        {
            let written = ready!(Pin::new(&mut self.stream).poll_write(context, rest))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += written;
        }
        self.let_go();
        self.written = 0;
        self.is_growing = false;
        self.has_yielded = false;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Coalesce<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.held.len() + bytes.len() > HELD || bytes.len() >= LONG {
            ready!(this.poll_release(context))?;
        }
        if bytes.len() >= LONG {
            return Pin::new(&mut this.stream).poll_write(context, bytes);
        }
        this.hold(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let length = slices.iter().map(|slice| slice.len()).sum();
        if this.held.len() + length > HELD || length >= LONG {
            ready!(this.poll_release(context))?;
        }
        if length >= LONG {
            return Pin::new(&mut this.stream).poll_write_vectored(context, slices);
        }
        for slice in slices {
            this.hold(slice);
        }
        Poll::Ready(Ok(length))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.held.is_empty() {
            if std::mem::take(&mut this.is_growing) {
                context.waker().wake_by_ref();
                return Poll::Ready(Ok(()));
            }
            if !std::mem::replace(&mut this.has_yielded, true) {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            ready!(this.poll_release(context))?;
        }
        Pin::new(&mut this.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_release(context))?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Coalesce<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::task::{Wake, Waker};

    use super::*;

    /// Remembers each write as one.
    #[derive(Default)]
    struct Writes(Vec<Vec<u8>>);

    impl AsyncWrite for Writes {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.0.push(bytes.to_vec());
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn write(coalesce: &mut Coalesce<Writes>, bytes: &[u8]) {
        let mut context = Context::from_waker(Waker::noop());
        let written = Pin::new(coalesce).poll_write(&mut context, bytes);
        assert!(matches!(written, Poll::Ready(Ok(length)) if length == bytes.len()));
    }

    /// Whether the flush is done, and whether another is to follow.
    fn flush(coalesce: &mut Coalesce<Writes>) -> (bool, bool) {
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let mut context = Context::from_waker(&waker);
        let is_done = Pin::new(coalesce).poll_flush(&mut context).is_ready();
        (is_done, woken.0.load(Ordering::Relaxed))
    }

    #[derive(Default)]
    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    const PUT_OFF: (bool, bool) = (true, true);
    const YIELDS: (bool, bool) = (false, true);
    const DONE: (bool, bool) = (true, false);

    #[test]
    fn frames_of_one_turn_leave_in_one_write() {
        let mut coalesce = Coalesce::new(Writes::default());
        for frame in [b"one ", b"two "] {
            write(&mut coalesce, frame);
            assert_eq!(flush(&mut coalesce), PUT_OFF);
        }
        assert_eq!(flush(&mut coalesce), YIELDS);
        write(&mut coalesce, b"three");
        assert_eq!(flush(&mut coalesce), PUT_OFF);
        assert_eq!(flush(&mut coalesce), DONE);
        assert_eq!(coalesce.stream.0, [b"one two three".to_vec()]);
        assert_eq!(
            flush(&mut coalesce),
            DONE,
            "nothing held, nothing to yield for"
        );
    }

    #[test]
    fn long_writes_are_not_copied_and_keep_their_order() {
        let mut coalesce = Coalesce::new(Writes::default());
        let long = vec![b'x'; LONG];
        write(&mut coalesce, b"head");
        write(&mut coalesce, &long);
        assert_eq!(coalesce.stream.0, [b"head".to_vec(), long]);
    }
}
