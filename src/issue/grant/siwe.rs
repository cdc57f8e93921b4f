//! The message by which a wallet signs in (EIP-4361), read letter by letter.
//!
//! Nothing is forgiven: a person signed exactly this text, so what two programs could read in two ways is read by none.

use std::fmt;
use std::iter::Peekable;
use std::str::Split;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use url::Url;

use super::ethereum::Address;
use crate::issue::Unproven;
use crate::token::Timestamp;

/// What such a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SignIn {
    /// Who asks the wallet to sign: host, and port where there is one.
    pub(super) domain: String,
    /// The host of what the person signs in to.
    pub(super) uri_host: String,
    /// Whose wallet it is.
    pub(super) address: Address,
    /// The network (EIP-155).
    pub(super) chain: u64,
    /// What makes the message this one.
    pub(super) nonce: String,
    /// When it was made.
    pub(super) issued_at: Timestamp,
    /// From when on it counts no more.
    pub(super) expires_at: Option<Timestamp>,
    /// From when on it counts.
    pub(super) not_before: Option<Timestamp>,
}

impl SignIn {
    /// Reads a message, whole.
    pub(super) fn read(text: &str) -> Result<Self, Unproven> {
        Self::of(&SignInText::read(text)?)
    }

    /// What the host of `domain` is, without its port.
    pub(super) fn host(&self) -> &str {
        let domain = self.domain.as_str();
        let port = domain.rfind(':').filter(|at| !domain[*at..].contains(']'));
        port.and_then(|at| domain.get(..at)).unwrap_or(domain)
    }

    fn of(text: &SignInText) -> Result<Self, Unproven> {
        use Unproven::Malformed;
        let is = |fits: bool, what| fits.then_some(()).ok_or(Malformed(what));
        is(text.version == "1", "its version is not 1")?;
        is(
            is_nonce(&text.nonce),
            "its nonce is not 8 letters or digits",
        )?;
        is(is_authority(&text.domain), "its domain is none")?;
        is(
            text.scheme.as_deref().is_none_or(is_scheme),
            "its scheme is none",
        )?;
        is(
            text.statement.as_deref().is_none_or(is_statement),
            "its statement holds other signs",
        )?;
        is(
            text.request_id.as_deref().is_none_or(is_request_id),
            "its request id holds other signs",
        )?;
        let resources = text.resources.iter().flatten();
        is(
            resources.clone().all(|uri| is_uri(uri)),
            "a resource is no URI",
        )?;
        let moment = |text: &str| moment(text).ok_or(Malformed("a date is none"));
        Ok(Self {
            domain: text.domain.clone(),
            uri_host: host_of(&text.uri).ok_or(Malformed("its URI names no host"))?,
            address: Address::parse(&text.address).ok_or(Malformed("its address is none"))?,
            chain: number(&text.chain_id).ok_or(Malformed("its chain id is no number"))?,
            nonce: text.nonce.clone(),
            issued_at: moment(&text.issued_at)?,
            expires_at: text.expiration_time.as_deref().map(moment).transpose()?,
            not_before: text.not_before.as_deref().map(moment).transpose()?,
        })
    }
}

/// The parts of such a message as they stand in it. Written out they are the message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SignInText {
    /// The scheme of the page that asks, where it is said.
    pub scheme: Option<String>,
    /// Who asks: host, and port where there is one.
    pub domain: String,
    /// Whose wallet it is.
    pub address: String,
    /// What people are to know before they sign.
    pub statement: Option<String>,
    /// What they sign in to.
    pub uri: String,
    /// The edition of the message's language.
    pub version: String,
    /// The network (EIP-155).
    pub chain_id: String,
    /// What makes the message this one.
    pub nonce: String,
    /// When it was made.
    pub issued_at: String,
    /// From when on it counts no more.
    pub expiration_time: Option<String>,
    /// From when on it counts.
    pub not_before: Option<String>,
    /// What the asker calls this attempt.
    pub request_id: Option<String>,
    /// What is to be opened by it.
    pub resources: Option<Vec<String>>,
}

impl SignInText {
    /// Takes a message apart. What the parts say is not looked at.
    fn read(text: &str) -> Result<Self, Unproven> {
        let mut lines = text.split('\n').peekable();
        let first = lines.next().and_then(|line| line.strip_suffix(ASKS));
        let origin = first.ok_or(Unproven::Malformed("its first line is another"))?;
        let (scheme, domain) = match origin.split_once("://") {
            Some((scheme, domain)) => (Some(scheme.to_owned()), domain),
            None => (None, origin),
        };
        let address = lines.next().unwrap_or_default().to_owned();
        empty(&mut lines)?;
        let statement = lines.next_if(|line| !line.is_empty()).map(str::to_owned);
        empty(&mut lines)?;
        let read = Self {
            scheme,
            domain: domain.to_owned(),
            address,
            statement,
            uri: needed(&mut lines, "URI: ")?,
            version: needed(&mut lines, "Version: ")?,
            chain_id: needed(&mut lines, "Chain ID: ")?,
            nonce: needed(&mut lines, "Nonce: ")?,
            issued_at: needed(&mut lines, "Issued At: ")?,
            expiration_time: field(&mut lines, "Expiration Time: "),
            not_before: field(&mut lines, "Not Before: "),
            request_id: field(&mut lines, "Request ID: "),
            resources: resources(&mut lines),
        };
        match lines.next() {
            None => Ok(read),
            Some(_) => Err(Unproven::Malformed("there is more in it than there may be")),
        }
    }
}

impl fmt::Display for SignInText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(scheme) = &self.scheme {
            write!(f, "{scheme}://")?;
        }
        write!(f, "{}{ASKS}\n{}\n\n", self.domain, self.address)?;
        if let Some(statement) = &self.statement {
            writeln!(f, "{statement}")?;
        }
        write!(f, "\nURI: {}\nVersion: {}", self.uri, self.version)?;
        write!(f, "\nChain ID: {}\nNonce: {}", self.chain_id, self.nonce)?;
        write!(f, "\nIssued At: {}", self.issued_at)?;
        let optional = [
            ("Expiration Time", &self.expiration_time),
            ("Not Before", &self.not_before),
            ("Request ID", &self.request_id),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                write!(f, "\n{name}: {value}")?;
            }
        }
        if let Some(resources) = &self.resources {
            f.write_str("\nResources:")?;
            resources
                .iter()
                .try_for_each(|uri| write!(f, "\n- {uri}"))?;
        }
        Ok(())
    }
}

type Lines<'a> = Peekable<Split<'a, char>>;

fn empty(lines: &mut Lines<'_>) -> Result<(), Unproven> {
    let line = lines.next_if(|line| line.is_empty());
    line.map(drop)
        .ok_or(Unproven::Malformed("an empty line is missing"))
}

fn field(lines: &mut Lines<'_>, name: &str) -> Option<String> {
    let line = lines.next_if(|line| line.starts_with(name))?;
    line.strip_prefix(name).map(str::to_owned)
}

fn needed(lines: &mut Lines<'_>, name: &str) -> Result<String, Unproven> {
    field(lines, name).ok_or(Unproven::Malformed("a field is missing or out of place"))
}

fn resources(lines: &mut Lines<'_>) -> Option<Vec<String>> {
    lines.next_if_eq(&"Resources:")?;
    Some(std::iter::from_fn(|| field(lines, "- ")).collect())
}

/// RFC 3339 §5.6.
fn moment(text: &str) -> Option<Timestamp> {
    // The parser takes any sign between date and time.
    let separator = text.as_bytes().get(10)?;
    if !separator.eq_ignore_ascii_case(&b'T') {
        return None;
    }
    let date = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    let millis = date.unix_timestamp_nanos().div_euclid(1_000_000);
    i64::try_from(millis).ok().map(Timestamp::from_millis)
}

fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}

fn is_nonce(text: &str) -> bool {
    text.len() >= NONCE_MIN && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// RFC 3986 §3.1.
fn is_scheme(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    text.starts_with(|first: char| first.is_ascii_alphabetic()) && text.bytes().all(fits)
}

/// RFC 3986 §3.2, without a person's name in it.
fn is_authority(text: &str) -> bool {
    let fits =
        |byte: u8| is_unreserved(byte) || is_sub_delim(byte) || matches!(byte, b':' | b'[' | b']');
    !text.is_empty() && text.bytes().all(fits)
}

fn is_statement(text: &str) -> bool {
    let fits = |byte: u8| is_uri_sign(byte) || byte == b' ';
    !text.is_empty() && text.bytes().all(fits)
}

/// RFC 3986 §3.3, `*pchar`.
fn is_request_id(text: &str) -> bool {
    let fits =
        |byte: u8| is_unreserved(byte) || is_sub_delim(byte) || matches!(byte, b':' | b'@' | b'%');
    text.bytes().all(fits) && is_well_escaped(text)
}

/// RFC 3986 §3.
fn is_uri(text: &str) -> bool {
    let fits = |byte: u8| is_uri_sign(byte) || byte == b'%';
    let scheme = text.split_once(':').map(|(scheme, _)| scheme);
    scheme.is_some_and(is_scheme) && text.bytes().all(fits) && is_well_escaped(text)
}

fn host_of(uri: &str) -> Option<String> {
    let url = Url::parse(uri).ok().filter(|_| is_uri(uri))?;
    url.host_str().map(str::to_owned)
}

fn is_well_escaped(text: &str) -> bool {
    let mut parts = text.split('%');
    parts.next();
    parts.all(|part| {
        let digits = part.as_bytes().first_chunk::<2>();
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

/// RFC 3986 §2.2 and §2.3, without `%`.
fn is_uri_sign(byte: u8) -> bool {
    let is_general = matches!(byte, b':' | b'/' | b'?' | b'#' | b'[' | b']' | b'@');
    is_general || is_sub_delim(byte) || is_unreserved(byte)
}

fn is_sub_delim(byte: u8) -> bool {
    b"!$&'()*+,;=".contains(&byte)
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

const ASKS: &str = " wants you to sign in with your Ethereum account:";
const NONCE_MIN: usize = 8;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The example of EIP-4361.
    const EXAMPLE: &str = "\
example.com wants you to sign in with your Ethereum account:
0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2

I accept the ExampleOrg Terms of Service: https://example.com/tos

URI: https://example.com/login
Version: 1
Chain ID: 1
Nonce: 32891756
Issued At: 2021-09-30T16:25:24Z
Resources:
- ipfs://bafybeiemxf5abjwjbikoz4mc3a3dla6ual3jsgpdr4cjr3oz3evfyavhwq/
- https://example.com/my-web2-claim.json";

    const SHORTEST: &str = "\
example.com wants you to sign in with your Ethereum account:
0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2


URI: https://example.com/login
Version: 1
Chain ID: 1
Nonce: 32891756
Issued At: 2021-09-30T16:25:24Z";

    #[test]
    fn the_example_of_the_standard_is_understood() {
        let read = SignIn::read(EXAMPLE).unwrap();
        assert_eq!(read.domain, "example.com");
        assert_eq!(read.uri_host, "example.com");
        assert_eq!(
            read.address.to_string(),
            "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2"
        );
        assert_eq!((read.chain, read.nonce.as_str()), (1, "32891756"));
        assert_eq!(read.issued_at, Timestamp::from_seconds(1_633_019_124));
        assert_eq!((read.expires_at, read.not_before), (None, None));
        assert_eq!(SignInText::read(EXAMPLE).unwrap().to_string(), EXAMPLE);
    }

    #[test]
    fn every_optional_field_may_be_missing_and_may_be_there() {
        SignIn::read(SHORTEST).unwrap();
        let all = format!(
            "https://{SHORTEST}\nExpiration Time: 2021-09-30T18:25:24.5+02:00\n\
             Not Before: 2021-09-30t16:25:24z\nRequest ID: a%20b:@\nResources:"
        );
        let read = SignIn::read(&all).unwrap();
        assert_eq!(
            read.expires_at,
            Some(Timestamp::from_millis(1_633_019_124_500))
        );
        assert_eq!(
            read.not_before,
            Some(Timestamp::from_seconds(1_633_019_124))
        );
        SignIn::read(&format!("{SHORTEST}\nRequest ID: ")).unwrap();
    }

    #[test]
    fn a_port_is_part_of_the_domain_and_not_of_its_host() {
        for (domain, host) in [
            ("example.com", "example.com"),
            ("example.com:8443", "example.com"),
            ("[::1]:8443", "[::1]"),
            ("[::1]", "[::1]"),
        ] {
            let text = EXAMPLE.replacen("example.com", domain, 1);
            let read = SignIn::read(&text).unwrap();
            assert_eq!((read.domain.as_str(), read.host()), (domain, host));
        }
    }

    #[test]
    fn the_host_of_the_uri_is_what_a_browser_would_go_to() {
        let host = |uri: &str| {
            let text = EXAMPLE.replacen("https://example.com/login", uri, 1);
            SignIn::read(&text).map(|read| read.uri_host)
        };
        assert_eq!(host("https://example.com@evil.test/").unwrap(), "evil.test");
        assert_eq!(host("https://EXAMPLE.com:8443/#x").unwrap(), "example.com");
        for uri in [
            "",
            "example.com",
            "https://",
            "https:///",
            "did:key:z6Mk",
            "https://a b/",
            "https://a\\b/",
            "https://a/%2",
            "https://a/%zz",
            "https://ex\u{e4}mple.com/",
            "https://a/\"",
            "1ttp://a/",
        ] {
            host(uri).unwrap_err();
        }
    }

    /// What makes the example something else.
    const CHANGES: &[(&str, &str)] = &[
        // the first line
        ("example.com wants", " wants"),
        ("example.com wants", "a@example.com wants"),
        ("example.com wants", "exa mple.com wants"),
        ("example.com wants", "://example.com wants"),
        ("example.com wants", "1://example.com wants"),
        ("example.com wants", "https://example.com/ wants"),
        (" wants you", " Wants you"),
        ("account:\n", "account:\r\n"),
        ("account:\n", "account: \n"),
        ("account:\n", "account:\n\n"),
        // the address
        ("0xC02a", "0xc02a"),
        ("0xC02a", "C02a"),
        ("0xC02a", " 0xC02a"),
        ("Cc2\n", "Cc2 \n"),
        ("Cc2\n", "Cc\n"),
        ("Cc2\n\n", "Cc2\n"),
        // the statement
        ("I accept", "I\taccept"),
        ("I accept", "I \u{201e}accept"),
        ("I accept", "I\naccept"),
        ("tos\n\n", "tos\n"),
        ("tos\n\n", "tos\n\n\n"),
        // the fields
        ("URI: ", "Uri: "),
        ("URI: ", "URI:"),
        ("Version: 1", "Version: 2"),
        ("Version: 1", "Version: 01"),
        ("Version: 1\n", ""),
        ("Version: 1\n", "Version: 1\nVersion: 1\n"),
        ("Chain ID: 1", "Chain ID: "),
        ("Chain ID: 1", "Chain ID: 0x1"),
        ("Chain ID: 1", "Chain ID: -1"),
        ("Chain ID: 1", "Chain ID: +1"),
        ("Chain ID: 1", "Chain ID: 1 "),
        ("Chain ID: 1", "Chain ID: 18446744073709551616"),
        ("Chain ID: 1\n", "Chain ID: 1\nChain ID: 5\n"),
        ("Nonce: 32891756", "Nonce: 3289175"),
        ("Nonce: 32891756", "Nonce: 3289175-6"),
        ("Nonce: 32891756", "Nonce: 32891756\nNonce: 32891756"),
        (
            "Chain ID: 1\nNonce: 32891756",
            "Nonce: 32891756\nChain ID: 1",
        ),
        ("Issued At: 2021-09-30T16:25:24Z\n", ""),
        (
            "30T16:25:24Z\n",
            "30T16:25:24Z\nIssued At: 2021-09-30T16:25:24Z\n",
        ),
        ("2021-09-30T16:25:24Z", "2021-09-30 16:25:24Z"),
        ("2021-09-30T16:25:24Z", "2021-09-31T16:25:24Z"),
        ("2021-09-30T16:25:24Z", "2021-13-30T16:25:24Z"),
        ("2021-09-30T16:25:24Z", "2021-09-30T24:25:24Z"),
        ("2021-09-30T16:25:24Z", "2021-09-30T16:25:24"),
        ("2021-09-30T16:25:24Z", "2021-09-30T16:25:24+0200"),
        ("2021-09-30T16:25:24Z", "2021-09-30T16:25:24Z "),
        ("2021-09-30T16:25:24Z", "Thu, 30 Sep 2021 16:25:24 GMT"),
        ("2021-09-30T16:25:24Z", "1633019124"),
        // what follows
        ("Resources:", "Resources: "),
        ("Resources:", "Resources:\nResources:"),
        (
            "Resources:",
            "Not Before: 2021-09-30T16:25:24Z\nExpiration Time: 2031-09-30T16:25:24Z\nResources:",
        ),
        ("Resources:", "Request ID: a b\nResources:"),
        ("Resources:", "Request ID: a%2\nResources:"),
        ("- ipfs", "-ipfs"),
        ("- ipfs", "ipfs"),
        ("- ipfs://", "- ipfs\n- //"),
        ("claim.json", "claim.json\n"),
        ("claim.json", "claim.json "),
        ("claim.json", "claim.json\r"),
        ("claim.json", "claim.json\0"),
        ("claim.json", "claim.json\nRequest ID: late"),
    ];

    #[test]
    fn what_is_not_exactly_such_a_message_is_refused() {
        SignIn::read(EXAMPLE).unwrap();
        for (from, to) in CHANGES {
            assert!(EXAMPLE.contains(*from), "{from:?}");
            let text = EXAMPLE.replacen(*from, to, 1);
            assert!(SignIn::read(&text).is_err(), "{from:?} became {to:?}");
        }
        let windows = EXAMPLE.replace('\n', "\r\n");
        for text in [
            "",
            "\n",
            &windows,
            &format!("{EXAMPLE}\n"),
            &format!("\n{EXAMPLE}"),
        ] {
            SignIn::read(text).unwrap_err();
        }
    }

    fn optional(regex: &'static str) -> impl Strategy<Value = Option<String>> {
        proptest::option::of(regex)
    }

    prop_compose! {
        fn parts()(
            (scheme, domain, address) in (
                optional("[a-z][a-z0-9+.-]{0,6}"), "[a-z0-9.-]{1,20}(:[0-9]{1,4})?", "0x[0-9a-f]{40}",
            ),
            (statement, uri) in (
                optional("[A-Za-z0-9:/?#@!$&'()*+,;=._~ -]{1,40}"), "https://[a-z0-9]{1,12}\\.test/[a-z]{0,8}",
            ),
            (chain_id, nonce) in ("[0-9]{1,19}", "[A-Za-z0-9]{8,40}"),
            issued_at in "20[0-9]{2}-(0[1-9]|1[0-2])-([01][1-9]|2[0-8])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?Z",
            (expiration_time, not_before) in (
                optional("20[0-9]{2}-0[1-9]-1[0-9]T1[0-9]:[0-5][0-9]:[0-5][0-9][+-]0[0-9]:30"),
                optional("20[0-9]{2}-0[1-9]-1[0-9]T1[0-9]:[0-5][0-9]:[0-5][0-9]Z"),
            ),
            request_id in optional("[A-Za-z0-9:@!$&'()*+,;=._~-]{0,20}"),
            resources in proptest::option::of(proptest::collection::vec("[a-z]{1,5}:[a-z0-9/?#%]{0,0}[a-z/]{1,10}", 0..4)),
        ) -> SignInText {
            SignInText {
                scheme, domain, address, statement, uri, version: "1".into(), chain_id, nonce, issued_at,
                expiration_time, not_before, request_id, resources,
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(parts in parts()) {
            let text = parts.to_string();
            prop_assert_eq!(&SignInText::read(&text).unwrap(), &parts);
            let read = SignIn::read(&text).unwrap();
            prop_assert_eq!(read.domain, parts.domain);
            prop_assert_eq!(read.nonce, parts.nonce);
        }

        #[test]
        fn what_is_read_is_written_again_byte_for_byte(text in "\\PC{0,200}") {
            if let Ok(parts) = SignInText::read(&text) {
                prop_assert_eq!(parts.to_string(), text);
            }
        }

        #[test]
        fn a_change_anywhere_is_another_message_or_none(parts in parts(), at in any::<prop::sample::Index>(), sign in "[\\x00-\\x7f]") {
            let text = parts.to_string();
            let at = at.index(text.len());
            let changed = format!("{}{sign}{}", &text[..at], &text[at + 1..]);
            if let Ok(other) = SignInText::read(&changed) {
                prop_assert_eq!(other.to_string(), changed);
            }
        }
    }
}
