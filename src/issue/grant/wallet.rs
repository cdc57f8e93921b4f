//! A session for whoever proves that a wallet is theirs: by a message for a client's site that the wallet signed
//! (EIP-4361).
//!
//! A message opens one session at most. There is no nonce of ours in it, so its own is remembered until the message is
//! too old; and it is spent before anything else is looked at, so that no check can be tried twice with one message.
//! Whoever signs in for the first time gets an account, whose name is the address and which has no password.

use std::time::Duration;

use super::ethereum::Address;
use super::siwe::SignIn;
use crate::issue::WalletSettings;
use crate::issue::client::KnownClient;
use crate::issue::session::{Opening, Sessions};
use crate::issue::{
    Answer, Ask, Circumstances, IssueError, Issued, LocalIssuer, Mint, Unproven, audit, random,
};
use crate::store::{
    Account, AccountId, Addition, Ending, OneTime, OneTimeKind, Session, SessionId, Status, Store,
};
use crate::token::{Digest, Timestamp};

/// Opens sessions for wallets.
#[derive(Clone, Copy, Debug)]
struct Wallets<'a> {
    store: &'a Store,
    sessions: &'a Sessions,
}

/// What somebody shows as a proof.
#[derive(Clone, Copy, Debug)]
struct Proof<'a> {
    /// The message.
    message: &'a str,
    /// The signature, in digits.
    signature: &'a str,
    /// The session to continue, in digits.
    session: Option<&'a str>,
}

impl Mint {
    /// Answers what programs ask that are entrusted with people's wallets, or that would like to be entrusted at all.
    pub(in crate::issue) async fn entrusted(
        &self,
        ask: Ask,
        issuer: &LocalIssuer,
        at: Circumstances,
    ) -> Result<Answer, IssueError> {
        let now = at.now;
        match ask {
            Ask::Wallet {
                client,
                message,
                signature,
                session,
            } => {
                let proof = Proof {
                    message: &message,
                    signature: &signature,
                    session: session.as_deref(),
                };
                let client = self.clients.authenticate(&client, issuer, now).await?;
                let wallets = Wallets {
                    store: &self.store,
                    sessions: &self.sessions,
                };
                let tokens = wallets.open(&client, proof, issuer, now).await?;
                Ok(Answer::Issued(tokens))
            }
            Ask::BeginHandoff {
                identity,
                redirect_uri,
            } => {
                self.begin_handoff(&identity, redirect_uri, issuer, now)
                    .await
            }
            Ask::RedeemHandoff { code, client } => {
                self.redeem_handoff((&code, &client), issuer, now).await
            }
            Ask::RegisterClient(said) => self.register_client(said, issuer, at).await,
            Ask::ManageClient { id, token, wish } => {
                self.manage_client((&id, &token), wish, issuer, now).await
            }
            _ => Err(IssueError::NotOffered),
        }
    }
}

impl Wallets<'_> {
    /// Opens a session for the account of a wallet, or another line of tokens in one that it has.
    async fn open(
        &self,
        client: &KnownClient,
        proof: Proof<'_>,
        issuer: &LocalIssuer,
        now: Timestamp,
    ) -> Result<Issued, IssueError> {
        let settings = client.wallets.as_ref();
        let settings = settings.ok_or(IssueError::ForbiddenClient)?;
        let message = SignIn::read(proof.message).map_err(IssueError::Unproven)?;
        if !is_of_these_minutes(&message, now) {
            return Err(IssueError::Unproven(Unproven::Stale));
        }
        self.spend(&message, client, issuer).await?;
        judge(&message, proof, settings, now).map_err(IssueError::Unproven)?;
        let realm = &*issuer.name;
        let name = message.address.to_string();
        let found = self.store.account_by_name(realm, &name).await?;
        let continues = match proof.session {
            None => None,
            Some(id) => {
                let found = found.as_ref();
                Some(self.continued(id, found, client, issuer).await?)
            }
        };
        let account = match found {
            Some(account) => account,
            None => self.welcome(message.address, realm, now).await?,
        };
        if account.status != Status::Active {
            return Err(IssueError::Unproven(Unproven::Disabled));
        }
        let opening = Opening {
            account: Some(&account),
            client: &client.name,
            scope: client.scope.clone(),
            continues,
            grant: "wallet",
        };
        let tokens = self.sessions.open(&opening, issuer, now).await?;
        if let Some(root) = continues {
            self.is_still_alive(root, issuer, now).await?;
        }
        Ok(tokens)
    }

    /// Spends the nonce of a message.
    async fn spend(
        &self,
        message: &SignIn,
        client: &KnownClient,
        issuer: &LocalIssuer,
    ) -> Result<(), IssueError> {
        let (realm, client) = (&issuer.name, &client.name);
        // No part but the last can hold a line break.
        let name = format!("{realm}\n{client}\n{}\n{}", message.address, message.nonce);
        let nonce = OneTime {
            kind: OneTimeKind::Nonce,
            digest: Digest::of(name.as_bytes()),
            payload: String::new(),
            expires_at: message.issued_at.plus(AGE_MAX + REMEMBERED_LONGER),
        };
        match self.store.keep_once(nonce).await? {
            Addition::Added => Ok(()),
            Addition::NameTaken => Err(IssueError::Unproven(Unproven::Replayed)),
        }
    }

    /// The session of this name, if it is this account's and client's and has not ended.
    async fn continued(
        &self,
        id: &str,
        account: Option<&Account>,
        client: &KnownClient,
        issuer: &LocalIssuer,
    ) -> Result<SessionId, IssueError> {
        let is_theirs = |session: &Session| {
            session.root == session.id
                && session.realm == *issuer.name
                && session.client == client.name
                && session.account == account.map(|account| account.id)
                && session.ended.is_none()
        };
        let session = match SessionId::from_hex(id) {
            Some(id) if account.is_some() => self.store.session(id).await?,
            _ => None,
        };
        let session = session.filter(is_theirs);
        let session = session.ok_or(IssueError::Unproven(Unproven::Session))?;
        Ok(session.id)
    }

    /// A session that ended while it was being continued takes what was just opened with it.
    async fn is_still_alive(
        &self,
        root: SessionId,
        issuer: &LocalIssuer,
        now: Timestamp,
    ) -> Result<(), IssueError> {
        let session = self.store.session(root).await?;
        if session.is_some_and(|session| session.ended.is_none()) {
            return Ok(());
        }
        self.sessions
            .end(root, Ending::Revoked, issuer, now)
            .await?;
        Err(IssueError::Unproven(Unproven::Session))
    }

    /// Makes the account of a wallet that has come for the first time.
    async fn welcome(
        &self,
        address: Address,
        realm: &str,
        now: Timestamp,
    ) -> Result<Account, IssueError> {
        let name = address.to_string();
        let id = AccountId::from_bytes(random::bytes()?);
        let account = Account::new(id, realm, &name, now);
        match self.store.add_account(account.clone()).await? {
            Addition::Added => {
                audit::account_registered(realm, &name);
                Ok(account)
            }
            // It came twice at the same time.
            Addition::NameTaken => {
                let other = self.store.account_by_name(realm, &name).await?;
                other.ok_or(IssueError::InvalidCredentials)
            }
        }
    }
}

/// Whether a message was made lately, and not in the future.
fn is_of_these_minutes(message: &SignIn, now: Timestamp) -> bool {
    message.issued_at >= now.minus(AGE_MAX) && message.issued_at <= now.plus(AHEAD_MAX)
}

/// Whether the wallet signed the message, and for this client's site, network and time.
fn judge(
    message: &SignIn,
    proof: Proof<'_>,
    settings: &WalletSettings,
    now: Timestamp,
) -> Result<(), Unproven> {
    let is = |fits: bool, otherwise| fits.then_some(()).ok_or(otherwise);
    let signer = Address::that_signed(proof.message, proof.signature);
    is(signer == Some(message.address), Unproven::Signature)?;
    let mut domains = settings.domains.iter();
    let is_listed = domains.any(|domain| domain.eq_ignore_ascii_case(&message.domain));
    is(is_listed, Unproven::Domain)?;
    let same_host = message.uri_host.eq_ignore_ascii_case(message.host());
    is(same_host, Unproven::Uri)?;
    let chains = &settings.chains;
    is(
        chains.is_empty() || chains.contains(&message.chain),
        Unproven::Chain,
    )?;
    is(
        message.expires_at.is_none_or(|end| now < end),
        Unproven::Expired,
    )?;
    is(
        message.not_before.is_none_or(|start| now >= start),
        Unproven::NotYet,
    )
}

/// How old a message may be.
const AGE_MAX: Duration = Duration::from_mins(5);
/// How far its clock may be ahead of ours.
const AHEAD_MAX: Duration = Duration::from_secs(30);
/// How much longer a nonce is remembered than its message counts, for clocks that are set back.
const REMEMBERED_LONGER: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::super::ethereum::testing::Wallet;
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_795_262_400);

    fn settings() -> WalletSettings {
        WalletSettings {
            domains: vec!["app.test".into(), "dev.test:8443".into()],
            chains: vec![1, 10],
        }
    }

    fn verdict(change: impl Fn(String) -> String) -> Result<(), Unproven> {
        let wallet = Wallet::of(7);
        let text = change(format!(
            "app.test wants you to sign in with your Ethereum account:\n{}\n\n\nURI: https://app.test/login\n\
             Version: 1\nChain ID: 1\nNonce: 12345678\nIssued At: 2026-11-21T12:00:00Z\n\
             Expiration Time: 2026-11-21T12:00:01Z\nNot Before: 2026-11-21T12:00:00Z",
            wallet.address()
        ));
        let message = SignIn::read(&text)?;
        assert_eq!(message.issued_at, NOW);
        let proof = Proof {
            message: &text,
            signature: &wallet.sign(&text),
            session: None,
        };
        judge(&message, proof, &settings(), NOW)
    }

    #[test]
    fn a_message_counts_for_the_site_network_and_time_it_was_made_for() {
        let changed = |from: &'static str, to: &'static str| {
            verdict(|text| {
                assert!(text.contains(from), "{from}");
                text.replacen(from, to, 1)
            })
        };
        assert_eq!(verdict(|text| text), Ok(()));
        assert_eq!(changed("app.test wants", "APP.test wants"), Ok(()));
        assert_eq!(changed("Chain ID: 1", "Chain ID: 10"), Ok(()));
        for (from, to, flaw) in [
            ("app.test wants", "evil.test wants", Unproven::Domain),
            ("app.test wants", "app.test:8443 wants", Unproven::Domain),
            ("app.test wants", "app.test. wants", Unproven::Domain),
            ("app.test wants", "x.app.test wants", Unproven::Domain),
            ("app.test wants", "dev.test:8443 wants", Unproven::Uri),
            ("https://app.test/", "https://evil.test/", Unproven::Uri),
            (
                "https://app.test/",
                "https://app.test@evil.test/",
                Unproven::Uri,
            ),
            ("Chain ID: 1", "Chain ID: 5", Unproven::Chain),
            ("12:00:01Z", "12:00:00Z", Unproven::Expired),
            (
                "Before: 2026-11-21T12:00:00Z",
                "Before: 2026-11-21T12:00:00.001Z",
                Unproven::NotYet,
            ),
        ] {
            assert_eq!(changed(from, to), Err(flaw), "{to}");
        }
    }

    #[test]
    fn a_message_is_good_for_five_minutes_and_half_a_minute_early() {
        let wallet = Wallet::of(7);
        let text = format!(
            "app.test wants you to sign in with your Ethereum account:\n{}\n\n\nURI: https://app.test/\nVersion: 1\n\
             Chain ID: 1\nNonce: 12345678\nIssued At: 2026-11-21T12:00:00Z",
            wallet.address()
        );
        let message = SignIn::read(&text).unwrap();
        let at = |millis: i64| {
            let now = Timestamp::from_millis(NOW.millis() + millis);
            is_of_these_minutes(&message, now)
        };
        assert!(at(0) && at(300_000) && at(-30_000));
        assert!(!at(300_001) && !at(-30_001));
    }
}
