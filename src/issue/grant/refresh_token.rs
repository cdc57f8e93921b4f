//! Renewal (RFC 6749 §6) with a refresh token that stays the same for as long as its account's generation does.
//!
//! The token is not stored. It is the account's key, by which the account is found, and 64 characters cut from an HMAC
//! over who the account is and its generation, under a key that is not in the store. So the same token is derived again
//! at every login and after every restart, and one more generation voids it everywhere.

use aws_lc_rs::{constant_time, hmac};

use crate::issue::master::{MasterKey, Purpose};
use crate::issue::{IssueError, random};
use crate::store::{Account, Status, Store};
use crate::token::{KeyError, Secret};

/// Derives and recognises refresh tokens that never change.
#[derive(Clone, Debug)]
pub(in crate::issue) struct StandingRefresh(hmac::Key);

impl StandingRefresh {
    pub(in crate::issue) fn new(master: &MasterKey) -> Result<Self, KeyError> {
        let key = master.derive(Purpose::StandingRefresh)?;
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA512, key.as_ref())))
    }

    /// The refresh token of this account.
    pub(in crate::issue) fn token(&self, account: &Account) -> Secret {
        Secret::new(format!("{}{}", account.key, self.tail(account)))
    }

    /// The active account whose refresh token this is.
    pub(in crate::issue) async fn find(
        &self,
        store: &Store,
        realm: &str,
        presented: &Secret,
    ) -> Result<Account, IssueError> {
        let presented = presented.reveal();
        let (key, tail) = presented
            .len()
            .checked_sub(TAIL)
            .and_then(|at| presented.split_at_checked(at))
            .ok_or(IssueError::InvalidGrant)?;
        let account = store
            .account_by_key(realm, key)
            .await?
            .ok_or(IssueError::InvalidGrant)?;
        let expected = self.tail(&account);
        let fits =
            constant_time::verify_slices_are_equal(expected.as_bytes(), tail.as_bytes()).is_ok();
        if fits && account.status == Status::Active {
            Ok(account)
        } else {
            Err(IssueError::InvalidGrant)
        }
    }

    /// The id makes the token that of one account, also where another mount, or a later account, has the same name. It
    /// and the generation have a fixed length, so no two accounts give the same bytes.
    fn tail(&self, account: &Account) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(account.id.bytes());
        context.update(account.name.as_bytes());
        context.update(&account.generation.to_be_bytes());
        random::base62_of(context.sign().as_ref(), TAIL)
    }
}

/// How many characters follow the account's key: 381 bits.
const TAIL: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::AccountId;
    use crate::token::Timestamp;

    fn refresh(byte: u8) -> StandingRefresh {
        use base64::Engine;
        let text = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode([byte; 32]);
        StandingRefresh::new(&MasterKey::read(&Secret::new(text)).unwrap()).unwrap()
    }

    fn account(id: u8, generation: u32) -> Account {
        let id = AccountId::from_bytes([id; 16]);
        Account {
            key: "ada-0123456789abcdefghijABCDEFGHIJ01".into(),
            generation,
            ..Account::new(id, "hub", "ada", Timestamp::from_seconds(0))
        }
    }

    #[test]
    fn a_refresh_token_depends_on_the_master_key_the_account_and_its_generation() {
        let token = refresh(1).token(&account(1, 0));
        let tail = token.reveal().strip_prefix(&account(1, 0).key).unwrap();
        assert_eq!(tail.len(), 64);
        assert!(tail.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_eq!(token.reveal(), refresh(1).token(&account(1, 0)).reveal());
        for other in [
            refresh(2).token(&account(1, 0)),
            refresh(1).token(&account(2, 0)),
            refresh(1).token(&account(1, 1)),
        ] {
            assert_ne!(token.reveal(), other.reveal());
        }
    }
}
