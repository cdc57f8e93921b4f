//! Hashes of passwords that were made elsewhere: read, bounded, and compared with a password until its owner has logged
//! in once and has a hash of our own.
//!
//! A hash says itself how much work it takes. So that nobody can bring one along that keeps a thread busy for minutes,
//! what it may say is bounded, where it is taken in and again where it is used.

use std::cell::RefCell;
use std::fmt;
use std::num::NonZeroU32;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::{constant_time, pbkdf2};
use base64::Engine;
use base64::alphabet::{self, Alphabet};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use crate::token::Secret;

/// The hash of a password, of any kind we can compare with.
#[derive(Clone)]
pub(super) enum Hashed {
    /// Argon2 (RFC 9106), as a PHC string; of our own making, or brought along.
    Argon2(Secret),
    /// bcrypt, as `$2a$`, `$2b$` or `$2y$`. It looks at the first 72 bytes of a password only.
    Bcrypt {
        /// The whole of it.
        text: Secret,
        /// Twice the work for each one more.
        cost: u32,
    },
    /// PBKDF2 (RFC 8018) with HMAC-SHA-256 or HMAC-SHA-512.
    Pbkdf2 {
        /// Which of the two.
        function: pbkdf2::Algorithm,
        /// Its name.
        name: &'static str,
        /// How often the function is applied.
        iterations: NonZeroU32,
        /// The salt.
        salt: Vec<u8>,
        /// What must come out.
        output: Zeroizing<Vec<u8>>,
    },
    /// scrypt (RFC 7914).
    Scrypt {
        /// Memory and work: log N, r, p.
        params: scrypt::Params,
        /// The salt.
        salt: Vec<u8>,
        /// What must come out.
        output: Zeroizing<Vec<u8>>,
    },
}

/// Why a hash is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnusableHash {
    /// It begins like none we know.
    #[error(
        "know this kind of password hash: there are $argon2id$, $2b$ (bcrypt), $pbkdf2-sha256$, $pbkdf2-sha512$, pbkdf2_sha256$ and $scrypt$"
    )]
    Unknown,
    /// It begins well and goes on wrong.
    #[error("read this {0} hash")]
    Malformed(&'static str),
    /// It asks for more work than a login may take.
    #[error("take a {0} hash that needs so much work: at most {1}")]
    TooCostly(&'static str, &'static str),
}

impl Hashed {
    /// Reads a hash and refuses one that is too much work.
    pub(super) fn parse(text: &str) -> Result<Self, UnusableHash> {
        let mut parts = text.splitn(3, '$');
        match (parts.next(), parts.next()) {
            (Some(""), Some("argon2id" | "argon2i" | "argon2d")) => argon2(text),
            (Some(""), Some("2a" | "2b" | "2y")) => bcrypt(text),
            (Some(""), Some("pbkdf2-sha256")) => pbkdf2(SHA256, rest(text, 2)),
            (Some(""), Some("pbkdf2-sha512")) => pbkdf2(SHA512, rest(text, 2)),
            (Some("pbkdf2_sha256"), Some(_)) => pbkdf2_in_words(SHA256, rest(text, 1)),
            (Some("pbkdf2_sha512"), Some(_)) => pbkdf2_in_words(SHA512, rest(text, 1)),
            (Some(""), Some("scrypt")) => scrypt(rest(text, 2)),
            _ => Err(UnusableHash::Unknown),
        }
    }

    /// Whether it is of this password. Takes as long as it says.
    pub(super) fn is_of(&self, password: &Secret) -> bool {
        let password = password.reveal().as_bytes();
        match self {
            Self::Argon2(text) => is_argon2_of(text.reveal(), password).is_some(),
            Self::Bcrypt { text, .. } => bcrypt::verify(password, text.reveal()).unwrap_or(false),
            Self::Pbkdf2 {
                function,
                iterations,
                salt,
                output,
                ..
            } => pbkdf2::verify(*function, *iterations, salt, password, output).is_ok(),
            Self::Scrypt {
                params,
                salt,
                output,
            } => {
                let mut found = Zeroizing::new(vec![0; output.len()]);
                scrypt::scrypt(password, salt, params, &mut found).is_ok()
                    && constant_time::verify_slices_are_equal(&found, output).is_ok()
            }
        }
    }

    /// Its kind and what decides how much work it is: hashes that have this in common take the same time.
    pub(super) fn recipe(&self) -> String {
        match self {
            Self::Argon2(text) => text.reveal().split('$').take(4).collect(),
            Self::Bcrypt { cost, .. } => format!("bcrypt {cost}"),
            Self::Pbkdf2 {
                name, iterations, ..
            } => format!("{name} {iterations}"),
            Self::Scrypt { params, .. } => {
                format!("scrypt {} {} {}", params.log_n(), params.r(), params.p())
            }
        }
    }
}

impl fmt::Debug for Hashed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hashed({})", self.recipe())
    }
}

/// What follows the `n`th dollar sign.
fn rest(text: &str, n: usize) -> &str {
    text.splitn(n + 1, '$').nth(n).unwrap_or_default()
}

/// Whether an Argon2 hash is of this password, with memory that this thread keeps: as much, asked for and given back at
/// every login, would leave holes of that size.
fn is_argon2_of(text: &str, password: &[u8]) -> Option<()> {
    let hash = PasswordHash::new(text).ok()?;
    let params = Params::try_from(&hash).ok()?;
    let algorithm = Algorithm::try_from(hash.algorithm.as_str()).ok()?;
    let version = hash.version.map(Version::try_from).transpose().ok()?;
    let (salt, output) = (hash.salt?, hash.hash?);
    let blocks = params.block_count();
    let argon2 = Argon2::new(algorithm, version.unwrap_or_default(), params);
    let mut found = Zeroizing::new(vec![0; output.len()]);
    MEMORY.with_borrow_mut(|memory| {
        if memory.len() < blocks {
            *memory = vec![Block::new(); blocks];
        }
        let memory = memory.get_mut(..blocks)?;
        argon2
            .hash_password_into_with_memory(password, &salt, &mut found, memory)
            .ok()
    })?;
    constant_time::verify_slices_are_equal(&found, output.as_bytes()).ok()
}

/// Gives back the memory this thread has kept. To be called when there is nothing more to compare for now.
pub(super) fn let_go() {
    MEMORY.take();
}

thread_local! {
    static MEMORY: RefCell<Vec<Block>> = const { RefCell::new(Vec::new()) };
}

fn argon2(text: &str) -> Result<Hashed, UnusableHash> {
    let malformed = UnusableHash::Malformed("Argon2");
    let hash = PasswordHash::new(text).map_err(|_| malformed)?;
    let params = Params::try_from(&hash).map_err(|_| malformed)?;
    if hash.hash.is_none() || hash.salt.is_none() {
        return Err(malformed);
    }
    let work = u64::from(params.m_cost()) * u64::from(params.t_cost());
    if params.m_cost() > MEMORY_KIB || work > ARGON2_WORK_KIB || params.p_cost() > LANES {
        return Err(UnusableHash::TooCostly(
            "Argon2",
            "128 MiB, 1 GiB over all passes, and 16 lanes",
        ));
    }
    Ok(Hashed::Argon2(Secret::new(text)))
}

fn bcrypt(text: &str) -> Result<Hashed, UnusableHash> {
    let malformed = UnusableHash::Malformed("bcrypt");
    let rest = rest(text, 2);
    let (cost, tail) = rest.split_once('$').ok_or(malformed)?;
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'/';
    let is_whole = cost.len() == 2 && tail.len() == 53 && tail.bytes().all(is_base64);
    let cost = cost.parse().map_err(|_| malformed)?;
    if !is_whole || cost < 4 {
        return Err(malformed);
    }
    if cost > BCRYPT_COST {
        return Err(UnusableHash::TooCostly("bcrypt", "cost 14"));
    }
    let text = Secret::new(text);
    Ok(Hashed::Bcrypt { text, cost })
}

/// `i=600000,l=32$SALT$HASH`, or with the bare number of iterations; salt and hash in base64.
fn pbkdf2(kind: Kind, rest: &str) -> Result<Hashed, UnusableHash> {
    let malformed = UnusableHash::Malformed(kind.name);
    let [params, salt, output] = three(rest).ok_or(malformed)?;
    let iterations = match params.split(',').find_map(|one| one.strip_prefix("i=")) {
        Some(iterations) => iterations,
        None => params,
    };
    let salt = decoded(salt).ok_or(malformed)?;
    kind.with(iterations, salt, output)
}

/// `600000$salt$HASH`: the salt is text.
fn pbkdf2_in_words(kind: Kind, rest: &str) -> Result<Hashed, UnusableHash> {
    let [iterations, salt, output] = three(rest).ok_or(UnusableHash::Malformed(kind.name))?;
    kind.with(iterations, salt.as_bytes().to_vec(), output)
}

/// `ln=16,r=8,p=1$SALT$HASH`.
fn scrypt(rest: &str) -> Result<Hashed, UnusableHash> {
    let malformed = UnusableHash::Malformed("scrypt");
    let [params, salt, output] = three(rest).ok_or(malformed)?;
    let param = |name: &str| {
        let mut all = params.split(',').filter_map(|one| one.split_once('='));
        let found = all.find_map(|(key, value)| (key == name).then_some(value));
        found.and_then(|value| value.parse::<u32>().ok())
    };
    let all = (param("ln"), param("r"), param("p"));
    let (Some(log_n), Some(r), Some(p)) = all else {
        return Err(malformed);
    };
    let log_n = u8::try_from(log_n).map_err(|_| malformed)?;
    let blocks = 1_u64
        .checked_shl(log_n.into())
        .unwrap_or(u64::MAX)
        .saturating_mul(r.into());
    if log_n > 24 || blocks > SCRYPT_BLOCKS || blocks.saturating_mul(p.into()) > SCRYPT_WORK {
        return Err(UnusableHash::TooCostly(
            "scrypt",
            "128 MiB of memory (ln=17 with r=8), and twice that over all of p",
        ));
    }
    let params = scrypt::Params::new(log_n, r, p).map_err(|_| malformed)?;
    let salt = decoded(salt).ok_or(malformed)?;
    let output = output_of(output).ok_or(malformed)?;
    Ok(Hashed::Scrypt {
        params,
        salt,
        output,
    })
}

/// One of the two functions of PBKDF2.
#[derive(Clone, Copy)]
struct Kind {
    function: pbkdf2::Algorithm,
    name: &'static str,
    most: u32,
    most_in_words: &'static str,
}

impl Kind {
    fn with(self, iterations: &str, salt: Vec<u8>, output: &str) -> Result<Hashed, UnusableHash> {
        let malformed = UnusableHash::Malformed(self.name);
        let iterations: NonZeroU32 = iterations.parse().map_err(|_| malformed)?;
        if iterations.get() > self.most {
            return Err(UnusableHash::TooCostly(self.name, self.most_in_words));
        }
        Ok(Hashed::Pbkdf2 {
            function: self.function,
            name: self.name,
            iterations,
            salt,
            output: output_of(output).ok_or(malformed)?,
        })
    }
}

fn three(text: &str) -> Option<[&str; 3]> {
    let mut parts = text.split('$');
    let three = [parts.next()?, parts.next()?, parts.next()?];
    parts.next().is_none().then_some(three)
}

/// Base64 of any of the dialects found in the wild: padded or not, and with `.` for `+`.
fn decoded(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text.replace('.', "+")).ok()
}

fn output_of(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let output = decoded(text)?;
    (16..=64)
        .contains(&output.len())
        .then(|| Zeroizing::new(output))
}

const STANDARD: Alphabet = alphabet::STANDARD;
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

const SHA256: Kind = Kind {
    function: pbkdf2::PBKDF2_HMAC_SHA256,
    name: "PBKDF2-SHA256",
    most: 2_000_000,
    most_in_words: "2,000,000 iterations",
};
const SHA512: Kind = Kind {
    function: pbkdf2::PBKDF2_HMAC_SHA512,
    name: "PBKDF2-SHA512",
    most: 1_000_000,
    most_in_words: "1,000,000 iterations",
};

/// Each of these is about a second of one core, at most.
const MEMORY_KIB: u32 = 128 << 10;
const ARGON2_WORK_KIB: u64 = 1 << 20;
const LANES: u32 = 16;
const BCRYPT_COST: u32 = 14;
/// Of 128 bytes each.
const SCRYPT_BLOCKS: u64 = 1 << 20;
const SCRYPT_WORK: u64 = 1 << 21;

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(hash: &str, password: &str) -> bool {
        let hashed = Hashed::parse(hash).unwrap_or_else(|error| panic!("{hash}: {error}"));
        hashed.is_of(&Secret::new(password))
    }

    /// Made with libxcrypt, htpasswd and Python's hashlib, and written as passlib and Django do.
    const FOREIGN: [&str; 8] = [
        "$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2",
        "$2a$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2",
        "$2y$05$HPkPcpNocdUGUxcs16EJ2eZVh0kh6LXdVpIfK2QyQjIsgN.hs8uZW",
        "$pbkdf2-sha256$i=1000,l=32$c2FsdHNhbHRzYWx0c2FsdA$BBs+1+PaslLtBPULUr8/lQicvVuHiEPMz0i8MjLCbzM",
        "$pbkdf2-sha256$1000$c2FsdHNhbHRzYWx0c2FsdA$BBs.1.PaslLtBPULUr8/lQicvVuHiEPMz0i8MjLCbzM",
        "$pbkdf2-sha512$i=1000$c2FsdHNhbHRzYWx0c2FsdA$EHLBej+uEvxlmr0QnHnceg1vM6h1wbwSP5XErh3SmizNDWZsIi28RPGARe0EssjGRoiACzxgHjNvqwJY1zxKig",
        "pbkdf2_sha256$1000$seasalt$mQnueSakb748zqBAC1tmWVZsZbi2zPGZarEzTGdfmso=",
        "$scrypt$ln=10,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA$A9lBa6RTbfBovWqamVIqXKovIl4Vk6OZyVojLJmYmSI",
    ];

    #[test]
    fn hashes_of_other_programs_are_recognised() {
        for hash in FOREIGN {
            assert!(fits(hash, "correct horse"), "{hash}");
            assert!(!fits(hash, "battery staple"), "{hash}");
        }
    }

    #[test]
    fn a_hash_that_takes_too_long_is_refused_and_the_limit_is_named() {
        let bcrypt = "abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2";
        let output = "A9lBa6RTbfBovWqamVIqXKovIl4Vk6OZyVojLJmYmSI";
        for (hash, limit) in [
            (format!("$2b$15${bcrypt}"), "cost 14"),
            (format!("$2y$31${bcrypt}"), "cost 14"),
            (
                format!("$pbkdf2-sha256$i=2000001$c2FsdA${output}"),
                "2,000,000",
            ),
            (
                format!("pbkdf2_sha512$4294967295$salt${output}"),
                "1,000,000",
            ),
            (format!("$scrypt$ln=18,r=8,p=1$c2FsdA${output}"), "ln=17"),
            (format!("$scrypt$ln=17,r=8,p=3$c2FsdA${output}"), "ln=17"),
            (
                format!("$scrypt$ln=63,r=4294967295,p=1$c2FsdA${output}"),
                "ln=17",
            ),
            (
                format!("$argon2id$v=19$m=131073,t=1,p=1$c2FsdHNhbHQ${output}"),
                "128 MiB",
            ),
            (
                format!("$argon2id$v=19$m=65536,t=17,p=1$c2FsdHNhbHQ${output}"),
                "1 GiB",
            ),
        ] {
            let error = Hashed::parse(&hash).unwrap_err();
            assert!(
                matches!(error, UnusableHash::TooCostly(..)),
                "{hash}: {error}"
            );
            assert!(error.to_string().contains(limit), "{error}");
        }
    }

    #[test]
    fn what_is_no_hash_is_refused() {
        for text in [
            "",
            "x",
            "secret",
            "$",
            "$1$salt$hash",
            "$2x$05$x",
            "md5$a$b",
            "$5$s$h",
        ] {
            assert_eq!(
                Hashed::parse(text).unwrap_err(),
                UnusableHash::Unknown,
                "{text}"
            );
        }
        for text in [
            "$2b$05$short",
            "$2b$3$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2",
            "$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lO\u{e9}",
            "$pbkdf2-sha256$i=0$c2FsdA$A9lBa6RTbfBovWqamVIqXKovIl4Vk6OZyVojLJmYmSI",
            "$pbkdf2-sha256$i=1000$c2FsdA$",
            "$pbkdf2-sha256$i=1000$c2FsdA$AAAA",
            "$scrypt$ln=10,r=8$c2FsdA$A9lBa6RTbfBovWqamVIqXKovIl4Vk6OZyVojLJmYmSI",
            "$scrypt$ln=10,r=0,p=1$c2FsdA$A9lBa6RTbfBovWqamVIqXKovIl4Vk6OZyVojLJmYmSI",
            "$argon2id$v=19$m=65536,t=1,p=1",
            "$argon2id$v=19$m=65536",
            "pbkdf2_sha256$1000$salt",
        ] {
            let error = Hashed::parse(text).unwrap_err();
            assert!(
                matches!(error, UnusableHash::Malformed(_)),
                "{text}: {error}"
            );
        }
    }
}
