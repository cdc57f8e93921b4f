//! What outlives a configuration: the store, the keys, the mint.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::{Skew, StartError};
use crate::config::Config;
use crate::dialect::Mount;
use crate::issue::{
    Accounts, Authorizer, Clients, Hashing, KeyTerms, Keys, LocalIssuer, MasterKey, Mint,
};
use crate::store::Store;
use crate::token::{Profile, TimeSource, Timestamp};

/// What outlives a configuration. Commands that act on the store open it too, beside a running server.
#[derive(Debug)]
pub struct Kept {
    /// What must survive a restart.
    pub store: Store,
    /// The programs that may ask for tokens.
    pub clients: Clients,
    /// The people who may.
    pub accounts: Accounts,
    /// The part that people give leave through.
    pub authorizer: Authorizer,
    /// The part that answers asks.
    pub mint: Mint,
    /// The mounts by name: a dialect at a place, and ourselves as the issuer of its tokens.
    pub mounts: BTreeMap<String, Arc<Mount>>,
    /// The signing keys of each.
    pub keys: BTreeMap<String, Keys>,
}

impl Kept {
    /// Opens everything, and makes what a first run needs: data folder, master key, store, signing keys.
    ///
    /// Nothing is made in a store that other nodes share if its clock and ours differ.
    pub async fn open(config: &Config, time: &TimeSource) -> Result<Self, StartError> {
        let now = time.now();
        let data_dir = config.data_dir();
        make_folder(data_dir)?;
        let secret = config
            .server
            .master_key
            .resolve()
            .map_err(StartError::MasterKey)?;
        let master = MasterKey::read(&secret)?;
        let store = open_store(config, time).await?;
        let clients = Clients::open(&config.client, store.clone()).await?;
        let hashing = Hashing::start(&config.passwords)?;
        let mint = Mint::new(store.clone(), clients.clone(), hashing.clone(), &master)?;
        let read = mint.revocations().follow(&store, now).await;
        read.map_err(StartError::Store)?;
        let accounts = Accounts::new(store.clone(), hashing);
        let (mut mounts, mut keys) = (BTreeMap::new(), BTreeMap::new());
        let authorizer =
            Authorizer::new(store.clone(), clients.clone(), accounts.clone(), &master)?;
        for (name, settings) in &config.dialect {
            let dialect = settings.dialect(&config.mount_url(settings));
            let identifier = config.identifier_of(settings);
            let profile = dialect.profile().clone();
            let former_end = former_end(&store, name, &profile, now).await?;
            let terms = KeyTerms {
                realm: Arc::from(name.as_str()),
                algorithm: profile.algorithm,
                every: settings.rotation(&profile),
                token_lifetime: profile.access_lifetime,
                former_end,
            };
            let mount_keys = Keys::open(&store, terms, &master, now).await?;
            let issuer = LocalIssuer {
                name: Arc::from(name.as_str()),
                audience: identifier.clone(),
                identifier,
                keyring: mount_keys.keyring(),
                profile,
                register: settings.registration(),
                former_end,
            };
            let mount = Mount::new(dialect, issuer, mint.clone(), settings.prefix());
            mounts.insert(name.clone(), Arc::new(mount));
            keys.insert(name.clone(), mount_keys);
        }
        Ok(Self {
            store,
            clients,
            accounts,
            authorizer,
            mint,
            mounts,
            keys,
        })
    }
}

impl Kept {
    /// Remembers how long access tokens live, now that some are about to be issued.
    pub(super) async fn keep_lifetimes(&self) -> Result<(), StartError> {
        for mount in self.mounts.values() {
            let issuer = mount.issuer();
            let access = issuer.profile.access_lifetime;
            self.store
                .keep_lifetime(&issuer.name, access, issuer.former_end)
                .await
                .map_err(StartError::Store)?;
        }
        Ok(())
    }

    /// Takes the steps that are due for the signing keys, and takes over what other processes did with them.
    pub async fn tend_keys(&self, now: Timestamp) -> Result<(), StartError> {
        for keys in self.keys.values() {
            keys.tend(now).await?;
        }
        Ok(())
    }
}

async fn open_store(config: &Config, time: &TimeSource) -> Result<Store, StartError> {
    let store = Store::open(&config.store, config.data_dir())
        .await
        .map_err(StartError::Store)?;
    let skew = Skew::of(&store, time).await.map_err(StartError::Store)?;
    skew.map_or(Ok(store), |skew| Err(StartError::Clock(skew)))
}

async fn former_end(
    store: &Store,
    realm: &str,
    profile: &Profile,
    now: Timestamp,
) -> Result<Timestamp, StartError> {
    let read = store.former_end(realm, profile.access_lifetime, now).await;
    read.map_err(StartError::Store)
}

/// The data folder holds keys and the store: nobody else's to read.
fn make_folder(path: &Path) -> Result<(), StartError> {
    use std::os::unix::fs::DirBuilderExt;
    let made = std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path);
    made.map_err(|source| StartError::DataFolder {
        path: path.to_owned(),
        source,
    })
}
