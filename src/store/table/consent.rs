//! The table of consents.

use crate::store::statement::Statement;
use crate::store::{AccountId, Store, StoreError};
use crate::token::{Scope, Timestamp};

/// What people have allowed programs to do.
impl Store {
    /// What the owner of an account has allowed a client.
    pub async fn consent(
        &self,
        realm: &str,
        account: AccountId,
        client: &str,
    ) -> Result<Option<Scope>, StoreError> {
        let row = self.ask_one(about(CONSENT, realm, account, client)).await?;
        row.map(|row| row.of("consent").scope("scope")).transpose()
    }

    /// Remembers what the owner of an account allows a client, in place of what they allowed before.
    #[expect(
        clippy::too_many_arguments,
        reason = "who, where, to whom, what and when: no two of them belong together"
    )]
    pub async fn keep_consent(
        &self,
        realm: &str,
        account: AccountId,
        client: &str,
        scope: Scope,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let keeping = about(KEEP_CONSENT, realm, account, client)
            .bind(&scope)
            .bind(now);
        self.touch(keeping).await.map(|_| ())
    }

    /// Forgets it. False: there was nothing.
    pub async fn remove_consent(
        &self,
        realm: &str,
        account: AccountId,
        client: &str,
    ) -> Result<bool, StoreError> {
        self.touch(about(REMOVE_CONSENT, realm, account, client))
            .await
    }
}

fn about(sql: &'static str, realm: &str, account: AccountId, client: &str) -> Statement {
    Statement::new(sql).bind(realm).bind(account).bind(client)
}

const CONSENT: &str = "SELECT scope FROM consent WHERE realm = $1 AND account = $2 AND client = $3";
const KEEP_CONSENT: &str = "\
    INSERT INTO consent (realm, account, client, scope, given_at) VALUES ($1, $2, $3, $4, $5) \
    ON CONFLICT (realm, account, client) DO UPDATE SET scope = excluded.scope, given_at = excluded.given_at";
const REMOVE_CONSENT: &str =
    "DELETE FROM consent WHERE realm = $1 AND account = $2 AND client = $3";

pub(super) const STATEMENTS: &[&str] = &[CONSENT, KEEP_CONSENT, REMOVE_CONSENT];
