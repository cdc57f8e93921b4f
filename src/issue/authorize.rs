//! The leave that a person gives a program to act for them (RFC 6749 §3.1, §4.1): who signs in, what they have agreed to,
//! and the code that the program gets.

use super::audit;
use super::authorization_request::{AuthorizationRequest, AuthorizeError, Said};
use super::client::Clients;
use super::grant::{Agreement, AuthorizationCode, password};
use super::totp::SecondFactors;
use super::visit::Visits;
use super::{Accounts, Circumstances, IssueError, LocalIssuer, MasterKey, StartError};
use crate::store::{Account, AccountId, Addition, Status, Store};
use crate::token::{Ceiling, Scope, Secret, Timestamp};

/// Checks requests, knows the people, and gives codes. A clone does the same.
#[derive(Clone, Debug)]
pub struct Authorizer {
    store: Store,
    clients: Clients,
    accounts: Accounts,
    factors: SecondFactors,
    visits: Visits,
}

/// What somebody shows who signs in.
#[derive(Clone, Debug)]
pub struct SigningIn {
    /// Their name, or their e-mail address.
    pub name: String,
    /// Their password.
    pub password: Secret,
    /// The digits of their second factor, if they have one.
    pub digits: Option<Secret>,
}

impl Authorizer {
    /// For these clients and people.
    pub fn new(
        store: Store,
        clients: Clients,
        accounts: Accounts,
        master: &MasterKey,
    ) -> Result<Self, StartError> {
        Ok(Self {
            factors: SecondFactors::new(store.clone(), master.clone()),
            store,
            clients,
            accounts,
            visits: Visits::new(master)?,
        })
    }

    /// What browsers keep for us.
    pub const fn visits(&self) -> &Visits {
        &self.visits
    }

    /// Reads a request: the names and values of a query, in order.
    pub async fn read(
        &self,
        query: &[(String, String)],
        issuer: &LocalIssuer,
    ) -> Result<AuthorizationRequest, AuthorizeError> {
        let said = Said(query);
        let id = said.client()?;
        let client = self.clients.find(id).await;
        let client = client.map_err(AuthorizeError::Failed)?;
        let client = client.filter(|client| client.is_for(issuer));
        said.request(client, issuer.profile.excess)
    }

    /// The person with this name, or this address, who proves that it is theirs.
    pub async fn sign_in(
        &self,
        shown: SigningIn,
        issuer: &LocalIssuer,
        at: Circumstances,
    ) -> Result<Account, IssueError> {
        let name = shown.name.clone();
        let shown = password::Shown {
            name: shown.name,
            password: Some(shown.password),
            totp: shown.digits,
        };
        let provers = (&self.accounts, &self.factors);
        let account = password::prove(&self.store, provers, shown, issuer, at).await;
        match &account {
            Ok(account) => audit::signed_in(&issuer.name, &account.name),
            Err(reason) => audit::sign_in_refused(&issuer.name, &name, reason),
        }
        account
    }

    /// The person who signed in as this account, if it is still what it was: neither disabled nor with another password.
    pub async fn still(
        &self,
        id: AccountId,
        generation: u32,
        issuer: &LocalIssuer,
    ) -> Result<Option<Account>, IssueError> {
        let found = self.store.account(id).await?;
        Ok(found.filter(|account| {
            account.status == Status::Active
                && account.generation == generation
                && !account.must_reset
                && *account.realm == *issuer.name
        }))
    }

    /// What a person can pass on of what a program asks for.
    pub fn grantable(
        &self,
        request: &AuthorizationRequest,
        account: &Account,
        issuer: &LocalIssuer,
    ) -> Scope {
        if issuer.profile.ceiling == Ceiling::Program {
            return request.scope.clone();
        }
        let own = account.scope.clone();
        let own = own.or_everything(issuer.profile.every_scope);
        let words = request.scope.words().filter(|word| own.contains(word));
        // Each word was part of a scope already.
        Scope::from_words(words).unwrap_or_else(|_| Scope::empty())
    }

    /// Whether a person has let a program do all this before, and it is surely the same program that asks now.
    pub async fn has_consented(
        &self,
        account: &Account,
        request: &AuthorizationRequest,
        issuer: &LocalIssuer,
    ) -> Result<bool, IssueError> {
        if request.may_be_imitated {
            return Ok(false);
        }
        let consent = self
            .store
            .consent(&issuer.name, account.id, &request.client)
            .await?;
        let wanted = self.grantable(request, account, issuer);
        Ok(consent.is_some_and(|consent| consent.covers(&wanted)))
    }

    /// Keeps in mind that a person lets a program do what it asks for, beside what it may already.
    pub async fn consent(
        &self,
        account: &Account,
        request: &AuthorizationRequest,
        issuer: &LocalIssuer,
        now: Timestamp,
    ) -> Result<(), IssueError> {
        let realm = &*issuer.name;
        let before = self
            .store
            .consent(realm, account.id, &request.client)
            .await?;
        let before = before.unwrap_or_else(Scope::empty);
        let wanted = self.grantable(request, account, issuer);
        let all = Scope::from_words(before.words().chain(wanted.words()));
        let all = all.unwrap_or(wanted);
        self.store
            .keep_consent(realm, account.id, &request.client, all.clone(), now)
            .await?;
        audit::consented(realm, &account.name, &request.client, &all);
        Ok(())
    }

    /// Notes that a person did not agree.
    pub fn denied(&self, account: &Account, request: &AuthorizationRequest, issuer: &LocalIssuer) {
        audit::denied(&issuer.name, &account.name, &request.client);
    }

    /// Notes that a person signed out; none if they were signed in no longer.
    pub fn signed_out(&self, account: Option<&Account>, issuer: &LocalIssuer) {
        audit::signed_out(&issuer.name, account.map(|account| &*account.name));
    }

    /// Notes that a browser got no further, as `reason` says.
    pub fn refused(&self, reason: &str, issuer: &LocalIssuer) {
        audit::page_refused(&issuer.name, reason);
    }

    /// A code for the program, as the address at which the person's browser hands it over (RFC 6749 §4.1.2).
    pub async fn give_code(
        &self,
        account: &Account,
        request: &AuthorizationRequest,
        issuer: &LocalIssuer,
        now: Timestamp,
    ) -> Result<String, IssueError> {
        let code = self.code(account, request, issuer);
        let secret = code.keep(&self.store, now).await?;
        audit::code_given(&issuer.name, &account.name, &request.client, &code.scope);
        Ok(request
            .back
            .with(&[("code", secret.reveal())], &issuer.identifier))
    }

    /// The same for a person who agreed just now: a form gets one code, however often it is sent. None: that code was
    /// used already, or is no longer good.
    pub async fn give_code_for(
        &self,
        agreement: Agreement<'_>,
        (account, request): (&Account, &AuthorizationRequest),
        issuer: &LocalIssuer,
        now: Timestamp,
    ) -> Result<Option<String>, IssueError> {
        let code = self.code(account, request, issuer);
        let scope = code.scope.clone();
        let derived = self.visits.derived(agreement.mark, account.id);
        let kept = code.keep_for(&derived, agreement.lives, &self.store, now);
        let Some((secret, kept)) = kept.await? else {
            return Ok(None);
        };
        if kept == Addition::Added {
            audit::code_given(&issuer.name, &account.name, &request.client, &scope);
        }
        let back = &request.back;
        Ok(Some(
            back.with(&[("code", secret.reveal())], &issuer.identifier),
        ))
    }

    fn code(
        &self,
        account: &Account,
        request: &AuthorizationRequest,
        issuer: &LocalIssuer,
    ) -> AuthorizationCode {
        let scope = self.grantable(request, account, issuer);
        AuthorizationCode {
            client: request.client.clone(),
            redirect_uri: request.back.redirect_uri.clone(),
            challenge: request.challenge.clone(),
            scope_as_asked: !request.has_asked || scope == request.scope,
            scope,
            account: account.id.to_string(),
            generation: account.generation,
            issuer: issuer.identifier.clone(),
            good_until: None,
        }
    }
}
