//! Which program is asking (RFC 6749 §2.3).
//!
//! Clients stand in the operator's file, or were added to the store while Tollgate ran; a name stands in one place only.
//! Of a secret only the SHA-256 is kept. An unknown client costs what a wrong secret costs.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::assertion::{Assertion, AssertionKeysError, ClientKeys};
use super::client_settings::{ClientAuth, ClientSettings, HandoffSettings, WalletSettings};
use super::{
    ClientCredentials, ClientProof, Grant, IssueError, LocalIssuer, StartError, audit, random,
};
use crate::settings::{SecretError, SecretSource};
use crate::store::{Addition, Client, FormerSecret, Status, Store};
use crate::token::{Digest, DigestHasher, Scope, Secret, Timestamp};
use aws_lc_rs::constant_time;

/// The programs that may ask for tokens. A clone is the same.
#[derive(Clone, Debug)]
pub struct Clients {
    listed: Arc<HashMap<String, KnownClient>>,
    store: Store,
    missing: Missing,
}

/// A client, from wherever it is known.
#[derive(Clone, Debug)]
pub struct KnownClient {
    /// Its identifier.
    pub name: String,
    /// What it is called on the pages that people see.
    pub title: String,
    /// The most its tokens may do.
    pub scope: Scope,
    /// The grants it may use.
    pub grants: Vec<Grant>,
    /// Where people may be sent back to, compared byte for byte.
    pub redirect_uris: Vec<String>,
    /// Whether people are not asked for their consent.
    pub trusted: bool,
    /// Whether it cannot prove which client it is (RFC 6749 §2.1).
    pub is_public: bool,
    /// The messages of wallets it may open sessions with.
    pub wallets: Option<WalletSettings>,
    /// Where its sessions may be handed over to.
    pub handoff: Option<HandoffSettings>,
    proof: ExpectedProof,
    status: Status,
    /// The mount it registered itself at, which alone it is known to.
    pub(super) registered_at: Option<String>,
}

/// What a client must show to prove which one it is.
#[derive(Clone, Debug)]
enum ExpectedProof {
    /// Nothing: nobody else's secret would be believed either.
    Nothing,
    Secret(KnownSecret),
    /// A JWT that one of these keys signed.
    Assertion(Arc<ClientKeys>),
}

#[derive(Clone, Debug)]
struct KnownSecret {
    digest: Digest,
    former: Option<FormerSecret>,
    /// Where it must come in the request; none if either place will do.
    in_header: Option<bool>,
}

impl Clients {
    /// The clients of the operator's file and of the store. Fetches the secrets, and refuses a name that is in both.
    pub async fn open(
        settings: &BTreeMap<String, ClientSettings>,
        store: Store,
    ) -> Result<Self, StartError> {
        let mut listed = HashMap::with_capacity(settings.len());
        for (name, client) in settings {
            if store.client(name).await?.is_some() {
                return Err(StartError::ClientTwice(name.clone()));
            }
            listed.insert(name.clone(), KnownClient::listed(name, client)?);
        }
        Ok(Self {
            listed: Arc::new(listed),
            store,
            missing: Missing::default(),
        })
    }

    /// The client that these credentials are of. Whoever it is not, and whatever is wrong, is one refusal.
    pub(super) async fn authenticate(
        &self,
        credentials: &ClientCredentials,
        issuer: &LocalIssuer,
        now: Timestamp,
    ) -> Result<KnownClient, IssueError> {
        let listed = self.listed.get(&credentials.id);
        if let Some(client) = listed
            && self.is_proven(client, credentials, issuer, now).await?
        {
            return Ok(client.clone());
        }
        let refused = Err(IssueError::InvalidClient {
            in_header: credentials.in_header,
        });
        // Asked for a listed client too, whose secret was wrong: a refusal takes the same time whoever is refused.
        let stored = self.stored(&credentials.id, now).await;
        if listed.is_some() {
            return refused;
        }
        match stored? {
            Some(client) if self.is_proven(&client, credentials, issuer, now).await? => Ok(client),
            _ => refused,
        }
    }

    /// The client of this name, if it may be served; it has proven nothing.
    pub async fn find(&self, id: &str) -> Result<Option<KnownClient>, IssueError> {
        let found = match self.listed.get(id) {
            Some(client) => Some(client.clone()),
            None => self.store.client(id).await?.map(KnownClient::stored),
        };
        Ok(found.filter(|client| client.status == Status::Active))
    }

    async fn stored(&self, id: &str, now: Timestamp) -> Result<Option<KnownClient>, IssueError> {
        if self.missing.has(id, now) {
            return Ok(None);
        }
        let stored = self.store.client(id).await?;
        if stored.is_none() {
            self.missing.note(id, now);
        }
        Ok(stored.map(KnownClient::stored))
    }

    async fn is_proven(
        &self,
        client: &KnownClient,
        credentials: &ClientCredentials,
        issuer: &LocalIssuer,
        now: Timestamp,
    ) -> Result<bool, IssueError> {
        if client.status != Status::Active || !client.is_for(issuer) {
            return Ok(false);
        }
        match (&client.proof, &credentials.proof) {
            (ExpectedProof::Nothing, ClientProof::Nothing) => Ok(true),
            (ExpectedProof::Secret(known), ClientProof::Secret(secret)) => {
                Ok(known.is(secret, credentials.in_header, now))
            }
            (ExpectedProof::Assertion(keys), ClientProof::Assertion(assertion)) => {
                let assertion = Assertion {
                    text: assertion,
                    client: &client.name,
                };
                let keys = keys.current(now);
                assertion.holds(&keys, &self.store, issuer, now).await
            }
            _ => Ok(false),
        }
    }
}

/// A client to be added to the store.
#[derive(Clone, Debug)]
pub struct NewClient {
    /// Its identifier: visible ASCII.
    pub name: String,
    /// The most its tokens may do.
    pub scope: Scope,
    /// The grants it may use.
    pub grants: Vec<Grant>,
}

/// What the operator does.
impl Clients {
    /// Adds a client to the store, and returns the secret that was made for it: it cannot be had again.
    pub async fn add(&self, new: NewClient, now: Timestamp) -> Result<Secret, IssueError> {
        if !is_usable_name(&new.name) {
            return Err(IssueError::UnusableName);
        }
        if self.listed.contains_key(&new.name) {
            return Err(IssueError::NameTaken);
        }
        let secret = Secret::new(random::base62(SECRET_LEN)?);
        let client = Client {
            name: new.name.clone(),
            secret: Some(Digest::of(secret.reveal().as_bytes())),
            former: None,
            scope: new.scope,
            grants: new
                .grants
                .iter()
                .map(|grant| grant.word().to_owned())
                .collect(),
            status: Status::Active,
            created_at: now,
            redirect_uris: Vec::new(),
            title: None,
            registered_at: None,
        };
        match self.store.add_client(client).await? {
            Addition::NameTaken => Err(IssueError::NameTaken),
            Addition::Added => {
                self.missing.strike(&new.name);
                audit::client_changed(&new.name, "added");
                Ok(secret)
            }
        }
    }

    /// Gives a client of the store another secret; the old one stays good for `overlap`. None: no such client, or
    /// somebody else rotated at the same moment.
    pub async fn rotate_secret(
        &self,
        name: &str,
        overlap: Duration,
        now: Timestamp,
    ) -> Result<Option<Secret>, IssueError> {
        let Some(former) = self.store.client(name).await?.and_then(|c| c.secret) else {
            return Ok(None);
        };
        let secret = Secret::new(random::base62(SECRET_LEN)?);
        let former = FormerSecret {
            digest: former,
            until: now.plus(overlap),
        };
        let digest = Digest::of(secret.reveal().as_bytes());
        if !self.store.set_client_secret(name, digest, former).await? {
            return Ok(None);
        }
        audit::client_changed(name, "secret rotated");
        Ok(Some(secret))
    }

    /// Disables a client of the store, or enables it again. False: no such client.
    pub async fn set_status(&self, name: &str, status: Status) -> Result<bool, IssueError> {
        let changed = self.store.set_client_status(name, status).await?;
        if changed {
            audit::client_changed(
                name,
                match status {
                    Status::Active => "enabled",
                    Status::Disabled => "disabled",
                },
            );
        }
        Ok(changed)
    }

    /// Removes a client from the store. False: no such client.
    pub async fn remove(&self, name: &str) -> Result<bool, IssueError> {
        let removed = self.store.remove_client(name).await?;
        if removed {
            audit::client_changed(name, "removed");
        }
        Ok(removed)
    }
}

impl KnownClient {
    fn listed(name: &str, settings: &ClientSettings) -> Result<Self, StartError> {
        let words = settings.scopes.iter().flat_map(Scope::words);
        let proof = ExpectedProof::listed(name, settings)?;
        Ok(Self {
            name: name.to_owned(),
            title: settings.title.clone().unwrap_or_else(|| name.to_owned()),
            // Each word was part of a scope already.
            scope: Scope::from_words(words).unwrap_or_else(|_| Scope::empty()),
            grants: settings.grants.clone(),
            redirect_uris: settings.redirect_uris.clone(),
            trusted: settings.trusted,
            is_public: matches!(proof, ExpectedProof::Nothing),
            wallets: settings.wallets.clone(),
            handoff: settings.handoff.clone(),
            proof,
            status: Status::Active,
            registered_at: None,
        })
    }

    fn stored(client: Client) -> Self {
        let proof = client.secret.map_or(ExpectedProof::Nothing, |digest| {
            ExpectedProof::Secret(KnownSecret {
                digest,
                former: client.former,
                in_header: None,
            })
        });
        Self {
            title: client.title.unwrap_or_else(|| client.name.clone()),
            name: client.name,
            scope: client.scope,
            grants: client
                .grants
                .iter()
                .filter_map(|word| Grant::from_word(word))
                .collect(),
            redirect_uris: client.redirect_uris,
            trusted: false,
            is_public: matches!(proof, ExpectedProof::Nothing),
            wallets: None,
            handoff: None,
            proof,
            status: client.status,
            registered_at: client.registered_at,
        }
    }
}

impl ExpectedProof {
    fn listed(name: &str, settings: &ClientSettings) -> Result<Self, StartError> {
        let in_header = match settings.auth {
            Some(ClientAuth::None) => return Ok(Self::Nothing),
            Some(ClientAuth::PrivateKeyJwt) => {
                let keys = settings.jwks.as_ref().ok_or(AssertionKeysError::Missing);
                let keys = keys.and_then(|path| ClientKeys::open(path.as_path()));
                return keys
                    .map(|keys| Self::Assertion(Arc::new(keys)))
                    .map_err(|source| StartError::ClientKeys {
                        name: name.to_owned(),
                        source,
                    });
            }
            Some(ClientAuth::Basic) => Some(true),
            Some(ClientAuth::Post) => Some(false),
            None => None,
        };
        let unreadable = |source| StartError::ClientSecret {
            name: name.to_owned(),
            source,
        };
        // One whose secret is missing can prove nothing, and is never served: not for want of a secret is it public.
        let secret = settings.secret.as_ref().ok_or(SecretError::NotOneSource);
        let secret = secret.and_then(SecretSource::resolve).map_err(unreadable)?;
        Ok(Self::Secret(KnownSecret {
            digest: Digest::of(secret.reveal().as_bytes()),
            former: None,
            in_header,
        }))
    }
}

impl KnownSecret {
    fn is(&self, presented: &Secret, in_header: bool, now: Timestamp) -> bool {
        let presented = Digest::of(presented.reveal().as_bytes());
        let fits = |kept: &Digest| {
            constant_time::verify_slices_are_equal(kept.bytes(), presented.bytes()).is_ok()
        };
        let still_good = self
            .former
            .is_some_and(|former| fits(&former.digest) && now < former.until);
        (fits(&self.digest) || still_good) && self.in_header.is_none_or(|place| place == in_header)
    }
}

/// Names that no client has, each remembered for a moment, so that strangers do not make the store work.
#[derive(Clone, Debug, Default)]
struct Missing(Arc<Mutex<HashMap<Digest, Timestamp, DigestHasher>>>);

impl Missing {
    fn has(&self, name: &str, now: Timestamp) -> bool {
        let names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let noted = names.get(&Digest::of(name.as_bytes()));
        noted.is_some_and(|noted| *noted <= now && now.since(*noted) < MISSING_FOR)
    }

    fn note(&self, name: &str, now: Timestamp) {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if names.len() >= MISSING_MOST {
            names.clear();
        }
        names.insert(Digest::of(name.as_bytes()), now);
    }

    fn strike(&self, name: &str) {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.remove(&Digest::of(name.as_bytes()));
    }
}

/// RFC 6749 §2.2, appendix A.1: visible ASCII.
fn is_usable_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= NAME_MAX && name.bytes().all(|byte| byte.is_ascii_graphic())
}

/// In bytes.
const NAME_MAX: usize = 256;
/// 256 bits.
const SECRET_LEN: usize = 43;
/// For how long a name is taken to be nobody's.
const MISSING_FOR: Duration = Duration::from_secs(1);
const MISSING_MOST: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issue::testing::{House, NOW, later};

    fn shown(id: &str, proof: ClientProof, in_header: bool) -> ClientCredentials {
        ClientCredentials {
            id: id.to_owned(),
            proof,
            in_header,
        }
    }

    fn secret(text: &str) -> ClientProof {
        ClientProof::Secret(Secret::new(text))
    }

    /// V02, X05, S11: what a client is set to prove itself by is the only thing that does.
    #[tokio::test]
    async fn a_client_proves_itself_as_it_was_set_to_and_in_no_other_way() {
        let house = House::new().await;
        let settings = |auth| ClientSettings {
            auth,
            secret: Some(SecretSource {
                literal: Some(Secret::new("s")),
                ..SecretSource::default()
            }),
            ..ClientSettings::default()
        };
        let listed = BTreeMap::from([
            ("basic".to_owned(), settings(Some(ClientAuth::Basic))),
            ("post".to_owned(), settings(Some(ClientAuth::Post))),
            ("either".to_owned(), settings(None)),
            ("none".to_owned(), settings(Some(ClientAuth::None))),
        ]);
        let clients = Clients::open(&listed, house.store.clone()).await.unwrap();
        for (id, proof, in_header, expected) in [
            ("basic", secret("s"), true, true),
            ("basic", secret("s"), false, false),
            ("post", secret("s"), false, true),
            ("post", secret("s"), true, false),
            ("either", secret("s"), true, true),
            ("either", secret("s"), false, true),
            ("either", secret("t"), false, false),
            ("either", ClientProof::Nothing, false, false),
            ("none", ClientProof::Nothing, false, true),
            ("none", secret("s"), true, false),
            ("nobody", ClientProof::Nothing, false, false),
        ] {
            let credentials = shown(id, proof, in_header);
            let answer = clients.authenticate(&credentials, &house.issuer, NOW).await;
            assert_eq!(answer.is_ok(), expected, "{credentials:?}");
        }
        assert!(clients.find("none").await.unwrap().unwrap().is_public);
        assert!(!clients.find("basic").await.unwrap().unwrap().is_public);
        assert!(clients.find("nobody").await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_client_that_proves_nothing_has_no_tokens_of_its_own() {
        let house = House::new().await;
        let listed = BTreeMap::from([(
            "open".to_owned(),
            ClientSettings {
                auth: Some(ClientAuth::None),
                ..ClientSettings::default()
            },
        )]);
        let clients = Clients::open(&listed, house.store.clone()).await.unwrap();
        let known = clients.find("open").await.unwrap().unwrap();
        let decided = crate::issue::grant::client_credentials::decide(&known, None);
        assert!(matches!(decided, Err(IssueError::UnauthorizedClient)));
    }

    #[tokio::test]
    async fn a_name_that_is_nobodys_is_remembered_for_a_second() {
        let house = House::new().await;
        let ask = async |now| {
            let credentials = shown("late", secret("s"), true);
            let answer = house.clients.authenticate(&credentials, &house.issuer, now);
            answer.await.is_ok()
        };
        assert!(!ask(NOW).await);
        let client = Client {
            name: "late".into(),
            secret: Some(Digest::of(b"s")),
            former: None,
            scope: Scope::empty(),
            grants: vec![],
            status: Status::Active,
            created_at: NOW,
            redirect_uris: vec![],
            title: None,
            registered_at: None,
        };
        // By another process, so that nobody here is told.
        let _added = house.store.add_client(client).await.unwrap();
        assert!(!ask(Timestamp::from_millis(NOW.millis() + 999)).await);
        assert!(ask(later(1)).await);
    }
}
