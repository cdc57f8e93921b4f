//! The store: an enum of its engines, and the list of everything that can happen in it.

use std::path::Path;

use super::sqlite::Sqlite;
use super::{
    Account, AccountId, Addition, Client, FormerSecret, Status, StoreError, StoreSettings,
    StoredKey,
};
use crate::token::{Digest, Scope, Secret};

/// What must survive a restart. A clone is the same store.
#[derive(Clone, Debug)]
pub enum Store {
    /// One file, one process that writes (and the command line beside it).
    Sqlite(Sqlite),
}

impl Store {
    /// Opens the store that the settings name, makes it if it is not there, and brings its schema up to date.
    pub async fn open(settings: &StoreSettings, data_dir: &Path) -> Result<Self, StoreError> {
        Sqlite::open(settings.file(data_dir)?)
            .await
            .map(Self::Sqlite)
    }

    /// Finishes what was begun and closes. Everything asked afterwards is [`StoreError::Closed`].
    pub async fn close(&self) {
        match self {
            Self::Sqlite(sqlite) => sqlite.close().await,
        }
    }

    /// Whether the store can be read and written now.
    pub async fn ping(&self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.ping().await,
        }
    }

    /// Reads everything through and looks for damage. Takes long; for the command line.
    pub async fn integrity(&self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.integrity().await,
        }
    }
}

/// Accounts.
impl Store {
    /// Adds an account, unless its name is taken in its realm.
    pub async fn add_account(&self, account: Account) -> Result<Addition, StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.add_account(account).await,
        }
    }

    /// The account of this name.
    pub async fn account_by_name(
        &self,
        realm: &str,
        name: &str,
    ) -> Result<Option<Account>, StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.account_by_name(realm, name).await,
        }
    }

    /// The account that logs in with this key.
    pub async fn account_by_key(
        &self,
        realm: &str,
        key: &str,
    ) -> Result<Option<Account>, StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.account_by_key(realm, key).await,
        }
    }

    /// All accounts of a realm, by name.
    pub async fn accounts(&self, realm: &str) -> Result<Vec<Account>, StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.accounts(realm).await,
        }
    }

    /// Gives an account another password and, in the same breath, voids its refresh tokens. False: no such account.
    pub async fn set_password(&self, id: AccountId, password: Secret) -> Result<bool, StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.set_password(id, password).await,
        }
    }

    /// Exchanges the hash of an unchanged password for a better one, unless somebody else was faster.
    pub async fn rehash_password(
        &self,
        id: AccountId,
        from: Secret,
        to: Secret,
    ) -> Result<bool, StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.rehash_password(id, from, to).await,
        }
    }

    /// Says what the tokens of an account may do from now on. False: no such account.
    pub async fn set_scope(&self, id: AccountId, scope: Scope) -> Result<bool, StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.set_scope(id, scope).await,
        }
    }

    /// Disables an account, or enables it again. False: no such account.
    pub async fn set_account_status(
        &self,
        id: AccountId,
        status: Status,
    ) -> Result<bool, StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.set_account_status(id, status).await,
        }
    }

    /// Voids the refresh tokens of an account, and returns its new generation. None: no such account.
    pub async fn bump_generation(&self, id: AccountId) -> Result<Option<u32>, StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.bump_generation(id).await,
        }
    }
}

/// Clients.
impl Store {
    /// Adds a client, unless its name is taken.
    pub async fn add_client(&self, client: Client) -> Result<Addition, StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.add_client(client).await,
        }
    }

    /// The client of this name.
    pub async fn client(&self, name: &str) -> Result<Option<Client>, StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.client(name).await,
        }
    }

    /// All clients, by name.
    pub async fn clients(&self) -> Result<Vec<Client>, StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.clients().await,
        }
    }

    /// Gives a client another secret; the `former` one may stay good for a while. It is kept only if it is still the
    /// client's secret, so two rotations at once do not lose one. False: no such client, or somebody else was faster.
    pub async fn set_client_secret(
        &self,
        name: &str,
        secret: Digest,
        former: FormerSecret,
    ) -> Result<bool, StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.set_client_secret(name, secret, former).await,
        }
    }

    /// Disables a client, or enables it again. False: no such client.
    pub async fn set_client_status(&self, name: &str, status: Status) -> Result<bool, StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.set_client_status(name, status).await,
        }
    }

    /// Forgets a client. False: no such client.
    pub async fn remove_client(&self, name: &str) -> Result<bool, StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.remove_client(name).await,
        }
    }
}

/// Signing keys.
impl Store {
    /// All keys of a realm, oldest first.
    pub async fn keys(&self, realm: &str) -> Result<Vec<StoredKey>, StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.keys(realm).await,
        }
    }

    /// Adds an active key, unless its realm and algorithm have one, and returns the one that is active now: processes
    /// that start together agree on it.
    pub async fn add_key(&self, key: StoredKey) -> Result<StoredKey, StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.add_key(key).await,
        }
    }
}
