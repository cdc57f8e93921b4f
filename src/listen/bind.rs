//! Taking the addresses, all of them before the first connection is accepted.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use socket2::{Domain, Protocol, Socket, Type};

use super::tally::Tally;
use super::tls::Tls;
use super::{ListenError, ListenerSettings};
use crate::token::Timestamp;

/// A listener that has its address and its certificate, and accepts nobody yet.
pub struct Bound {
    pub(super) socket: TcpListener,
    pub(super) address: SocketAddr,
    pub(super) listener: Listener,
}

/// What the connections of one listener share.
pub(super) struct Listener {
    pub(super) name: Arc<str>,
    pub(super) settings: ListenerSettings,
    pub(super) tls: Option<Tls>,
    pub(super) tally: Arc<Tally>,
}

/// How many connections may wait to be accepted. The system may hold it lower (`net.core.somaxconn`).
const BACKLOG: i32 = 4096;

/// Reads the certificates of all listeners and takes all addresses, or none. Each has a table `[listener.NAME]`.
pub fn bind(
    listeners: &BTreeMap<String, ListenerSettings>,
    data_dir: &Path,
    now: Timestamp,
) -> Result<Vec<Bound>, ListenError> {
    listeners
        .iter()
        .map(|(name, settings)| {
            let tls = Tls::load(&Arc::from(name.as_str()), settings, data_dir, now)?;
            Bound::new((name, &format!("listener.{name}")), settings, tls)
        })
        .collect()
}

/// Takes an address for plain HTTP: that of a listener with a table `[NAME]` to itself.
pub fn bind_plain(name: &str, settings: &ListenerSettings) -> Result<Bound, ListenError> {
    Bound::new((name, name), settings, None)
}

impl Bound {
    fn new(
        (name, table): (&str, &str),
        settings: &ListenerSettings,
        tls: Option<Tls>,
    ) -> Result<Self, ListenError> {
        let name: Arc<str> = Arc::from(name);
        let failed = |source| explain(table, settings.address, source);
        let socket = open(settings.address).map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        Ok(Self {
            socket,
            address,
            listener: Listener {
                tally: Arc::new(Tally::new(Arc::clone(&name))),
                name,
                settings: settings.clone(),
                tls,
            },
        })
    }

    /// The name of the listener.
    pub fn name(&self) -> &Arc<str> {
        &self.listener.name
    }

    /// The address it has; with port 0 in the settings, the port the system chose.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl std::fmt::Debug for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bound({} at {})", self.listener.name, self.address)
    }
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    // A restart must not wait for connections of the last run to be forgotten.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn explain(table: &str, address: SocketAddr, source: io::Error) -> ListenError {
    let table = table.to_owned();
    match source.kind() {
        io::ErrorKind::AddrInUse => ListenError::InUse { table, address },
        io::ErrorKind::PermissionDenied if address.port() < 1024 => {
            ListenError::Privileged { table, address }
        }
        _ => ListenError::Bind {
            table,
            address,
            source,
        },
    }
}
