//! Where a secret comes from: a file, a variable, a credential of the service manager, or the configuration itself.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};
use zeroize::Zeroizing;

use super::FilePath;
use crate::token::Secret;

/// Where to find a secret: exactly one of `file`, `env`, `credential` and `literal`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("x-one-of" = ["file", "env", "credential", "literal"]))]
pub struct SecretSource {
    /// A file with the secret in it; a newline at its end is not part of it. Nobody but its owner and group may read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<FilePath>,
    /// With `file`: make 32 random bytes, written as base64url, if the file does not exist yet.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub create: bool,
    /// The name of an environment variable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
    /// The name of a systemd credential (`LoadCredential=`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    /// The secret itself. For trying things out: whoever reads the file has it.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "mask")]
    #[schemars(with = "Option<String>", extend("x-warn" = "whoever can read this file has the secret"))]
    pub literal: Option<Secret>,
}

impl SecretSource {
    /// A secret in a file, made on first use.
    pub fn created_at(path: impl Into<PathBuf>) -> Self {
        Self {
            file: Some(FilePath::from(path.into())),
            create: true,
            ..Self::default()
        }
    }

    /// Fetches the secret; with `create`, makes it first. Two processes that make the same file agree on one secret.
    pub fn resolve(&self) -> Result<Secret, SecretError> {
        let text = match (&self.file, &self.env, &self.credential, &self.literal) {
            (Some(path), None, None, None) => self.read_or_create(path.as_path())?,
            (None, Some(name), None, None) => from_variable(name)?,
            (None, None, Some(name), None) => from_credential(name)?,
            (None, None, None, Some(secret)) => return Ok(secret.clone()),
            _ => return Err(SecretError::NotOneSource),
        };
        if text.reveal().is_empty() {
            Err(SecretError::Empty)
        } else {
            Ok(text)
        }
    }

    fn read_or_create(&self, path: &Path) -> Result<Secret, SecretError> {
        match read(path) {
            Err(SecretError::Read { source, .. })
                if self.create && source.kind() == io::ErrorKind::NotFound =>
            {
                create(path)?;
                read(path)
            }
            result => result,
        }
    }
}

/// Why a secret could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// None of the sources is given, or more than one.
    #[error("write exactly one of `file`, `env`, `credential` and `literal`")]
    NotOneSource,
    /// The source exists and holds nothing.
    #[error("the secret is empty")]
    Empty,
    /// The file cannot be read.
    #[error("read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file cannot be made.
    #[error("create {path}")]
    Create {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Everybody on the machine can read the file.
    #[error("{path} can be read by every user of this machine: run `chmod 600 {path}`")]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// The variable is not set, or not text.
    #[error("the environment variable {0} is not set")]
    NoVariable(String),
    /// Not started by systemd with that credential.
    #[error("no credential {0:?}: it comes from `LoadCredential={0}:/path` in the systemd unit")]
    NoCredential(String),
}

/// An environment variable, if it is set to text. Nothing else in the program reads the environment.
pub fn variable(name: &str) -> Option<String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "only settings reads the environment"
    )]
    std::env::var(name).ok()
}

fn from_variable(name: &str) -> Result<Secret, SecretError> {
    variable(name)
        .map(Secret::new)
        .ok_or_else(|| SecretError::NoVariable(name.to_owned()))
}

fn from_credential(name: &str) -> Result<Secret, SecretError> {
    let missing = || SecretError::NoCredential(name.to_owned());
    // A credential is a file name, never a path out of the folder.
    if name.is_empty() || name.contains('/') || name.starts_with('.') {
        return Err(missing());
    }
    let folder = variable("CREDENTIALS_DIRECTORY").ok_or_else(missing)?;
    read(&Path::new(&folder).join(name))
}

fn read(path: &Path) -> Result<Secret, SecretError> {
    let failed = |source| SecretError::Read {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(failed)?;
    // Asked of the open file, so that it cannot be exchanged between the question and the reading.
    let mode = file.metadata().map_err(failed)?.permissions().mode();
    if mode & 0o004 != 0 {
        return Err(SecretError::Exposed {
            path: path.to_owned(),
        });
    }
    let text = Zeroizing::new(io::read_to_string(file).map_err(failed)?);
    Ok(Secret::new(text.trim_end_matches(['\n', '\r'])))
}

/// Writes the whole secret under another name and links it into place, so that nobody reads half of it. Whoever comes
/// second leaves the file of the first alone.
fn create(path: &Path) -> Result<(), SecretError> {
    let failed = |source| SecretError::Create {
        path: path.to_owned(),
        source,
    };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut bytes = Zeroizing::new([0_u8; 32]);
    rand::fill(bytes.as_mut()).map_err(|_| failed(io::Error::other("no randomness")))?;
    let text = Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_ref()) + "\n");

    let draft = draft_of(path).map_err(failed)?;
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())
                .and_then(|()| file.sync_all())
        })
        .and_then(|()| fs::hard_link(&draft, path));
    // Nothing depends on whether the draft could be removed.
    let _ = fs::remove_file(&draft);
    match written {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other.map_err(failed),
    }
}

/// A name beside `path` that nobody else uses.
fn draft_of(path: &Path) -> io::Result<PathBuf> {
    let mut bytes = [0_u8; 8];
    rand::fill(&mut bytes).map_err(|_| io::Error::other("no randomness"))?;
    let mut name = path.file_name().map(OsString::from).unwrap_or_default();
    name.push(format!(".{}", URL_SAFE_NO_PAD.encode(bytes)));
    Ok(path.with_file_name(name))
}

#[expect(clippy::ref_option, reason = "the signature serde asks for")]
fn mask<S: Serializer>(_: &Option<Secret>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str("********")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_file_is_made_once_and_only_for_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/shop.secret");
        let source = SecretSource::created_at(&path);
        let first = source.resolve().unwrap();
        assert_eq!(first.reveal().len(), 43);
        assert!(source.resolve().unwrap().matches(first.reveal().as_bytes()));
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(
            fs::read_dir(path.parent().unwrap()).unwrap().count(),
            1,
            "no draft is left"
        );
    }

    #[test]
    fn racing_processes_agree_on_one_secret() {
        let folder = tempfile::tempdir().unwrap();
        let source = SecretSource::created_at(folder.path().join("s"));
        let secrets: Vec<_> = std::thread::scope(|scope| {
            let racers: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| source.resolve().unwrap()))
                .collect();
            racers
                .into_iter()
                .map(|racer| racer.join().unwrap())
                .collect()
        });
        assert!(
            secrets
                .iter()
                .all(|secret| secret.matches(secrets[0].reveal().as_bytes()))
        );
    }

    #[test]
    fn a_file_that_everybody_can_read_is_refused_with_the_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        fs::write(&path, "hunter2\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let source = SecretSource {
            file: Some(path.clone().into()),
            ..SecretSource::default()
        };
        let error = source.resolve().unwrap_err().to_string();
        assert!(
            error.ends_with(&format!("run `chmod 600 {}`", path.display())),
            "{error}"
        );
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(source.resolve().unwrap().reveal(), "hunter2");
    }

    #[test]
    fn a_secret_has_exactly_one_source_and_is_not_empty() {
        assert!(matches!(
            SecretSource::default().resolve(),
            Err(SecretError::NotOneSource)
        ));
        let two = SecretSource {
            env: Some("A".into()),
            ..SecretSource::created_at("b")
        };
        assert!(matches!(two.resolve(), Err(SecretError::NotOneSource)));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        fs::write(&path, "\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let source = SecretSource {
            file: Some(path.into()),
            ..SecretSource::default()
        };
        assert!(matches!(source.resolve(), Err(SecretError::Empty)));
    }

    #[test]
    fn a_secret_written_in_the_file_is_not_shown_again() {
        let source = SecretSource {
            literal: Some(Secret::new("hunter2")),
            ..SecretSource::default()
        };
        assert_eq!(
            serde_json::to_string(&source).unwrap(),
            r#"{"literal":"********"}"#
        );
    }
}
