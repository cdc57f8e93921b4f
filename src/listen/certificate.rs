//! The certificate a listener shows, exchanged while it runs.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::{DevAuthority, ListenError};
use crate::net::pem;
use crate::settings::SecretSource;
use crate::token::Timestamp;

/// The certificate of one listener, and where a newer one would come from.
#[derive(Debug)]
pub(super) struct Certificate {
    listener: Arc<str>,
    source: Source,
    provider: Arc<CryptoProvider>,
    current: ArcSwap<CertifiedKey>,
}

/// Where a certificate comes from.
#[derive(Debug)]
pub(super) enum Source {
    /// The operator keeps it in files.
    Files { cert: PathBuf, key: SecretSource },
    /// We make it ourselves.
    Dev(DevAuthority),
}

impl Certificate {
    /// Reads the certificate for the first time.
    pub(super) fn load(
        listener: Arc<str>,
        source: Source,
        provider: Arc<CryptoProvider>,
        now: Timestamp,
    ) -> Result<Self, ListenError> {
        let chain = source.chain(&listener, now)?;
        let first = source.join(&listener, chain, &provider)?;
        Ok(Self {
            listener,
            source,
            provider,
            current: ArcSwap::from_pointee(first),
        })
    }

    /// Shows the newer certificate from now on, if there is one. Connections that stand keep theirs.
    pub(super) fn refresh(&self, now: Timestamp) -> Result<bool, ListenError> {
        let chain = self.source.chain(&self.listener, now)?;
        if self.current.load().cert == chain {
            return Ok(false);
        }
        let newer = self.source.join(&self.listener, chain, &self.provider)?;
        self.current.store(Arc::new(newer));
        Ok(true)
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

impl Source {
    fn chain(
        &self,
        listener: &Arc<str>,
        now: Timestamp,
    ) -> Result<Vec<CertificateDer<'static>>, ListenError> {
        match self {
            Self::Files { cert, .. } => {
                pem::certificates(cert).map_err(|source| ListenError::Pem {
                    name: listener.to_string(),
                    source,
                })
            }
            Self::Dev(authority) => authority.chain(now),
        }
    }

    fn key(&self, listener: &Arc<str>) -> Result<PrivateKeyDer<'static>, ListenError> {
        match self {
            Self::Files { key, .. } => {
                let text = key.resolve().map_err(|source| ListenError::Key {
                    name: listener.to_string(),
                    source,
                })?;
                pem::private_key(&text).map_err(|source| ListenError::Pem {
                    name: listener.to_string(),
                    source,
                })
            }
            Self::Dev(authority) => authority.key(),
        }
    }

    /// Certificate and key as one, if they belong together.
    fn join(
        &self,
        listener: &Arc<str>,
        chain: Vec<CertificateDer<'static>>,
        provider: &CryptoProvider,
    ) -> Result<CertifiedKey, ListenError> {
        CertifiedKey::from_der(chain, self.key(listener)?, provider).map_err(|source| {
            let (cert, key) = self.names();
            ListenError::Mismatch { cert, key, source }
        })
    }

    fn names(&self) -> (PathBuf, String) {
        match self {
            Self::Files { cert, key } => {
                let key = match (&key.file, &key.env, &key.credential) {
                    (Some(path), _, _) => path.to_string(),
                    (_, Some(name), _) => format!("the environment variable {name}"),
                    (_, _, Some(name)) => format!("the credential {name}"),
                    _ => "the configuration".to_owned(),
                };
                (cert.clone(), key)
            }
            Self::Dev(authority) => (
                authority.leaf_path(),
                authority.key_path().display().to_string(),
            ),
        }
    }
}
