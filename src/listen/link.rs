//! The stream under a connection: plain or encrypted, watched, and closed with care.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::watch::Watch;
use super::worker::Seat;
use crate::net::Socket;

/// One peer's stream of bytes.
///
/// Closing it is the peer's business too: who closes a socket that still holds unread bytes makes the system throw away
/// what was written last, the answer. So closing shuts our side, then reads and discards until the peer has closed
/// its own, within bounds of bytes and time.
///
/// Dropping it in the middle of an answer resets the connection, as an orderly end could be taken for the end of that
/// answer.
#[derive(Debug)]
pub(super) struct Link {
    stream: Stream,
    watch: Arc<Watch>,
    peer_is_done: bool,
    we_are_done: bool,
    discarded: usize,
    _seat: Seat,
}

#[derive(Debug)]
pub(super) enum Stream {
    Plain(Socket),
    Tls(Box<TlsStream<Socket>>),
}

/// How much is still read after our last answer: the rest of most bodies that were refused for their size, which many a
/// client sends to the end before it reads a word.
const DISCARDED: usize = 1024 * 1024;

impl Link {
    pub(super) fn new(stream: Stream, watch: Arc<Watch>, seat: Seat) -> Self {
        Self {
            stream,
            watch,
            peer_is_done: false,
            we_are_done: false,
            discarded: 0,
            _seat: seat,
        }
    }

    fn note_write(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Pending => self.watch.is_stuck(),
            Poll::Ready(_) => self.watch.is_moving(),
        }
        written
    }

    fn poll_discard(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut space = [0; 8 * 1024];
        while !self.peer_is_done {
            if self.discarded >= DISCARDED {
                // Closed now, the socket would take the answer with it. The watch ends this.
                return Poll::Pending;
            }
            let mut buffer = ReadBuf::new(&mut space);
            let read = ready!(self.stream.poll_read(context, &mut buffer));
            self.peer_is_done = read.is_err() || buffer.filled().is_empty();
            self.discarded += buffer.filled().len();
        }
        Poll::Ready(())
    }
}

impl AsyncRead for Link {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(self.stream.poll_read(context, buffer))?;
        if buffer.filled().len() > before {
            self.watch.received();
        } else {
            self.peer_is_done = true;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Link {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        };
        self.note_write(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Stream::Tls(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        };
        self.note_write(written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(context),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(context),
        };
        if flushed.is_pending() {
            self.watch.is_stuck();
        } else {
            self.watch.is_moving();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.watch.is_over() {
            return Poll::Ready(Ok(()));
        }
        if !this.we_are_done {
            this.watch.close();
            ready!(match &mut this.stream {
                Stream::Plain(stream) => Pin::new(stream).poll_shutdown(context),
                Stream::Tls(stream) => Pin::new(stream).poll_shutdown(context),
            })?;
            this.we_are_done = true;
        }
        this.poll_discard(context).map(Ok)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if !self.we_are_done && self.watch.is_unfinished() {
            // No answer can still be saved here, so whether this succeeds changes nothing.
            let _ = SockRef::from(self.stream.socket()).set_linger(Some(Duration::ZERO));
        }
    }
}

impl Stream {
    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }

    fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket.stream(),
            Self::Tls(stream) => stream.get_ref().0.stream(),
        }
    }
}
