//! A wire that can be cut: a TCP relay in front of any server, which may listen on a Unix socket.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncRead, AsyncWrite, copy_bidirectional},
    net::{TcpListener, TcpStream, UnixStream},
    sync::watch,
};

use super::{Task, outside};

/// A relay to one server, gone when dropped.
pub(crate) struct Flaky {
    address: SocketAddr,
    state: watch::Sender<Standing>,
    attempts: Arc<AtomicUsize>,
    _task: Task,
}

/// The far end of the wire.
#[derive(Clone)]
enum Server {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// How the wire is, and how often its connections were forgotten.
#[derive(Clone, Copy, PartialEq)]
struct Standing {
    state: State,
    forgotten: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    /// Bytes flow.
    Whole,
    /// Connections are reset, old ones and new ones.
    Cut,
    /// Connections stand and nothing moves.
    Frozen,
}

impl Flaky {
    /// A whole wire to a server.
    pub(crate) async fn before(server: SocketAddr) -> Self {
        Self::to(Server::Tcp(server)).await
    }

    /// A whole wire to a server that listens on a Unix socket.
    pub(crate) async fn before_socket(path: &Path) -> Self {
        Self::to(Server::Unix(path.to_owned())).await
    }

    async fn to(server: Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = watch::Sender::new(Standing {
            state: State::Whole,
            forgotten: 0,
        });
        let attempts = Arc::new(AtomicUsize::new(0));
        let task = outside(accept(
            listener,
            server,
            state.subscribe(),
            Arc::clone(&attempts),
        ));
        Self {
            address,
            state,
            attempts,
            _task: task,
        }
    }

    /// How often somebody has connected, or tried to.
    pub(crate) fn attempts(&self) -> usize {
        self.attempts.load(Ordering::Relaxed)
    }

    /// The near end of the wire.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Resets every connection, and every new one until [`Flaky::mend`].
    pub(crate) fn cut(&self) {
        self.state
            .send_modify(|standing| standing.state = State::Cut);
    }

    /// Lets every connection stand and moves no byte until [`Flaky::mend`]; bytes on their way at this moment are lost.
    pub(crate) fn freeze(&self) {
        self.state
            .send_modify(|standing| standing.state = State::Frozen);
    }

    /// Lets bytes flow again.
    pub(crate) fn mend(&self) {
        self.state
            .send_modify(|standing| standing.state = State::Whole);
    }

    /// No byte moves any more on the connections that stand, and neither end is told; new ones are whole.
    pub(crate) fn forget(&self) {
        self.state.send_modify(|standing| standing.forgotten += 1);
    }
}

async fn accept(
    listener: TcpListener,
    server: Server,
    state: watch::Receiver<Standing>,
    attempts: Arc<AtomicUsize>,
) {
    let mut tasks = Vec::new();
    while let Ok((near, _)) = listener.accept().await {
        attempts.fetch_add(1, Ordering::Relaxed);
        tasks.push(outside(relay(near, server.clone(), state.clone())));
    }
}

async fn relay(mut near: TcpStream, server: Server, mut state: watch::Receiver<Standing>) {
    // A frozen wire is one that does not even connect: the near end's handshake is the kernel's doing.
    let thawed = state.wait_for(|standing| standing.state != State::Frozen);
    let Ok(before) = thawed.await.map(|standing| *standing) else {
        return;
    };
    if before.state == State::Whole {
        match server {
            Server::Tcp(address) => {
                if let Ok(mut far) = TcpStream::connect(address).await {
                    carry(&mut near, &mut far, &mut state).await;
                    if state.borrow().state == State::Whole {
                        return;
                    }
                    let _ = far.set_zero_linger();
                }
            }
            Server::Unix(path) => {
                if let Ok(mut far) = UnixStream::connect(path).await {
                    carry(&mut near, &mut far, &mut state).await;
                    if state.borrow().state == State::Whole {
                        return;
                    }
                }
            }
        }
    }
    let _ = near.set_zero_linger();
}

/// Carries bytes while the wire is whole; returns when it is cut or both ends are done.
async fn carry(
    near: &mut TcpStream,
    far: &mut (impl AsyncRead + AsyncWrite + Unpin),
    state: &mut watch::Receiver<Standing>,
) {
    let begun = state.borrow().forgotten;
    let flows = |standing: &Standing| standing.state == State::Whole && standing.forgotten == begun;
    loop {
        tokio::select! {
            _ = copy_bidirectional(near, far) => return,
            changed = state.wait_for(|standing| !flows(standing)) => if changed.is_err() { return },
        }
        let stands = |standing: &Standing| standing.state == State::Cut || flows(standing);
        match state.wait_for(stands).await.map(|standing| standing.state) {
            Ok(State::Whole) => {}
            _ => return,
        }
    }
}
