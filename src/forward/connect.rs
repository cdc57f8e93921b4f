//! Making a connection to an upstream: name, TCP, TLS, HTTP/1.1.

use std::sync::Arc;

use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::error::ConnectError;
use super::pool::Sender;
use crate::net::{Socket, Tasks};

/// Where an upstream is, and how to speak to it.
#[derive(Clone)]
pub(super) struct Endpoint {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
}

/// The largest response head, in bytes.
const HEAD_LIMIT: usize = 64 * 1024;

impl Endpoint {
    /// A new connection, ready for its first request.
    pub(super) async fn connect(&self, tasks: &Tasks) -> Result<Sender, ConnectError> {
        let stream = self.reach().await?;
        let Some((config, name)) = &self.tls else {
            return begin(stream, tasks).await;
        };
        let stream = TlsConnector::from(Arc::clone(config))
            .connect(name.clone(), stream)
            .await
            .map_err(|source| ConnectError::Tls {
                host: self.host.clone(),
                source,
            })?;
        begin(stream, tasks).await
    }

    async fn reach(&self) -> Result<Socket, ConnectError> {
        let resolve = |source| ConnectError::Resolve {
            host: self.host.clone(),
            source,
        };
        let reach = |source| ConnectError::Reach {
            host: self.host.clone(),
            source,
        };
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        let mut last = std::io::Error::from(std::io::ErrorKind::NotFound);
        for address in tokio::net::lookup_host((host, self.port))
            .await
            .map_err(resolve)?
        {
            match TcpStream::connect(address).await {
                Ok(stream) => return Socket::new(stream).map_err(reach),
                Err(error) => last = error,
            }
        }
        Err(reach(last))
    }
}

async fn begin<S>(stream: S, tasks: &Tasks) -> Result<Sender, ConnectError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_LIMIT)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(ConnectError::Http)?;
    tasks.spawn(async move {
        // Whoever waits for an answer hears of a failure; an idle connection that ends is no news.
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%error, "upstream connection ended");
        }
    });
    Ok(sender)
}
