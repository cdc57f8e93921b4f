//! A wallet, and the messages that sites ask it to sign (EIP-4361).

use std::fmt::Write as _;

use k256::ecdsa::SigningKey;
use serde_json::{Value, json};
use sha3::{Digest as _, Keccak256};
use tollgate::token::Timestamp;

/// A wallet, with the key that signs.
pub(crate) struct Wallet(SigningKey);

/// A message that asks a wallet to sign in, part by part.
#[derive(Clone)]
pub(crate) struct Message {
    pub(crate) domain: String,
    pub(crate) address: String,
    pub(crate) uri: String,
    pub(crate) version: String,
    pub(crate) chain: String,
    pub(crate) nonce: String,
    pub(crate) issued_at: String,
    pub(crate) rest: String,
}

impl Wallet {
    pub(crate) fn of(byte: u8) -> Self {
        Self(SigningKey::from_slice(&[byte; 32]).unwrap())
    }

    /// With the checksum of EIP-55.
    pub(crate) fn address(&self) -> String {
        let point = self.0.verifying_key().to_sec1_point(false);
        let small = hex(&Keccak256::digest(&point.as_bytes()[1..])[12..]);
        let digest = hex(&Keccak256::digest(small.as_bytes()));
        let letters = small.chars().zip(digest.chars());
        let checked = letters.map(|(letter, digit)| {
            if digit >= '8' {
                letter.to_ascii_uppercase()
            } else {
                letter
            }
        });
        format!("0x{}", checked.collect::<String>())
    }

    /// The signature under a text (EIP-191).
    pub(crate) fn sign(&self, text: &str) -> String {
        let marked = format!("\x19Ethereum Signed Message:\n{}{text}", text.len());
        let digest = Keccak256::digest(marked.as_bytes());
        let (signature, recovery) = self.0.sign_prehash_recoverable(&digest);
        let which = recovery.to_byte() + 27;
        format!("0x{}{which:02x}", hex(&signature.to_bytes()))
    }

    pub(crate) fn proof(&self, message: &Message) -> Value {
        self.proof_of(&message.text())
    }

    pub(crate) fn proof_of(&self, text: &str) -> Value {
        json!({ "message": text, "signature": self.sign(text) })
    }
}

impl Message {
    pub(crate) fn text(&self) -> String {
        let Self {
            domain,
            address,
            uri,
            version,
            chain,
            nonce,
            issued_at,
            rest,
        } = self;
        format!(
            "{domain} wants you to sign in with your Ethereum account:\n{address}\n\n\nURI: {uri}\nVersion: {version}\n\
             Chain ID: {chain}\nNonce: {nonce}\nIssued At: {issued_at}{rest}"
        )
    }
}

pub(crate) fn date(seconds: i64) -> String {
    Timestamp::from_seconds(seconds).to_string()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}
