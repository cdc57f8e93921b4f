//! Where the operator keeps what must survive.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::StoreError;

/// `[store]`: where accounts, clients and keys are kept.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StoreSettings {
    /// The SQLite file, relative to `server.data_dir`. It is made on first use and only its owner may read it.
    pub url: String,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            url: "sqlite:tollgate.db".to_owned(),
        }
    }
}

impl StoreSettings {
    /// The file that `url` names, taken from `data_dir` if it is relative.
    pub fn file(&self, data_dir: &Path) -> Result<PathBuf, StoreError> {
        let name = self.url.strip_prefix("sqlite:").unwrap_or_default();
        let name = name.strip_prefix("//").unwrap_or(name);
        if name.is_empty() || name.contains([':', '?']) {
            return Err(StoreError::Url(self.url.clone()));
        }
        Ok(data_dir.join(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(url: &str) -> Result<PathBuf, StoreError> {
        let url = url.to_owned();
        StoreSettings { url }.file(Path::new("/data"))
    }

    #[test]
    fn a_relative_store_lies_in_the_data_folder() {
        let default = StoreSettings::default().file(Path::new("/data")).unwrap();
        assert_eq!(default, Path::new("/data/tollgate.db"));
        assert_eq!(
            file("sqlite:deep/a.db").unwrap(),
            Path::new("/data/deep/a.db")
        );
        assert_eq!(file("sqlite:///var/a.db").unwrap(), Path::new("/var/a.db"));
    }

    #[test]
    fn what_is_no_sqlite_file_is_refused_with_an_example() {
        for url in [
            "",
            "tollgate.db",
            "postgres://host/db",
            "sqlite:",
            "sqlite::memory:",
        ] {
            let error = file(url).unwrap_err().to_string();
            assert!(error.contains("sqlite:tollgate.db"), "{error}");
        }
    }
}
