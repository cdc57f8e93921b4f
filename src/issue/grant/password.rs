//! A name and a password, shown to a program (RFC 6749 §4.3): who is it?

use crate::issue::account::{Accounts, Claim};
use crate::issue::totp::SecondFactors;
use crate::issue::{Circumstances, IssueError, LocalIssuer};
use crate::store::{Account, Store};
use crate::token::Secret;

/// Somebody shows a name, a password and, if they have it, a second factor.
#[derive(Clone, Debug)]
pub(in crate::issue) struct Shown {
    /// The name, or the e-mail address.
    pub(in crate::issue) name: String,
    /// The password; absent is as wrong as wrong.
    pub(in crate::issue) password: Option<Secret>,
    /// The digits of the second factor.
    pub(in crate::issue) totp: Option<Secret>,
}

/// The active account of this name, or of this address, whoever wrote it in whatever case. What else stands in its way
/// is told only to who knows the password.
pub(in crate::issue) async fn prove(
    store: &Store,
    (accounts, factors): (&Accounts, &SecondFactors),
    shown: Shown,
    issuer: &LocalIssuer,
    at: Circumstances,
) -> Result<Account, IssueError> {
    let realm = &*issuer.name;
    // Both are looked up whether or not the first is found, so that this takes the same time for everybody.
    let named = store.account_by_name(realm, &shown.name).await?;
    let address = shown.name.to_lowercase();
    let addressed = store.account_by_email(realm, &address).await?;
    let claim = Claim {
        realm,
        name: &address,
        password: shown.password,
    };
    let account = accounts.prove(named.or(addressed), claim, at).await?;
    let factor = factors.check(&account, shown.totp.as_ref(), at.now).await;
    if account.totp.is_some() && shown.totp.is_some() {
        match &factor {
            Ok(()) => accounts.second_factor(&account, at, true),
            Err(IssueError::SecondFactor) => accounts.second_factor(&account, at, false),
            Err(_) => {}
        }
    }
    factor?;
    if account.must_reset {
        return Err(IssueError::MustReset);
    }
    Ok(account)
}

/// What a program goes by that says no name of its own: the name, or the address, of the account.
pub(in crate::issue) fn is_usual_name(program: &str, account: &Account) -> bool {
    let names = [Some(&account.name), account.email.as_ref()];
    let program = program.to_lowercase();
    names
        .into_iter()
        .flatten()
        .any(|name| name.to_lowercase() == program)
}
