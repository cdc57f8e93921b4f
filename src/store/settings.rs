//! Where the operator keeps what must survive.

use std::fmt;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use super::StoreError;
use crate::settings::{Lifetime, SecretSource};
use crate::token::Secret;

/// `[store]`: where everything is kept that must survive.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StoreSettings {
    /// The SQLite file, relative to `server.data_dir`: made on first use, and only its owner may read it. Or the
    /// PostgreSQL database that several nodes share, as in `postgres://tollgate@db.internal/tollgate`. Over a network
    /// its certificate is verified unless `?sslmode=` says otherwise; `?sslrootcert=FILE` names another authority.
    pub url: String,
    /// The whole `url` from a secret place, in its stead: for a service that hands out the address with the password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url_from: Option<SecretSource>,
    /// The password of the PostgreSQL user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretSource>,
    /// The connections to PostgreSQL.
    pub pool: PoolSettings,
    /// What happens at start if the schema is older than this program.
    pub migrate: Migrate,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            url: "sqlite:tollgate.db".to_owned(),
            url_from: None,
            password: None,
            pool: PoolSettings::default(),
            migrate: Migrate::default(),
        }
    }
}

/// `[store.pool]`: the connections to PostgreSQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PoolSettings {
    /// How many there may be; one more does nothing but listen.
    #[schemars(range(min = 1))]
    pub max: u32,
    /// How long a free one is waited for, or a new one when there is room for it.
    pub acquire_timeout: Lifetime,
    /// How long a statement may take.
    pub statement_timeout: Lifetime,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self {
            max: 16,
            acquire_timeout: Lifetime::seconds(1),
            statement_timeout: Lifetime::seconds(5),
        }
    }
}

/// What happens at start if the schema is older than this program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Migrate {
    /// It is brought up to date.
    #[default]
    Auto,
    /// Nothing starts; `tollgate store migrate` brings it up to date.
    Check,
}

/// What the settings mean.
pub(super) enum Place {
    /// A file.
    File(PathBuf),
    /// A database on a server.
    Server(Box<PgConnectOptions>),
}

/// Without the password.
impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "File({})", path.display()),
            Self::Server(options) => write!(f, "Server({})", options.get_host()),
        }
    }
}

impl StoreSettings {
    /// A store at this address, with everything else as it is by default.
    pub fn at(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            ..Self::default()
        }
    }

    /// Where the store is; a file is taken from `data_dir` if it is relative.
    pub(super) fn place(&self, data_dir: &Path) -> Result<Place, StoreError> {
        let (url, is_secret) = match &self.url_from {
            Some(source) => (source.resolve().map_err(StoreError::Secret)?, true),
            None => (Secret::new(self.url.clone()), false),
        };
        let shown = || {
            let text = if is_secret { "url_from" } else { &self.url };
            StoreError::Url(text.to_owned())
        };
        let url = url.reveal();
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return file(url, data_dir).map(Place::File).ok_or_else(shown);
        }
        let parsed = url::Url::parse(url).map_err(|_| StoreError::Address)?;
        if !is_secret && parsed.password().is_some() {
            return Err(StoreError::PasswordInUrl);
        }
        let mut options: PgConnectOptions = url.parse().map_err(|_| StoreError::Address)?;
        if let Some(source) = &self.password {
            let password = source.resolve().map_err(StoreError::Secret)?;
            options = options.password(password.reveal());
        }
        let says_itself = parsed
            .query_pairs()
            .any(|(name, _)| matches!(&*name, "sslmode" | "ssl-mode"));
        if !says_itself && !is_here(&options) {
            options = options.ssl_mode(PgSslMode::VerifyFull);
        }
        Ok(Place::Server(Box::new(options)))
    }
}

fn file(url: &str, data_dir: &Path) -> Option<PathBuf> {
    let name = url.strip_prefix("sqlite:")?;
    let name = name.strip_prefix("//").unwrap_or(name);
    let is_name = !name.is_empty() && !name.contains([':', '?']);
    is_name.then(|| data_dir.join(name))
}

/// Whether the way to the server leaves this machine not.
fn is_here(options: &PgConnectOptions) -> bool {
    options.get_socket().is_some()
        || matches!(
            options.get_host(),
            "localhost" | "127.0.0.1" | "::1" | "[::1]"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(url: &str) -> Result<Place, StoreError> {
        StoreSettings::at(url).place(Path::new("/data"))
    }

    fn file(url: &str) -> PathBuf {
        match place(url).unwrap() {
            Place::File(path) => path,
            Place::Server(options) => panic!("{}", options.get_host()),
        }
    }

    fn server(url: &str) -> PgConnectOptions {
        match place(url).unwrap() {
            Place::Server(options) => *options,
            Place::File(path) => panic!("{path:?}"),
        }
    }

    #[test]
    fn a_relative_store_lies_in_the_data_folder() {
        assert_eq!(
            file(&StoreSettings::default().url),
            Path::new("/data/tollgate.db")
        );
        assert_eq!(file("sqlite:deep/a.db"), Path::new("/data/deep/a.db"));
        assert_eq!(file("sqlite:///var/a.db"), Path::new("/var/a.db"));
    }

    #[test]
    fn what_is_no_store_is_refused_with_an_example() {
        for url in [
            "",
            "tollgate.db",
            "mysql://host/db",
            "sqlite:",
            "sqlite::memory:",
        ] {
            let error = place(url).unwrap_err().to_string();
            assert!(error.contains("sqlite:tollgate.db"), "{error}");
            assert!(error.contains("postgres://"), "{error}");
        }
    }

    #[test]
    fn over_a_network_the_certificate_is_verified_unless_the_url_says_otherwise() {
        for (url, mode) in [
            (
                "postgres://tollgate@db.internal/tollgate",
                PgSslMode::VerifyFull,
            ),
            (
                "postgres://tollgate@db.internal/t?sslmode=disable",
                PgSslMode::Disable,
            ),
            ("postgres://tollgate@localhost/t", PgSslMode::Prefer),
            (
                "postgres://tollgate@localhost/t?host=/run/postgresql",
                PgSslMode::Prefer,
            ),
        ] {
            let found = server(url).get_ssl_mode();
            assert_eq!(format!("{found:?}"), format!("{mode:?}"), "{url}");
        }
    }

    #[test]
    fn a_password_in_the_url_is_refused_and_not_shown() {
        let error = place("postgres://tollgate:hunter2@db.internal/tollgate").unwrap_err();
        let sentence = error.to_string();
        assert!(sentence.contains("password = { file"), "{sentence}");
        assert!(!format!("{error:?} {sentence}").contains("hunter2"));
    }

    #[test]
    fn an_address_with_a_password_may_come_from_a_secret_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("url");
        std::fs::write(&path, "postgres://tollgate:hunter2@db.internal/tollgate\n").unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&path, mode).unwrap();
        let settings = StoreSettings {
            url_from: Some(SecretSource {
                file: Some(path.clone().into()),
                ..SecretSource::default()
            }),
            ..StoreSettings::default()
        };
        let place = settings.place(Path::new("/data")).unwrap();
        assert!(matches!(place, Place::Server(options) if options.get_host() == "db.internal"));
        std::fs::write(&path, "mysql://tollgate:hunter2@db.internal/").unwrap();
        let error = settings.place(Path::new("/data")).unwrap_err();
        assert!(!format!("{error:?} {error}").contains("hunter2"));
    }
}
