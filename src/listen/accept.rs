//! Accepting, which never fails: whatever the system says is waited out.

use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;

use super::ListenError;
use super::bind::{Bound, Listener};
use super::worker::Hand;
use crate::net::Tasks;

/// A connection on its way to a worker.
pub(super) struct Accepted {
    pub(super) stream: TcpStream,
    pub(super) address: SocketAddr,
    pub(super) listener: Arc<Listener>,
    pub(super) permit: OwnedSemaphorePermit,
}

/// What the spare descriptor is open on, and what the system says when there is no other: the table of all processes is
/// full, or that of this one.
const NOTHING: &str = "/dev/null";
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;

/// The first pause after a failure, and the longest.
const PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Starts the thread that accepts for all listeners. It ends when `tasks` drains.
pub(super) fn start(
    bound: Vec<(TcpListener, Arc<Listener>)>,
    hands: Vec<Hand>,
    tasks: &Tasks,
) -> Result<(), ListenError> {
    let runtime = Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .map_err(ListenError::Worker)?;
    let doors = doors(&runtime, bound).map_err(ListenError::Worker)?;
    let hands: Arc<[Hand]> = hands.into();
    let tasks = tasks.clone();
    thread::Builder::new()
        .name("acceptor".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                for door in doors {
                    tasks.spawn(door.serve(Arc::clone(&hands), tasks.clone()));
                }
                tasks.ended(Duration::MAX).await
            })
        })
        .map_err(ListenError::Worker)?;
    Ok(())
}

/// One listening socket.
struct Door {
    socket: tokio::net::TcpListener,
    listener: Arc<Listener>,
    budget: Arc<Semaphore>,
}

fn doors(runtime: &Runtime, bound: Vec<(TcpListener, Arc<Listener>)>) -> io::Result<Vec<Door>> {
    let _in_runtime = runtime.enter();
    bound
        .into_iter()
        .map(|(socket, listener)| {
            let budget = usize::try_from(listener.settings.max_connections).unwrap_or(usize::MAX);
            Ok(Door {
                socket: tokio::net::TcpListener::from_std(socket)?,
                budget: Arc::new(Semaphore::new(budget.min(Semaphore::MAX_PERMITS))),
                listener,
            })
        })
        .collect()
}

impl Door {
    async fn serve(self, hands: Arc<[Hand]>, tasks: Tasks) {
        tokio::select! {
            biased;
            () = tasks.draining() => {}
            () = self.accept_all(&hands) => {}
        }
    }

    async fn accept_all(&self, hands: &[Hand]) {
        let mut spare = File::open(NOTHING).ok();
        // A semaphore that is never closed always grants.
        while let Ok(permit) = Arc::clone(&self.budget).acquire_owned().await {
            let (stream, address) = self.accept(&mut spare).await;
            let accepted = Accepted {
                stream,
                address,
                listener: Arc::clone(&self.listener),
                permit,
            };
            if let Some(hand) = hands.iter().min_by_key(|hand| hand.load()) {
                hand.pass(accepted);
            }
        }
    }

    /// The next connection. Out of descriptors or memory, or a peer that left while it waited: all is tried again,
    /// after a pause that grows.
    async fn accept(&self, spare: &mut Option<File>) -> (TcpStream, SocketAddr) {
        let mut pause = PAUSE;
        loop {
            match self.try_accept().await {
                Ok(accepted) => return accepted,
                Err(error) => {
                    let listener = &*self.listener.name;
                    tracing::warn!(listener, %error, "could not accept a connection; will try again");
                    if is_out_of_descriptors(&error) && spare.take().is_some() {
                        // With its descriptor, whoever has waited longest is told that there is no room.
                        drop(self.socket.accept().now_or_never());
                        *spare = File::open(NOTHING).ok();
                    }
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// A connection, free of this thread's event queue: another's will watch it.
    async fn try_accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, address) = self.socket.accept().await?;
        Ok((stream.into_std()?, address))
    }
}

fn is_out_of_descriptors(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(ENFILE | EMFILE))
}

/// What a listener needs to accept.
pub(super) fn split(bound: Vec<Bound>) -> Vec<(TcpListener, Arc<Listener>)> {
    bound
        .into_iter()
        .map(|bound| (bound.socket, Arc::new(bound.listener)))
        .collect()
}
