//! Who sits at a browser: kept by the browser itself, sealed, so that nothing is kept here.
//!
//! What a browser brings back is ours or it is nothing (AES-256-GCM). Whether an account is still what it was when its
//! owner signed in is asked of the store at every use, so that disabling it or changing its password ends every visit.
//! A form carries a mark that only the browser it was shown to can bring back, and that no other form ever has.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::grant::account_id;
use super::master::Purpose;
use super::{IssueError, MasterKey, StartError, random};
use crate::store::{Account, AccountId};
use crate::token::{KeyError, Timestamp};

/// Seals and opens visits, and marks forms. A clone does the same.
#[derive(Clone)]
pub struct Visits {
    seal: Arc<Zeroizing<[u8; 32]>>,
    mark: Arc<hmac::Key>,
    code: Arc<hmac::Key>,
}

/// What a browser keeps for us.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Visit {
    /// Random: which browser this is. Another one after every sign-in.
    browser: String,
    /// Who signed in there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    who: Option<SignedIn>,
    /// What the next page has to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<Notice>,
}

/// Who signed in at a browser, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct SignedIn {
    account: String,
    generation: u32,
    at: i64,
    seen: i64,
}

/// What became of an attempt to sign in: said once, on the next page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The stable word for it.
    pub code: String,
    /// How many seconds to wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<u64>,
    /// The name that was typed.
    pub name: String,
}

/// How long somebody stays signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stay {
    /// Without being seen.
    pub idle: Duration,
    /// In all.
    pub absolute: Duration,
}

impl Visit {
    /// A browser we have not seen before, with nobody signed in.
    pub fn new() -> Result<Self, IssueError> {
        Ok(Self {
            browser: random::base62(BROWSER)?,
            who: None,
            notice: None,
        })
    }

    /// The same browser, after somebody signed in. It gets another name, so that no form or cookie from before counts.
    pub fn signed_in(account: &Account, now: Timestamp) -> Result<Self, IssueError> {
        Ok(Self {
            who: Some(SignedIn {
                account: account.id.to_string(),
                generation: account.generation,
                at: now.seconds(),
                seen: now.seconds(),
            }),
            ..Self::new()?
        })
    }

    /// Who signed in here, and in which generation of their account, if they have not stayed too long.
    pub fn who(&self, stay: Stay, now: Timestamp) -> Option<(AccountId, u32)> {
        let who = self.who.as_ref()?;
        let since = |moment| now.since(Timestamp::from_seconds(moment));
        let is_over = since(who.at) >= stay.absolute || since(who.seen) >= stay.idle;
        let id = account_id(&who.account).filter(|_| !is_over)?;
        Some((id, who.generation))
    }

    /// Notes that they were seen; whether that is worth telling the browser.
    pub fn see(&mut self, stay: Stay, now: Timestamp) -> bool {
        let Some(who) = &mut self.who else {
            return false;
        };
        let unseen = now.since(Timestamp::from_seconds(who.seen));
        let is_news = unseen >= stay.idle / 16;
        if is_news {
            who.seen = now.seconds();
        }
        is_news
    }
}

impl Visits {
    /// With keys from the master key.
    pub fn new(master: &MasterKey) -> Result<Self, StartError> {
        let mark = master.derive(Purpose::MarkForms)?;
        let code = master.derive(Purpose::CodesOfForms)?;
        Ok(Self {
            seal: Arc::new(master.derive(Purpose::SealVisits)?),
            mark: Arc::new(hmac::Key::new(hmac::HMAC_SHA256, mark.as_ref())),
            code: Arc::new(hmac::Key::new(hmac::HMAC_SHA256, code.as_ref())),
        })
    }

    /// What the browser is to keep.
    pub fn seal(&self, realm: &str, visit: &Visit) -> Result<String, IssueError> {
        let broken = || IssueError::Sign(KeyError::Cryptography);
        let mut sealed = serde_json::to_vec(visit).map_err(|_| broken())?;
        let nonce = self
            .key()
            .and_then(|key| {
                let aad = Aad::from(realm.as_bytes());
                key.seal_in_place_append_tag(aad, &mut sealed).ok()
            })
            .ok_or_else(broken)?;
        sealed.splice(..0, nonce.as_ref().iter().copied());
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// What the browser has kept, if that is ours.
    pub fn open(&self, realm: &str, text: &str) -> Option<Visit> {
        let mut sealed = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (nonce, sealed) = sealed.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let aad = Aad::from(realm.as_bytes());
        let plain = self.key()?.open_in_place(nonce, aad, sealed).ok()?;
        serde_json::from_slice(plain).ok()
    }

    /// The mark of a form, which stands for this browser, this form, what it is about, and the one time it is shown.
    pub fn mark(&self, visit: &Visit, form: &str, about: &str) -> Result<String, IssueError> {
        let turn = random::base62(BROWSER)?;
        let tag = self.tag(visit, &[form, about, &turn]);
        Ok(format!("{turn}.{tag}"))
    }

    /// Whether a form has the mark it was shown with.
    pub fn is_marked(&self, mark: &str, visit: &Visit, form: &str, about: &str) -> bool {
        let (turn, tag) = mark.split_once('.').unwrap_or_default();
        let expected = self.tag(visit, &[form, about, turn]);
        aws_lc_rs::constant_time::verify_slices_are_equal(tag.as_bytes(), expected.as_bytes())
            .is_ok()
    }

    /// What is derived from a form for this account: the same whenever the form is sent, and for no other form.
    pub(super) fn derived(&self, mark: &str, account: AccountId) -> String {
        let mut context = hmac::Context::with_key(&self.code);
        context.update(account.bytes());
        context.update(mark.as_bytes());
        URL_SAFE_NO_PAD.encode(context.sign())
    }

    fn tag(&self, visit: &Visit, parts: &[&str]) -> String {
        let mut context = hmac::Context::with_key(&self.mark);
        // A zero byte is in none of them, so no two ways to cut the same bytes.
        for part in [visit.browser.as_str()].iter().chain(parts) {
            context.update(part.as_bytes());
            context.update(&[0]);
        }
        URL_SAFE_NO_PAD.encode(context.sign())
    }

    fn key(&self) -> Option<RandomizedNonceKey> {
        RandomizedNonceKey::new(&AES_256_GCM, self.seal.as_slice()).ok()
    }
}

impl fmt::Debug for Visits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Visits(..)")
    }
}

/// 130 bits, of a browser's name and of a form's turn.
const BROWSER: usize = 22;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::Secret;

    fn master(byte: u8) -> MasterKey {
        MasterKey::read(&Secret::new(URL_SAFE_NO_PAD.encode([byte; 32]))).unwrap()
    }

    fn account(name: &str) -> Account {
        Account {
            key: format!("{name}-key"),
            ..Account::new(AccountId::from_bytes([7; 16]), "it", name, NOW)
        }
    }

    const NOW: Timestamp = Timestamp::from_seconds(1_000_000);
    const STAY: Stay = Stay {
        idle: Duration::from_hours(1),
        absolute: Duration::from_hours(12),
    };

    #[test]
    fn what_a_browser_keeps_is_ours_or_nothing() {
        let visits = Visits::new(&master(1)).unwrap();
        let visit = Visit::signed_in(&account("ada"), NOW).unwrap();
        let sealed = visits.seal("it", &visit).unwrap();
        assert_eq!(visits.open("it", &sealed), Some(visit));
        assert_eq!(visits.open("other", &sealed), None);
        assert_eq!(Visits::new(&master(2)).unwrap().open("it", &sealed), None);
        for text in [
            "",
            "x",
            &sealed[1..],
            &sealed[..20],
            "====",
            &"A".repeat(99),
        ] {
            assert_eq!(visits.open("it", text), None, "{text}");
        }
    }

    #[test]
    fn a_form_counts_for_the_browser_and_the_matter_it_was_shown_for() {
        let visits = Visits::new(&master(1)).unwrap();
        let (one, other) = (Visit::new().unwrap(), Visit::new().unwrap());
        let mark = visits.mark(&one, "consent", "client_id=a").unwrap();
        assert!(visits.is_marked(&mark, &one, "consent", "client_id=a"));
        assert!(!visits.is_marked(&mark, &other, "consent", "client_id=a"));
        assert!(!visits.is_marked(&mark, &one, "sign_in", "client_id=a"));
        assert!(!visits.is_marked(&mark, &one, "consent", "client_id=b"));
        for forged in ["", ".", &mark[1..], &mark[..30]] {
            assert!(!visits.is_marked(forged, &one, "consent", "client_id=a"));
        }
        let again = visits.mark(&one, "consent", "client_id=a").unwrap();
        assert_ne!(mark, again);
        let (ada, bob) = (
            AccountId::from_bytes([1; 16]),
            AccountId::from_bytes([2; 16]),
        );
        assert_eq!(visits.derived(&mark, ada), visits.derived(&mark, ada));
        assert_ne!(visits.derived(&mark, ada), visits.derived(&mark, bob));
        assert_ne!(visits.derived(&mark, ada), visits.derived(&again, ada));
    }

    #[test]
    fn somebody_stays_signed_in_while_seen_and_not_for_ever() {
        let hours = |count| NOW.plus(Duration::from_hours(count));
        let mut visit = Visit::signed_in(&account("ada"), NOW).unwrap();
        assert!(visit.who(STAY, NOW.plus(Duration::from_mins(59))).is_some());
        assert!(visit.who(STAY, hours(1)).is_none());
        assert!(!visit.see(STAY, NOW.plus(Duration::from_mins(1))));
        for half in 1..24 {
            let now = NOW.plus(Duration::from_mins(30 * half));
            assert!(visit.who(STAY, now).is_some(), "after {half} half hours");
            assert!(visit.see(STAY, now));
        }
        assert!(visit.who(STAY, hours(12)).is_none());
    }
}
