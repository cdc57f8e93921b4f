//! Which person is asking: registration, login, and what the operator does with accounts.

use super::hashing::{Hashing, Verdict};
use super::{IssueError, audit, random};
use crate::store::{Account, AccountId, Addition, Status, Store};
use crate::token::{Scope, Secret, Timestamp};

/// The people known to the mounts; each mount is a realm with names of its own.
#[derive(Clone, Debug)]
pub struct Accounts {
    store: Store,
    hashing: Hashing,
}

impl Accounts {
    /// The accounts of this store.
    pub const fn new(store: Store, hashing: Hashing) -> Self {
        Self { store, hashing }
    }

    /// Makes an account with no scope, and the key its owner logs in with: the name and 32 random characters.
    pub async fn register(
        &self,
        realm: &str,
        name: &str,
        password: Secret,
        now: Timestamp,
    ) -> Result<Account, IssueError> {
        if !is_usable_name(name) || !is_usable_password(&password) {
            return Err(IssueError::UnusableName);
        }
        let account = Account {
            id: AccountId::from_bytes(random::bytes()?),
            realm: realm.to_owned(),
            name: name.to_owned(),
            key: format!("{name}-{}", random::base62(KEY_TAIL)?),
            password: self.hashing.hash(password).await?,
            scope: Scope::empty(),
            generation: 0,
            status: Status::Active,
            created_at: now,
            email: None,
            title: None,
            owner: None,
            totp: None,
            must_reset: false,
        };
        match self.store.add_account(account.clone()).await? {
            Addition::Added => Ok(account),
            Addition::NameTaken => Err(IssueError::NameTaken),
        }
    }

    /// The active account with this key and this password.
    pub async fn login(
        &self,
        realm: &str,
        key: &str,
        password: Option<Secret>,
    ) -> Result<Account, IssueError> {
        let found = self.store.account_by_key(realm, key).await?;
        self.authenticate(found, password).await
    }

    /// The active account with this name and this password.
    pub async fn recover(
        &self,
        realm: &str,
        name: &str,
        password: Option<Secret>,
    ) -> Result<Account, IssueError> {
        let found = self.store.account_by_name(realm, name).await?;
        self.authenticate(found, password).await
    }

    /// Unknown, wrong and disabled take the same time and get the same answer.
    async fn authenticate(
        &self,
        found: Option<Account>,
        password: Option<Secret>,
    ) -> Result<Account, IssueError> {
        let password = password
            .filter(is_usable_password)
            .ok_or(IssueError::InvalidCredentials)?;
        let kept = found.as_ref().map(|account| account.password.clone());
        let verdict = self.hashing.verify(password, kept).await?;
        let account = found
            .filter(|account| account.status == Status::Active)
            .ok_or(IssueError::InvalidCredentials)?;
        match verdict {
            Verdict::Wrong => return Err(IssueError::InvalidCredentials),
            Verdict::Right => {}
            Verdict::RightButOutdated(better) => {
                let from = account.password.clone();
                self.store.rehash_password(account.id, from, better).await?;
            }
        }
        Ok(account)
    }
}

/// What the operator does.
impl Accounts {
    /// Gives an account another password and voids its refresh tokens. False: no such account.
    pub async fn set_password(
        &self,
        realm: &str,
        name: &str,
        password: Secret,
    ) -> Result<bool, IssueError> {
        if !is_usable_password(&password) {
            return Err(IssueError::UnusableName);
        }
        let Some(account) = self.store.account_by_name(realm, name).await? else {
            return Ok(false);
        };
        let phc = self.hashing.hash(password).await?;
        let changed = self.store.set_password(account.id, phc).await?;
        audit::account_changed(realm, name, "password");
        Ok(changed)
    }

    /// Says what an account's tokens may do from its next one on. False: no such account.
    pub async fn set_scope(
        &self,
        realm: &str,
        name: &str,
        scope: Scope,
    ) -> Result<bool, IssueError> {
        let Some(account) = self.store.account_by_name(realm, name).await? else {
            return Ok(false);
        };
        let changed = self.store.set_scope(account.id, scope).await?;
        audit::account_changed(realm, name, "scope");
        Ok(changed)
    }

    /// Disables an account or enables it again; while it is disabled it gets no token. False: no such account.
    pub async fn set_status(
        &self,
        realm: &str,
        name: &str,
        status: Status,
    ) -> Result<bool, IssueError> {
        let Some(account) = self.store.account_by_name(realm, name).await? else {
            return Ok(false);
        };
        let changed = self.store.set_account_status(account.id, status).await?;
        audit::account_changed(
            realm,
            name,
            match status {
                Status::Active => "enabled",
                Status::Disabled => "disabled",
            },
        );
        Ok(changed)
    }

    /// Voids an account's refresh tokens; the next login gets a new one. False: no such account.
    pub async fn revoke(&self, realm: &str, name: &str) -> Result<bool, IssueError> {
        let Some(account) = self.store.account_by_name(realm, name).await? else {
            return Ok(false);
        };
        let changed = self.store.bump_generation(account.id).await?;
        audit::account_changed(realm, name, "refresh tokens revoked");
        Ok(changed.is_some())
    }
}

/// Any text that is not blank, as its owner wrote it: not trimmed, and `Ada` is not `ada`.
fn is_usable_name(name: &str) -> bool {
    !name.trim().is_empty() && name.len() <= NAME_MAX && !name.chars().any(char::is_control)
}

fn is_usable_password(password: &Secret) -> bool {
    let password = password.reveal();
    !password.trim().is_empty() && password.len() <= PASSWORD_MAX
}

/// In bytes.
const NAME_MAX: usize = 256;
const PASSWORD_MAX: usize = 1024;
/// How many random characters follow the name in an account's key: 190 bits.
const KEY_TAIL: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_any_text_that_is_not_blank() {
        for name in ["ada", " ada ", "Ада", "a@b", &"x".repeat(256)] {
            assert!(is_usable_name(name), "{name:?}");
        }
        for name in [
            "",
            "  ",
            "\t",
            "a\nb",
            "a\0",
            "a\u{7f}",
            "a\u{85}",
            &"x".repeat(257),
        ] {
            assert!(!is_usable_name(name), "{name:?}");
        }
    }
}
