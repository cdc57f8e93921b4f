//! Addresses of Ethereum, and who signed a text with the key of one (EIP-55, EIP-191).

use std::fmt;

use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};
use sha3::{Digest as _, Keccak256};

/// The address of an account that one key controls: the last 20 bytes of the Keccak-256 of that key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Address([u8; 20]);

impl Address {
    /// Reads `0x` and 40 hexadecimal digits. Where capital and small letters are mixed they are a checksum (EIP-55), and
    /// it must fit.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("0x")?;
        let address = Self(bytes_of(digits)?);
        let is_mixed = digits.bytes().any(|byte| byte.is_ascii_lowercase())
            && digits.bytes().any(|byte| byte.is_ascii_uppercase());
        (!is_mixed || address.to_string() == text).then_some(address)
    }

    /// The address whose key signed `text` as a personal message (EIP-191, version 0x45).
    ///
    /// The signature is `0x` and 65 bytes in hexadecimal digits: r, s, and which of the two possible keys it is, as 27
    /// and 28 or 0 and 1. Its s must be in the lower half, as in a transaction (EIP-2): else everybody could make a
    /// second signature out of the first.
    pub(super) fn that_signed(text: &str, signature: &str) -> Option<Self> {
        let bytes: [u8; 65] = bytes_of(signature.strip_prefix("0x")?)?;
        let (which, numbers) = bytes.split_last()?;
        let which = match which {
            27 | 28 => which - 27,
            _ => *which,
        };
        let recovery = RecoveryId::try_from(which)
            .ok()
            .filter(|recovery| !recovery.is_x_reduced())?;
        let signature = Signature::from_slice(numbers)
            .ok()
            .filter(|signature| signature.normalize_s() == *signature)?;
        let digest = digest_of(text);
        let key = VerifyingKey::recover_from_prehash(&digest, &signature, recovery).ok()?;
        Some(Self::of(&key))
    }

    fn of(key: &VerifyingKey) -> Self {
        let point = key.to_sec1_point(false);
        // The first byte says that the two coordinates follow in full.
        let coordinates = point.as_bytes().get(1..).unwrap_or_default();
        let digest: [u8; 32] = Keccak256::digest(coordinates).into();
        Self(digest.last_chunk().copied().unwrap_or_default())
    }
}

/// With the checksum of EIP-55: a letter is a capital where the digest of the small letters has a digit of 8 or more.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut small = String::with_capacity(40);
        for byte in self.0 {
            small.extend(char::from_digit(u32::from(byte >> 4), 16));
            small.extend(char::from_digit(u32::from(byte & 0xf), 16));
        }
        let digest = Keccak256::digest(small.as_bytes());
        let halves = digest.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
        f.write_str("0x")?;
        small.chars().zip(halves).try_for_each(|(digit, half)| {
            let digit = if half >= 8 {
                digit.to_ascii_uppercase()
            } else {
                digit
            };
            fmt::Write::write_char(f, digit)
        })
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a wallet signs when it signs a text (EIP-191): marked, so that it is never a transaction.
fn digest_of(text: &str) -> [u8; 32] {
    let mut hasher = Keccak256::new();
    hasher.update(b"\x19Ethereum Signed Message:\n");
    hasher.update(text.len().to_string().as_bytes());
    hasher.update(text.as_bytes());
    hasher.finalize().into()
}

/// `N` bytes, from twice as many hexadecimal digits.
fn bytes_of<const N: usize>(digits: &str) -> Option<[u8; N]> {
    let digits = digits.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = pair.iter().try_fold(0, |sum, digit| {
            let value = char::from(*digit).to_digit(16)?;
            Some(sum << 4 | u8::try_from(value).ok()?)
        })?;
    }
    Some(bytes)
}

#[cfg(test)]
pub(super) mod testing {
    //! A wallet that tests sign with.

    use k256::ecdsa::SigningKey;

    use super::{Address, digest_of};

    /// A key and its address.
    pub(in super::super) struct Wallet(SigningKey);

    impl Wallet {
        pub(in super::super) fn of(byte: u8) -> Self {
            Self(SigningKey::from_slice(&[byte; 32]).unwrap())
        }

        pub(in super::super) fn address(&self) -> Address {
            Address::of(self.0.verifying_key())
        }

        /// The signature under `text`, r and s and which key, in digits.
        pub(in super::super) fn sign(&self, text: &str) -> String {
            let (signature, recovery) = self.0.sign_prehash_recoverable(&digest_of(text));
            format!(
                "0x{}{:02x}",
                hex(&signature.to_bytes()),
                recovery.to_byte() + 27
            )
        }
    }

    pub(super) fn hex(bytes: &[u8]) -> String {
        use std::fmt::Write as _;
        bytes.iter().fold(String::new(), |mut digits, byte| {
            write!(digits, "{byte:02x}").unwrap();
            digits
        })
    }
}

#[cfg(test)]
mod tests {
    use super::testing::Wallet;
    use super::*;

    /// The examples of EIP-55.
    const CHECKED: [&str; 6] = [
        "0x52908400098527886E0F7030069857D2E4169EE7",
        "0xde709f2102306220921060314715629080e2fb77",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
        "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    ];

    #[test]
    fn an_address_is_written_with_its_checksum() {
        for text in CHECKED {
            assert_eq!(Address::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn an_address_is_read_in_one_case_or_with_its_checksum() {
        let [.., checked] = CHECKED;
        let address = Address::parse(checked);
        let small = checked.to_ascii_lowercase();
        let capital = checked.to_ascii_uppercase().replacen("0X", "0x", 1);
        for same in [small.as_str(), capital.as_str()] {
            assert_eq!(Address::parse(same), address);
        }
        let wrong = checked.replacen('D', "d", 1);
        let long = format!("{checked}0");
        let strange = checked.replacen('0', "g", 1);
        for text in [
            wrong.as_str(),
            "",
            "0x",
            checked.trim_start_matches("0x"),
            checked.get(..41).unwrap(),
            &long,
            &checked.replacen("0x", "0X", 1),
            &strange,
            "0x+f+f+f+f+f+f+f+f+f+f+f+f+f+f+f+f+f+f+f+f",
        ] {
            assert_eq!(Address::parse(text), None, "{text}");
        }
    }

    /// The example in the documentation of web3.js for signing a text.
    #[test]
    fn a_signature_made_by_a_known_library_is_recovered() {
        let signature = "0xb91467e570a6466aa9e9876cbcd013baba02900b8979d43fe208a4a4f339f5fd\
                         6007e74cd82e037b800186422fc2da167c747ef045e5d18a5f5d4300f8e1a0291c";
        let signer = Address::that_signed("Some data", signature).unwrap();
        let address = "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23";
        assert_eq!(signer.to_string(), address);
    }

    #[test]
    fn whoever_signed_is_recovered_and_nobody_else() {
        let (ada, text) = (Wallet::of(7), "hello");
        let signature = ada.sign(text);
        let signer = |signature: &str| Address::that_signed(text, signature);
        assert_eq!(signer(&signature), Some(ada.address()));
        assert_eq!(
            signer(&signature.to_uppercase().replacen("0X", "0x", 1)),
            Some(ada.address())
        );
        assert_ne!(
            Address::that_signed("hello!", &signature),
            Some(ada.address())
        );
        assert_ne!(signer(&Wallet::of(8).sign(text)), Some(ada.address()));

        let (numbers, which) = signature.split_at(signature.len() - 2);
        let small = u8::from_str_radix(which, 16).unwrap() - 27;
        assert_eq!(
            signer(&format!("{numbers}{small:02x}")),
            Some(ada.address())
        );
        let other = 1 - small;
        assert_ne!(
            signer(&format!("{numbers}{other:02x}")),
            Some(ada.address())
        );
        for which in ["02", "03", "1a", "1d", "1e", "25", "ff"] {
            assert_eq!(signer(&format!("{numbers}{which}")), None, "{which}");
        }
    }

    #[test]
    fn a_signature_of_another_form_is_none() {
        let signature = Wallet::of(7).sign("hello");
        let zeros = format!("0x{}1b", "00".repeat(64));
        let ones = format!("0x{}1b", "ff".repeat(64));
        for text in [
            "",
            "0x",
            signature.trim_start_matches("0x"),
            &format!("{signature}00"),
            signature.get(..signature.len() - 2).unwrap(),
            &format!(" {signature}"),
            &signature.replacen("0x", "0y", 1),
            &zeros,
            &ones,
        ] {
            assert_eq!(Address::that_signed("hello", text), None, "{text}");
        }
    }

    #[test]
    fn the_second_signature_that_everybody_can_make_of_the_first_is_refused() {
        use k256::Scalar;
        use k256::elliptic_curve::PrimeField as _;
        let signature = Wallet::of(7).sign("hello");
        let digits = signature.trim_start_matches("0x");
        let bytes: [u8; 65] = bytes_of(digits).unwrap();
        let s = Scalar::from_repr(<[u8; 32]>::try_from(&bytes[32..64]).unwrap().into()).unwrap();
        let mut twin = bytes;
        twin[32..64].copy_from_slice(&(-s).to_repr());
        twin[64] = 27 + 28 - bytes[64];
        let twin = testing::hex(&twin);
        assert_eq!(Address::that_signed("hello", &format!("0x{twin}")), None);
    }
}
