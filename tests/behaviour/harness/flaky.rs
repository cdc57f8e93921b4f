//! A wire that can be cut: a TCP relay in front of any server.

use std::net::SocketAddr;

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};

use super::{Task, outside};

/// A relay to one server, gone when dropped.
pub(crate) struct Flaky {
    address: SocketAddr,
    state: watch::Sender<State>,
    _task: Task,
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
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = watch::Sender::new(State::Whole);
        let task = outside(accept(listener, server, state.subscribe()));
        Self {
            address,
            state,
            _task: task,
        }
    }

    /// The near end of the wire.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Resets every connection, and every new one until [`Flaky::mend`].
    pub(crate) fn cut(&self) {
        self.state.send_replace(State::Cut);
    }

    /// Lets every connection stand and moves no byte until [`Flaky::mend`]; bytes on their way at this moment are lost.
    pub(crate) fn freeze(&self) {
        self.state.send_replace(State::Frozen);
    }

    /// Lets bytes flow again.
    pub(crate) fn mend(&self) {
        self.state.send_replace(State::Whole);
    }
}

async fn accept(listener: TcpListener, server: SocketAddr, state: watch::Receiver<State>) {
    let mut tasks = Vec::new();
    while let Ok((near, _)) = listener.accept().await {
        tasks.push(outside(relay(near, server, state.clone())));
    }
}

async fn relay(mut near: TcpStream, server: SocketAddr, mut state: watch::Receiver<State>) {
    // A frozen wire is one that does not even connect: the near end's handshake is the kernel's doing.
    let Ok(before) = state
        .wait_for(|state| *state != State::Frozen)
        .await
        .map(|state| *state)
    else {
        return;
    };
    if before == State::Whole
        && let Ok(mut far) = TcpStream::connect(server).await
    {
        carry(&mut near, &mut far, &mut state).await;
        if *state.borrow() == State::Whole {
            return;
        }
        let _ = far.set_zero_linger();
    }
    let _ = near.set_zero_linger();
}

/// Carries bytes while the wire is whole; returns when it is cut or both ends are done.
async fn carry(near: &mut TcpStream, far: &mut TcpStream, state: &mut watch::Receiver<State>) {
    loop {
        tokio::select! {
            _ = copy_bidirectional(near, far) => return,
            changed = state.wait_for(|state| *state != State::Whole) => if changed.is_err() { return },
        }
        match state
            .wait_for(|state| *state != State::Frozen)
            .await
            .map(|state| *state)
        {
            Ok(State::Whole) => {}
            _ => return,
        }
    }
}
