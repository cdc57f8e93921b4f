//! Accounts that the operator makes: with an address, a title, and for some a place among the members of another.

use super::account::{Accounts, KEY_TAIL, is_usable_name, is_usable_password};
use super::{IssueError, audit, random};
use crate::store::{Account, AccountId, Addition};
use crate::token::{Scope, Secret, Timestamp};

/// An account to be made.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// The name; unique at its mount.
    pub name: String,
    /// The password; without one, nobody logs in with one.
    pub password: Option<Secret>,
    /// What its tokens may do.
    pub scope: Scope,
    /// Where its owner can be written to; unique at its mount, in whatever case. Default: the name, if that is one.
    pub email: Option<String>,
    /// What its owner is called by people.
    pub title: Option<String>,
    /// The name of the account it is a member of.
    pub owner: Option<String>,
}

impl Default for NewAccount {
    fn default() -> Self {
        Self {
            name: String::new(),
            password: None,
            scope: Scope::empty(),
            email: None,
            title: None,
            owner: None,
        }
    }
}

impl Accounts {
    /// Makes an account. An owner that is not there, or is a member itself, is an unknown account.
    pub async fn add(
        &self,
        realm: &str,
        newcomer: NewAccount,
        now: Timestamp,
    ) -> Result<Account, IssueError> {
        let NewAccount { name, email, .. } = newcomer;
        if !is_usable_name(&name) {
            return Err(IssueError::UnusableName);
        }
        let owner = match &newcomer.owner {
            Some(name) => Some(self.owner(realm, name).await?),
            None => None,
        };
        let password = match newcomer.password {
            Some(password) if is_usable_password(&password) => {
                self.hashing().hash(password).await?
            }
            Some(_) => return Err(IssueError::UnusableName),
            None => Secret::new(""),
        };
        let email = email.or_else(|| name.contains('@').then(|| name.clone()));
        let id = AccountId::from_bytes(random::bytes()?);
        let account = Account {
            key: format!("{name}-{}", random::base62(KEY_TAIL)?),
            password,
            scope: newcomer.scope,
            email: email.map(|email| email.trim().to_lowercase()),
            title: newcomer.title,
            owner,
            ..Account::new(id, realm, &name, now)
        };
        if self.store().add_account(account.clone()).await? == Addition::NameTaken {
            return Err(IssueError::NameTaken);
        }
        audit::account_registered(realm, &account.name);
        Ok(account)
    }

    async fn owner(&self, realm: &str, name: &str) -> Result<AccountId, IssueError> {
        let owner = self.store().account_by_name(realm, name).await?;
        owner
            .filter(|account| account.owner.is_none())
            .map(|account| account.id)
            .ok_or(IssueError::UnknownAccount)
    }
}
