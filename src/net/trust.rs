//! Whom we trust when we are the client: the operating system's authorities, or one the operator names.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;

/// Why nobody can be trusted.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The file of the certificate authority cannot be read.
    #[error("read certificates from {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: rustls::pki_types::pem::Error,
    },
    /// The file holds no certificate.
    #[error("find a certificate in {0}")]
    Empty(PathBuf),
    /// Not a name a certificate could be for.
    #[error("read `{0}` as a server name")]
    Name(String),
    /// TLS does not take it.
    #[error("set up TLS")]
    Tls(#[source] rustls::Error),
}

/// A TLS client that trusts the authorities in the file `ca`, or those of the operating system, and offers these
/// protocols by ALPN.
pub fn client_config(
    ca: Option<&Path>,
    protocols: &[&[u8]],
) -> Result<Arc<ClientConfig>, TrustError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TrustError::Tls)?;
    let builder = match ca {
        Some(path) => builder.with_root_certificates(authorities(path)?),
        None => builder.with_platform_verifier().map_err(TrustError::Tls)?,
    };
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(Arc::new(config))
}

fn authorities(path: &Path) -> Result<RootCertStore, TrustError> {
    let read = |source| TrustError::Read {
        path: path.to_owned(),
        source,
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(read)? {
        roots
            .add(certificate.map_err(read)?)
            .map_err(TrustError::Tls)?;
    }
    if roots.is_empty() {
        Err(TrustError::Empty(path.to_owned()))
    } else {
        Ok(roots)
    }
}
