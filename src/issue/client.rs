//! Which program is asking (RFC 6749 §2.3).
//!
//! Clients stand in the operator's file, or were added to the store while Tollgate ran; a name stands in one place only.
//! Of a secret only the SHA-256 is kept. An unknown client costs what a wrong secret costs.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::constant_time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ClientCredentials, ClientProof, Grant, IssueError, StartError, audit, random};
use crate::settings::SecretSource;
use crate::store::{Addition, Client, FormerSecret, Status, Store};
use crate::token::{Digest, Scope, Secret, Timestamp};

/// `[client.NAME]`: a program that may ask for tokens.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClientSettings {
    /// Where its secret is. A client that cannot keep one has none, and says `auth = "none"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretSource>,
    /// How it proves which client it is. Default: by its secret, in the header or in the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<ClientAuth>,
    /// The file with its public keys, a JWK set (RFC 7517), for `auth = "private_key_jwt"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks: Option<PathBuf>,
    /// The grants it may use.
    pub grants: Vec<Grant>,
    /// The most its tokens may do; what it gets if it asks for nothing in particular.
    pub scopes: Vec<Scope>,
    /// Where people may be sent back to; compared byte for byte.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub redirect_uris: Vec<String>,
    /// What it is called on the pages that people see. Default: its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Whether people are not asked for their consent. Default: false.
    pub trusted: bool,
    /// Whether it may open sessions by messages that wallets sign (EIP-4361), and for which domains.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wallets: Option<WalletSettings>,
    /// Where sessions may be handed over to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handoff: Option<HandoffSettings>,
}

/// How a client proves which one it is (RFC 6749 §2.3, RFC 7523 §2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// Not at all: it cannot keep a secret.
    None,
    /// By its secret, in the `Authorization` header.
    Basic,
    /// By its secret, in the body.
    Post,
    /// By a JWT that it signs.
    PrivateKeyJwt,
}

/// Messages that wallets sign (EIP-4361).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WalletSettings {
    /// The domains a message may name, as in `app.example.com`.
    pub domains: Vec<String>,
    /// The chains it may name. Default: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chains: Vec<u64>,
}

/// Where sessions may be handed over to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HandoffSettings {
    /// Where the browser may come back to: a URL, compared byte for byte, or the beginning of one before `*`.
    pub redirect_uris: Vec<String>,
}

/// The programs that may ask for tokens. A clone is the same.
#[derive(Clone, Debug)]
pub struct Clients {
    listed: Arc<HashMap<String, KnownClient>>,
    store: Store,
}

/// A client, from wherever it is known.
#[derive(Clone, Debug)]
pub(super) struct KnownClient {
    pub(super) name: String,
    secret: Option<Digest>,
    former: Option<FormerSecret>,
    pub(super) scope: Scope,
    pub(super) grants: Vec<Grant>,
    status: Status,
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
        })
    }

    /// The client with this name and this secret.
    pub(super) async fn authenticate(
        &self,
        credentials: &ClientCredentials,
        now: Timestamp,
    ) -> Result<KnownClient, IssueError> {
        let ClientProof::Secret(secret) = &credentials.proof else {
            return Err(IssueError::InvalidClient {
                in_header: credentials.in_header,
            });
        };
        let presented = Digest::of(secret.reveal().as_bytes());
        let listed = self.listed.get(&credentials.id);
        if let Some(client) = listed
            && client.is_proven_by(&presented, now)
        {
            return Ok(client.clone());
        }
        let refused = Err(IssueError::InvalidClient {
            in_header: credentials.in_header,
        });
        // Asked for a listed client too, whose secret was wrong: a refusal takes the same time whoever is refused.
        let stored = self.store.client(&credentials.id).await;
        if listed.is_some() {
            return refused;
        }
        match stored?.map(KnownClient::stored) {
            Some(client) if client.is_proven_by(&presented, now) => Ok(client),
            _ => refused,
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
        let unreadable = |source| StartError::ClientSecret {
            name: name.to_owned(),
            source,
        };
        let secret = settings.secret.as_ref().map(SecretSource::resolve);
        let secret = secret.transpose().map_err(unreadable)?;
        let words = settings.scopes.iter().flat_map(Scope::words);
        Ok(Self {
            name: name.to_owned(),
            secret: secret.map(|secret| Digest::of(secret.reveal().as_bytes())),
            former: None,
            // Each word was part of a scope already.
            scope: Scope::from_words(words).unwrap_or_else(|_| Scope::empty()),
            grants: settings.grants.clone(),
            status: Status::Active,
        })
    }

    fn stored(client: Client) -> Self {
        Self {
            name: client.name,
            secret: client.secret,
            former: client.former,
            scope: client.scope,
            grants: client
                .grants
                .iter()
                .filter_map(|word| Grant::from_word(word))
                .collect(),
            status: client.status,
        }
    }

    fn is_proven_by(&self, presented: &Digest, now: Timestamp) -> bool {
        let fits = |kept: &Digest| {
            constant_time::verify_slices_are_equal(kept.bytes(), presented.bytes()).is_ok()
        };
        let now_good = self.secret.as_ref().is_some_and(fits);
        let still_good = self
            .former
            .is_some_and(|former| fits(&former.digest) && now < former.until);
        (now_good || still_good) && self.status == Status::Active
    }
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            secret: None,
            auth: None,
            jwks: None,
            grants: vec![Grant::ClientCredentials],
            scopes: Vec::new(),
            redirect_uris: Vec::new(),
            title: None,
            trusted: false,
            wallets: None,
            handoff: None,
        }
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::settings::Document;

    type Named = BTreeMap<String, ClientSettings>;

    fn read(text: &str) -> (Option<Named>, Vec<String>) {
        let mut problems = Vec::new();
        let mut document = Document::default();
        document.add("tollgate.toml", Path::new("/etc"), text, &mut problems);
        let read = document.read::<Named>(&mut problems);
        let report = document.report(problems);
        (read, report.plain().lines().map(str::to_owned).collect())
    }

    #[test]
    fn a_client_needs_a_secret_and_the_rest_is_said_for_it() {
        let (read, problems) = read("[shop]\nsecret = { file = \"shop.secret\", create = true }\n");
        assert_eq!(problems, Vec::<String>::new());
        let shop = read.unwrap().remove("shop").unwrap();
        assert_eq!(shop.grants, [Grant::ClientCredentials]);
        assert!(shop.scopes.is_empty());
    }

    #[test]
    fn a_client_that_is_written_wrong_is_told_how_to_write_it() {
        let (_, problems) = read("[shop]\ngrants = [\"client_credential\"]\nscope = \"a\"\n");
        let problems = problems.join("\n");
        for remedy in ["write \"client_credentials\"", "write `scopes`"] {
            assert!(problems.contains(remedy), "{remedy} in:\n{problems}");
        }
    }
}
