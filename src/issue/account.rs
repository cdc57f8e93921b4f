//! Which person is asking: registration, login, and what the operator does with accounts.

use super::hashing::{Hashing, Verdict};
use super::{Circumstances, IssueError, audit, random};
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

    /// The threads that hash their passwords.
    pub const fn hashing(&self) -> &Hashing {
        &self.hashing
    }

    pub(super) const fn store(&self) -> &Store {
        &self.store
    }

    /// Learns what passwords from elsewhere cost to compare with, if there are any, so that no answer tells.
    pub async fn acquaint(&self) -> Result<(), IssueError> {
        let foreign = self.store.foreign_passwords(SAMPLE).await?;
        self.hashing.acquaint(foreign).await
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
        let id = AccountId::from_bytes(random::bytes()?);
        let account = Account {
            key: format!("{name}-{}", random::base62(KEY_TAIL)?),
            password: self.hashing.hash(password).await?,
            ..Account::new(id, realm, name, now)
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
        at: impl Into<Circumstances>,
    ) -> Result<Account, IssueError> {
        let found = self.store.account_by_key(realm, key).await?;
        let claim = Claim {
            realm,
            name: key,
            password,
        };
        self.prove(found, claim, at.into()).await
    }

    /// The active account with this name and this password.
    pub async fn recover(
        &self,
        realm: &str,
        name: &str,
        password: Option<Secret>,
        at: impl Into<Circumstances>,
    ) -> Result<Account, IssueError> {
        let found = self.store.account_by_name(realm, name).await?;
        let claim = Claim {
            realm,
            name,
            password,
        };
        self.prove(found, claim, at.into()).await
    }

    /// The account that was found for a claim, if it is active and the password is its own. Unknown, wrong and disabled
    /// take the same time and get the same answer; so do right and wrong while the name has to wait.
    ///
    /// A failure counts against the name and the address. A success is forgiven at once, but where there is a second
    /// factor it takes [`Accounts::second_factor`] too.
    pub(super) async fn prove(
        &self,
        found: Option<Account>,
        claim: Claim<'_>,
        at: Circumstances,
    ) -> Result<Account, IssueError> {
        let lockout = self.hashing.lockout();
        let name = found.as_ref().map_or(claim.name, |account| &account.name);
        let attempt = lockout.attempt(claim.realm, name, at);
        lockout.admit(&attempt)?;
        let password = claim.password.filter(is_usable_password);
        let password = password.ok_or(IssueError::InvalidCredentials)?;
        let account = found.filter(|account| {
            account.status == Status::Active && !account.password.reveal().is_empty()
        });
        let kept = account.as_ref().map(|account| account.password.clone());
        let verdict = self.hashing.verify(password, kept).await?;
        let (Verdict::Right | Verdict::RightButOutdated(_), Some(account)) = (&verdict, account)
        else {
            lockout.failed(&attempt);
            return Err(IssueError::InvalidCredentials);
        };
        if account.totp.is_none() {
            lockout.succeeded(&attempt);
        }
        if let Verdict::RightButOutdated(better) = verdict {
            let from = account.password.clone();
            if self.store.rehash_password(account.id, from, better).await? {
                audit::account_changed(claim.realm, &account.name, "password hashed anew");
            }
        }
        Ok(account)
    }

    /// Counts what became of the second factor of an account whose password was right: guessing one is guessing too.
    pub fn second_factor(&self, account: &Account, at: Circumstances, is_right: bool) {
        let lockout = self.hashing.lockout();
        let attempt = lockout.attempt(&account.realm, &account.name, at);
        if is_right {
            lockout.succeeded(&attempt);
        } else {
            lockout.failed(&attempt);
        }
    }
}

/// Somebody says who they are.
#[derive(Clone, Debug)]
pub(super) struct Claim<'a> {
    /// The mount.
    pub(super) realm: &'a str,
    /// What they call themselves, as they wrote it.
    pub(super) name: &'a str,
    /// Their password; absent is as wrong as wrong.
    pub(super) password: Option<Secret>,
}

/// What the operator does.
impl Accounts {
    /// Gives an account another password and voids its refresh tokens; a reset that was required is done. False: no such
    /// account.
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

    /// Lets the password of an account do nothing but be replaced. False: no such account.
    pub async fn require_reset(&self, realm: &str, name: &str) -> Result<bool, IssueError> {
        let Some(account) = self.store.account_by_name(realm, name).await? else {
            return Ok(false);
        };
        let changed = self.store.set_must_reset(account.id, true).await?;
        audit::account_changed(realm, name, "reset required");
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
pub(super) fn is_usable_name(name: &str) -> bool {
    !name.trim().is_empty() && name.len() <= NAME_MAX && !name.chars().any(char::is_control)
}

pub(super) fn is_usable_password(password: &Secret) -> bool {
    let password = password.reveal();
    !password.trim().is_empty() && password.len() <= PASSWORD_MAX
}

/// How many passwords from elsewhere are looked at, to learn what kinds there are.
const SAMPLE: u32 = 256;
/// In bytes.
const NAME_MAX: usize = 256;
const PASSWORD_MAX: usize = 1024;
/// How many random characters follow the name in an account's key: 190 bits.
pub(super) const KEY_TAIL: usize = 32;

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
