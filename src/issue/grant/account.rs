//! An account's secret, shown by a program of its own: a token for the account, or for one of its members.

use crate::issue::account::{Accounts, Claim};
use crate::issue::{Circumstances, IssueError, LocalIssuer};
use crate::store::{Account, Status, Store};
use crate::token::Secret;

/// An account, and the member that a token is to speak for.
#[derive(Clone, Debug)]
pub(in crate::issue) struct Proven {
    pub(in crate::issue) account: Account,
    pub(in crate::issue) member: Option<Account>,
}

/// Somebody shows an account's secret, and may name a member.
#[derive(Clone, Debug)]
pub(in crate::issue) struct Shown {
    pub(in crate::issue) account: String,
    pub(in crate::issue) secret: Secret,
    pub(in crate::issue) member: Option<String>,
}

/// Finds out whether the secret is right, and whether the member is one of the account's. An unknown account costs the
/// same work as a wrong secret, for those who do not want to tell one from the other.
pub(in crate::issue) async fn prove(
    store: &Store,
    accounts: &Accounts,
    shown: Shown,
    issuer: &LocalIssuer,
    at: Circumstances,
) -> Result<Proven, IssueError> {
    let realm = &*issuer.name;
    let found = store.account_by_name(realm, &shown.account).await?;
    // A member is not an account, whatever its name looks like.
    let found = found.filter(|account| account.owner.is_none());
    let is_known = found.is_some();
    let claim = Claim {
        realm,
        name: &shown.account,
        password: Some(shown.secret),
    };
    let account = match accounts.prove(found, claim, at).await {
        Err(IssueError::InvalidCredentials) if !is_known => Err(IssueError::UnknownAccount),
        proven => proven,
    }?;
    let member = match &shown.member {
        Some(name) => Some(member(store, &account, name).await?),
        None => None,
    };
    Ok(Proven { account, member })
}

async fn member(store: &Store, account: &Account, name: &str) -> Result<Account, IssueError> {
    let member = store.account_by_name(&account.realm, name).await?;
    member
        .filter(|member| member.owner == Some(account.id) && member.status == Status::Active)
        .ok_or(IssueError::InvalidCredentials)
}
