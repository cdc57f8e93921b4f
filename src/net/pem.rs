//! Certificates and private keys, from PEM (RFC 7468).

use std::io;
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::token::Secret;

/// Why no certificate or key could be had from PEM.
#[derive(Debug, thiserror::Error)]
pub enum PemError {
    /// The file cannot be read.
    #[error("read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file is damaged, or is no PEM.
    #[error("find a certificate in {path}: it is not PEM")]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: pem::Error,
    },
    /// The file holds no `CERTIFICATE` section.
    #[error("find a certificate in {path}: it has no CERTIFICATE section")]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The text is no private key.
    #[error("find a private key: there is no PRIVATE KEY section in PEM")]
    Key(#[source] pem::Error),
}

/// All certificates of a file, in their order: for a server its own first, then its issuers.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let text = std::fs::read(path).map_err(|source| PemError::Read {
        path: path.to_owned(),
        source,
    })?;
    let certificates = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| PemError::Certificate {
            path: path.to_owned(),
            source,
        })?;
    if certificates.is_empty() {
        return Err(PemError::NoCertificate {
            path: path.to_owned(),
        });
    }
    Ok(certificates)
}

/// The first private key in a text, whether PKCS #8, PKCS #1 or SEC 1.
pub fn private_key(text: &Secret) -> Result<PrivateKeyDer<'static>, PemError> {
    PrivateKeyDer::from_pem_slice(text.reveal().as_bytes()).map_err(PemError::Key)
}
