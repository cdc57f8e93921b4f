//! What keeps registrations apart and few: the token of each, and how many there may be.
//!
//! Nothing is kept for a token: it is derived from the name of its client, so that a stolen store yields none.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::{constant_time, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::master::Purpose;
use super::{Circumstances, IssueError, MasterKey, StartError};
use crate::net::{Limit, neighbourhood};
use crate::token::Secret;

/// Knows the tokens of registrations (RFC 7592 §3), and counts who registers. A clone is the same.
#[derive(Clone, Debug)]
pub(super) struct Registrar {
    tokens: Arc<hmac::Key>,
    newcomers: Arc<Limit>,
    /// How many clients a mount keeps that registered themselves.
    pub(super) most: u64,
}

impl Registrar {
    /// With a key from the master key.
    pub(super) fn new(master: &MasterKey) -> Result<Self, StartError> {
        let key = master.derive(Purpose::Registrations)?;
        Ok(Self {
            tokens: Arc::new(hmac::Key::new(hmac::HMAC_SHA256, key.as_ref())),
            newcomers: Arc::new(Limit::gcra(A_DAY, DAY, A_DAY)),
            most: MOST,
        })
    }

    /// The token by which this client manages its registration.
    pub(super) fn token(&self, realm: &str, id: &str) -> Secret {
        let mut context = hmac::Context::with_key(&self.tokens);
        context.update(realm.as_bytes());
        // In no name of a mount.
        context.update(&[0]);
        context.update(id.as_bytes());
        let tag = URL_SAFE_NO_PAD.encode(context.sign());
        Secret::new(format!("registration_{tag}"))
    }

    /// Whether this is that token.
    pub(super) fn is_token(&self, shown: &Secret, realm: &str, id: &str) -> bool {
        let (shown, expected) = (shown.reveal(), self.token(realm, id));
        let expected = expected.reveal().as_bytes();
        constant_time::verify_slices_are_equal(shown.as_bytes(), expected).is_ok()
    }

    /// Counts one more newcomer from an address. The operator's own are not counted.
    pub(super) fn admit(&self, at: Circumstances) -> Result<(), IssueError> {
        let Some(address) = at.address else {
            return Ok(());
        };
        self.newcomers
            .take(&neighbourhood(address), at.now)
            .map_err(|retry_after| IssueError::TooManyAttempts { retry_after })
    }
}

/// What one address may register in a day: an office whose people each bring a program of their own.
const A_DAY: u32 = 100;
const DAY: Duration = Duration::from_hours(24);
/// At a few hundred bytes each, and 20 KB at the very most.
const MOST: u64 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issue::testing::NOW;

    fn registrar(byte: u8) -> Registrar {
        let text = URL_SAFE_NO_PAD.encode([byte; 32]);
        Registrar::new(&MasterKey::read(&Secret::new(text)).unwrap()).unwrap()
    }

    #[test]
    fn z03_a_registration_has_one_token() {
        let (registrar, other) = (registrar(1), registrar(2));
        let token = registrar.token("blue", "client_1");
        assert!(registrar.is_token(&token, "blue", "client_1"));
        assert!(!registrar.is_token(&token, "blue", "client_2"));
        assert!(!registrar.is_token(&token, "red", "client_1"));
        assert!(!registrar.is_token(&Secret::new(""), "blue", "client_1"));
        assert!(!other.is_token(&token, "blue", "client_1"));
    }

    #[test]
    fn z03_an_address_registers_a_hundred_in_a_day_and_its_network_with_it() {
        let registrar = registrar(1);
        let admit = |address: &str, now| {
            let address = address.parse().ok();
            registrar.admit(Circumstances { now, address })
        };
        for _ in 0..A_DAY {
            admit("2001:db8::1", NOW).unwrap();
        }
        let refused = admit("2001:db8::2", NOW);
        assert!(matches!(refused, Err(IssueError::TooManyAttempts { .. })));
        admit("2001:db8:1::1", NOW).unwrap();
        admit("2001:db8::1", NOW.plus(DAY)).unwrap();
    }
}
