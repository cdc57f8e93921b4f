//! Asks that somebody proves by a secret of their own: a person's password, an account's secret, a token already held.

use super::grant::{account, password};
use super::session::Opening;
use super::sign::{Bearer, sign_naming};
use super::totp::SecondFactors;
use super::{Answer, Ask, Circumstances, IssueError, LocalIssuer, Mint, Myself, audit};
use crate::store::{Account, AccountId, Status};
use crate::token::{Secret, Subject};
use crate::verify::Identity;

impl Mint {
    /// The second factors it asks for.
    pub const fn second_factors(&self) -> &SecondFactors {
        &self.factors
    }

    /// Answers those asks.
    pub(super) async fn proven(
        &self,
        ask: Ask,
        issuer: &LocalIssuer,
        at: Circumstances,
    ) -> Result<Answer, IssueError> {
        match ask {
            Ask::Password {
                program,
                name,
                password,
                totp,
            } => {
                let shown = password::Shown {
                    name,
                    password,
                    totp,
                };
                self.password(&program, shown, issuer, at).await
            }
            Ask::Account {
                account,
                secret,
                member,
            } => {
                let shown = account::Shown {
                    account,
                    secret,
                    member,
                };
                self.account_token(shown, issuer, at).await
            }
            Ask::Myself { identity } => self.myself(&identity, issuer).await,
            _ => Err(IssueError::NotOffered),
        }
    }

    /// A session of a person with a program that goes by whatever name it says.
    async fn password(
        &self,
        program: &str,
        shown: password::Shown,
        issuer: &LocalIssuer,
        at: Circumstances,
    ) -> Result<Answer, IssueError> {
        let provers = (&self.accounts, &self.factors);
        let account = password::prove(&self.store, provers, shown, issuer, at).await?;
        let opening = Opening {
            account: Some(&account),
            client: program,
            scope: account.scope.clone(),
            continues: None,
            grant: "password",
        };
        let tokens = self.sessions.open(&opening, issuer, at.now).await?;
        Ok(Answer::Issued(tokens))
    }

    /// The name a program goes by that says none, if it has this refresh token from a time when it said none either.
    pub(super) async fn unsaid_name(
        &self,
        refresh_token: &Secret,
        issuer: &LocalIssuer,
    ) -> Result<String, IssueError> {
        let (session, _) = self.sessions.find(refresh_token, issuer).await?;
        let account = match session.account {
            Some(id) => self.store.account(id).await?,
            None => None,
        };
        account
            .filter(|account| password::is_usual_name(&session.client, account))
            .map(|_| session.client)
            .ok_or(IssueError::InvalidGrant)
    }

    /// A token for an account, or for one of its members. The account is the client, and the subject too where no member
    /// is named.
    async fn account_token(
        &self,
        shown: account::Shown,
        issuer: &LocalIssuer,
        at: Circumstances,
    ) -> Result<Answer, IssueError> {
        let proven = account::prove(&self.store, &self.accounts, shown, issuer, at).await?;
        let account::Proven { account, member } = &proven;
        let subject = member.as_ref().unwrap_or(account);
        let bearer = Bearer {
            subject: &subject.name,
            client: Some(&account.name),
            scope: subject.scope.clone(),
        };
        let mut names = vec![("account", &*account.name)];
        names.extend(member.iter().map(|member| ("user", &*member.name)));
        let whose = [account].into_iter().chain(member);
        let dates = whose.map(|account| {
            let whose = (&*account.name, None);
            self.revocations().issued_at(&issuer.name, whose, at.now)
        });
        let date = dates.max().unwrap_or(at.now);
        let signed = sign_naming(&bearer, &names, issuer, date)?;
        let who = audit::Who::Name(subject.name.clone());
        let id = signed.id.as_deref();
        audit::token_issued(&issuer.name, "account", &who, id, &bearer.scope);
        Ok(signed.answer(bearer.scope, None))
    }

    /// What is known of the account that a token speaks for.
    async fn myself(
        &self,
        identity: &Identity,
        issuer: &LocalIssuer,
    ) -> Result<Answer, IssueError> {
        let account = self.account_of(identity, issuer).await?;
        let account = account.ok_or(IssueError::InvalidGrant)?;
        Ok(Answer::Myself(Myself {
            id: account.id.to_string(),
            name: account.name,
            email: account.email,
            title: account.title,
            created_at: account.created_at,
            must_reset: account.must_reset,
        }))
    }

    async fn account_of(
        &self,
        identity: &Identity,
        issuer: &LocalIssuer,
    ) -> Result<Option<Account>, IssueError> {
        let Some(subject) = identity.subject.as_deref() else {
            return Ok(None);
        };
        let found = match (issuer.profile.subject, account_id(subject)) {
            (Subject::Name, _) => self.store.account_by_name(&issuer.name, subject).await?,
            (Subject::Id, Some(id)) => self.store.account(id).await?,
            (Subject::Id, None) => None,
        };
        let is_theirs =
            |account: &Account| account.realm == *issuer.name && account.status == Status::Active;
        Ok(found.filter(is_theirs))
    }
}

/// An account's identity, as tokens have it: 32 hexadecimal digits.
fn account_id(text: &str) -> Option<AccountId> {
    let number = u128::from_str_radix(text, 16).ok()?;
    (text.len() == 32).then(|| AccountId::from_bytes(number.to_be_bytes()))
}
