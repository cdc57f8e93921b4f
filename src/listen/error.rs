//! Why a listener could not begin.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::net::pem::PemError;
use crate::settings::SecretError;

/// Why a listener could not begin, or its certificate not be renewed.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another process has the address.
    #[error(
        "listen on {address}: another process has it; stop that one, or change `address` in [{table}]"
    )]
    InUse {
        /// Its table in the file.
        table: String,
        /// Its address.
        address: SocketAddr,
    },
    /// The port is for privileged processes.
    #[error(
        "listen on {address}: ports below 1024 need the capability CAP_NET_BIND_SERVICE; grant it, or change `address` in [{table}]"
    )]
    Privileged {
        /// Its table in the file.
        table: String,
        /// Its address.
        address: SocketAddr,
    },
    /// The system refuses the address.
    #[error("listen on {address}, the `address` of [{table}]")]
    Bind {
        /// Its table in the file.
        table: String,
        /// Its address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// No thread or no event queue could be had.
    #[error("start a worker")]
    Worker(#[source] io::Error),
    /// A mode of TLS lacks what it needs, or has what it cannot use.
    #[error("secure [listener.{name}]: {mend}")]
    Settings {
        /// The listener.
        name: String,
        /// What to write.
        mend: &'static str,
    },
    /// A development certificate would be shown to strangers.
    #[error(
        "serve {address} with a development certificate: it is for this machine only; use a loopback address, real certificates, or `allow_remote = true`"
    )]
    DevIsRemote {
        /// The address.
        address: SocketAddr,
    },
    /// A file with a certificate or key is of no use.
    #[error("read the certificate of [listener.{name}]")]
    Pem {
        /// The listener.
        name: String,
        /// What is wrong.
        #[source]
        source: PemError,
    },
    /// The key cannot be had.
    #[error("read the key of [listener.{name}]")]
    Key {
        /// The listener.
        name: String,
        /// What is wrong.
        #[source]
        source: SecretError,
    },
    /// Certificate and key do not belong together, or one of them is broken.
    #[error(
        "use the certificate in {cert} with the key in {key}: put the key there that the certificate was made for, or the certificate of that key"
    )]
    Mismatch {
        /// The file of the certificate.
        cert: PathBuf,
        /// Where the key is from.
        key: String,
        /// What is wrong.
        #[source]
        source: rustls::Error,
    },
    /// TLS itself could not be set up.
    #[error("set up TLS")]
    Tls(#[source] rustls::Error),
    /// A file of the development authority cannot be written or read.
    #[error("keep the development certificate in {path}")]
    DevFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The development certificate could not be made.
    #[error("make a development certificate")]
    Dev(#[source] rcgen::Error),
}
