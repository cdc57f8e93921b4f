//! Certificates for development, from an authority of our own that is made on first use.
//!
//! Clients are told of the authority by hand (`curl --cacert`): the trust store of the system is never touched. The
//! authority is not held to this machine's names by a name constraint: rustls takes `*.localhost` for malformed, and
//! under a constraint refuses the whole certificate for it.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::ListenError;
use crate::net::pem::{self, PemError};
use crate::token::{Secret, Timestamp};

/// The authority for development certificates in a data folder.
#[derive(Clone, Debug)]
pub struct DevAuthority {
    folder: PathBuf,
}

const DAY: Duration = Duration::from_hours(24);

/// How long a certificate is good for, and how long before its end it is replaced.
const LEAF: Duration = Duration::from_hours(24 * 30);
const RENEWED: Duration = Duration::from_hours(24 * 7);

/// How long the authority itself is good for.
const ROOT: Duration = Duration::from_hours(24 * 3650);

impl DevAuthority {
    /// The authority that keeps its files below this folder. Nothing is made yet.
    pub fn below(data_dir: &Path) -> Self {
        Self {
            folder: data_dir.join("dev-tls"),
        }
    }

    /// The certificate of the authority: what clients are told to trust, as in `curl --cacert PATH`.
    pub fn ca_path(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    pub(super) fn leaf_path(&self) -> PathBuf {
        self.folder.join("localhost.pem")
    }

    pub(super) fn key_path(&self) -> PathBuf {
        self.folder.join("localhost.key")
    }

    fn ca_key_path(&self) -> PathBuf {
        self.folder.join("ca.key")
    }

    /// The certificate to show now: the one at hand if it is good for another week, else a new one.
    pub(super) fn chain(
        &self,
        now: Timestamp,
    ) -> Result<Vec<CertificateDer<'static>>, ListenError> {
        let at_hand = self.authority_at_hand(now);
        if at_hand.is_some()
            && let Ok(chain) = pem::certificates(&self.leaf_path())
            && lasts_until(&chain, now.plus(RENEWED))
            && self.key().is_ok()
        {
            return Ok(chain);
        }
        let authority = match at_hand {
            Some(key) => key,
            None => self.make_authority(now)?,
        };
        self.make_leaf(authority, now)?;
        self.read(&self.leaf_path(), pem::certificates)
    }

    /// The key of the certificate that [`DevAuthority::chain`] returned last.
    pub(super) fn key(&self) -> Result<PrivateKeyDer<'static>, ListenError> {
        self.read(&self.key_path(), |path| {
            let text = fs::read_to_string(path).map_err(|source| PemError::Read {
                path: path.to_owned(),
                source,
            })?;
            pem::private_key(&Secret::new(text))
        })
    }

    /// The authority's key, if it has both key and certificate, and outlives whatever it would sign now.
    fn authority_at_hand(&self, now: Timestamp) -> Option<KeyPair> {
        let chain = pem::certificates(&self.ca_path()).ok()?;
        let key = Zeroizing::new(fs::read_to_string(self.ca_key_path()).ok()?);
        lasts_until(&chain, now.plus(LEAF)).then(|| KeyPair::from_pem(&key).ok())?
    }

    fn make_authority(&self, now: Timestamp) -> Result<KeyPair, ListenError> {
        let key = KeyPair::generate().map_err(ListenError::Dev)?;
        let mut params = authority();
        params.not_before = date(now.minus(DAY));
        params.not_after = date(now.plus(ROOT));
        let certificate = params.self_signed(&key).map_err(ListenError::Dev)?;
        self.write(
            &self.ca_key_path(),
            &Zeroizing::new(key.serialize_pem()),
            0o600,
        )?;
        self.write(&self.ca_path(), &certificate.pem(), 0o644)?;
        Ok(key)
    }

    fn make_leaf(&self, authority_key: KeyPair, now: Timestamp) -> Result<(), ListenError> {
        let key = KeyPair::generate().map_err(ListenError::Dev)?;
        let names = ["localhost", "*.localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let mut params = CertificateParams::new(names).map_err(ListenError::Dev)?;
        params
            .distinguished_name
            .push(DnType::CommonName, "localhost");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params.not_before = date(now.minus(DAY));
        params.not_after = date(now.plus(LEAF));
        let certificate = params
            .signed_by(&key, &Issuer::new(authority(), authority_key))
            .map_err(ListenError::Dev)?;
        self.write(
            &self.key_path(),
            &Zeroizing::new(key.serialize_pem()),
            0o600,
        )?;
        self.write(&self.leaf_path(), &certificate.pem(), 0o644)
    }

    fn read<T>(
        &self,
        path: &Path,
        read: impl FnOnce(&Path) -> Result<T, PemError>,
    ) -> Result<T, ListenError> {
        read(path).map_err(|error| ListenError::DevFile {
            path: self.folder.clone(),
            source: io::Error::other(error),
        })
    }

    /// Writes a whole file, or none: it gets its name when all of it is on the disk.
    fn write(&self, path: &Path, text: &str, mode: u32) -> Result<(), ListenError> {
        let draft = path.with_extension(format!("{}.new", std::process::id()));
        fs::create_dir_all(&self.folder)
            .and_then(|()| {
                OpenOptions::new()
                    .write(true)
                    .create(true)
                    .truncate(true)
                    .mode(mode)
                    .open(&draft)
            })
            .and_then(|mut file| {
                file.write_all(text.as_bytes())
                    .and_then(|()| file.sync_all())
            })
            .and_then(|()| fs::rename(&draft, path))
            .map_err(|source| ListenError::DevFile {
                path: path.to_owned(),
                source,
            })
    }
}

/// What the authority is: one that signs certificates, and no further authority.
fn authority() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "Tollgate development authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn lasts_until(chain: &[CertificateDer<'_>], moment: Timestamp) -> bool {
    chain
        .first()
        .and_then(|certificate| x509_parser::parse_x509_certificate(certificate).ok())
        .is_some_and(|(_, parsed)| parsed.validity().not_after.timestamp() >= moment.seconds())
}

fn date(moment: Timestamp) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(moment.seconds()).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_795_262_671);

    #[test]
    fn a_certificate_is_kept_until_its_last_week() {
        let folder = tempfile::tempdir().unwrap();
        let authority = DevAuthority::below(folder.path());
        let first = authority.chain(NOW).unwrap();
        let ca = fs::read(authority.ca_path()).unwrap();
        assert_eq!(authority.chain(NOW.plus(22 * DAY)).unwrap(), first);
        assert_ne!(authority.chain(NOW.plus(24 * DAY)).unwrap(), first);
        assert_eq!(fs::read(authority.ca_path()).unwrap(), ca);
    }

    #[test]
    fn keys_are_readable_by_their_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let authority = DevAuthority::below(folder.path());
        authority.chain(NOW).unwrap();
        for path in [authority.key_path(), authority.ca_key_path()] {
            let mode = fs::metadata(path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }
}
