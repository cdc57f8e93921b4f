//! TLS 1.2 and 1.3: how a listener is secured, and the handshake under its deadline.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::NoServerSessionStorage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::certificate::{Certificate, Source};
use super::settings::Protocol;
use super::tally::{Handshake, Tally};
use super::{DevAuthority, ListenError, ListenerSettings};
use crate::net::Socket;
use crate::settings::{FilePath, SecretSource};
use crate::token::Timestamp;

/// How a listener is secured.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TlsSettings {
    /// Where the certificate comes from.
    pub mode: TlsMode,
    /// With `mode = "files"`: the certificate and those of its issuers, in PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert: Option<FilePath>,
    /// With `mode = "files"`: the private key, in PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<SecretSource>,
    /// With `mode = "dev"`: serve other machines too.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub allow_remote: bool,
}

/// Where a certificate comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TlsMode {
    /// Nowhere: plain HTTP.
    #[default]
    Off,
    /// An authority of our own, made on first use, that only clients told of it trust.
    Dev,
    /// Files, read again when they change.
    Files,
}

/// What secures the connections of one listener.
pub(super) struct Tls {
    acceptor: TlsAcceptor,
    certificate: Arc<Certificate>,
    patience: Duration,
}

/// A secured connection.
pub(super) struct Secured {
    pub(super) stream: TlsStream<Socket>,
    pub(super) protocol: Protocol,
    pub(super) server_name: Option<Arc<str>>,
}

impl TlsSettings {
    /// What is wrong with the keys given, as what to write instead.
    pub fn mend(&self) -> Option<&'static str> {
        let has_files = self.cert.is_some() || self.key.is_some();
        match self.mode {
            TlsMode::Files if self.cert.is_none() || self.key.is_none() => {
                Some("`mode = \"files\"` needs both `cert` and `key`")
            }
            TlsMode::Files | TlsMode::Off if self.allow_remote => {
                Some("`allow_remote` belongs to `mode = \"dev\"`")
            }
            TlsMode::Dev | TlsMode::Off if has_files => {
                Some("`cert` and `key` belong to `mode = \"files\"`")
            }
            _ => None,
        }
    }
}

impl Tls {
    /// Reads certificate and key, and sets up TLS; nothing if the listener is plain.
    pub(super) fn load(
        name: &Arc<str>,
        settings: &ListenerSettings,
        data_dir: &Path,
        now: Timestamp,
    ) -> Result<Option<Self>, ListenError> {
        let Some(source) = source(name, settings, data_dir)? else {
            return Ok(None);
        };
        let provider = Arc::new(aws_lc_rs::default_provider());
        let certificate = Certificate::load(Arc::clone(name), source, Arc::clone(&provider), now)?;
        let certificate = Arc::new(certificate);
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(ListenError::Tls)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&certificate) as _);
        config.alpn_protocols = settings
            .protocols
            .iter()
            .map(|protocol| protocol.alpn().to_vec())
            .collect();
        // One ticket per handshake, which holds all there is to know of the session: nothing is kept here, and every
        // worker can resume what another began.
        config.send_tls13_tickets = 1;
        config.ticketer = aws_lc_rs::Ticketer::new().map_err(ListenError::Tls)?;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(Some(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            certificate,
            patience: settings.timeouts.handshake.duration(),
        }))
    }

    /// Shakes hands. Whoever fails, or takes too long, is dropped and counted.
    pub(super) async fn handshake(&self, stream: Socket, tally: &Tally) -> Option<Secured> {
        let outcome = timeout(self.patience, self.acceptor.accept(stream)).await;
        let stream = match outcome {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                tally.handshake(Handshake::Failed);
                tracing::debug!(%error, "TLS handshake failed");
                return None;
            }
            Err(_) => {
                tally.handshake(Handshake::Late);
                return None;
            }
        };
        tally.handshake(Handshake::Done);
        let (_, session) = stream.get_ref();
        let is_http2 = session.alpn_protocol() == Some(Protocol::Http2.alpn());
        let server_name = session.server_name().map(Arc::from);
        Some(Secured {
            stream,
            protocol: if is_http2 {
                Protocol::Http2
            } else {
                Protocol::Http1
            },
            server_name,
        })
    }

    /// Shows a newer certificate from now on, if there is one.
    pub(super) fn refresh(&self, now: Timestamp) -> Result<bool, ListenError> {
        self.certificate.refresh(now)
    }
}

fn source(
    name: &Arc<str>,
    settings: &ListenerSettings,
    data_dir: &Path,
) -> Result<Option<Source>, ListenError> {
    let tls = &settings.tls;
    if let Some(mend) = tls.mend() {
        return Err(ListenError::Settings {
            name: name.to_string(),
            mend,
        });
    }
    match (tls.mode, &tls.cert, &tls.key) {
        (TlsMode::Off, ..) => Ok(None),
        (TlsMode::Dev, ..) => {
            stays_here(settings.address, tls.allow_remote)?;
            Ok(Some(Source::Dev(DevAuthority::below(data_dir))))
        }
        (TlsMode::Files, cert, key) => {
            Ok(cert
                .as_ref()
                .zip(key.as_ref())
                .map(|(cert, key)| Source::Files {
                    cert: cert.as_path().to_owned(),
                    key: key.clone(),
                }))
        }
    }
}

/// A development certificate is shown to this machine only, unless the operator insists.
fn stays_here(address: SocketAddr, allow_remote: bool) -> Result<(), ListenError> {
    if address.ip().to_canonical().is_loopback() || allow_remote {
        Ok(())
    } else {
        Err(ListenError::DevIsRemote { address })
    }
}
