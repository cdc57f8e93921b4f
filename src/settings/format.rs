//! The formats a string may have, by the name the schema gives them.

use super::{ByteSize, Lifetime, Network, Rate, Share};

/// A kind of text with rules of its own.
pub(super) struct Format {
    /// What to call it, with its article.
    pub(super) phrase: &'static str,
    /// Tries the text; the error is what to write instead.
    pub(super) check: fn(&str) -> Result<(), String>,
}

/// The format of this name, if it has rules that can be checked.
pub(super) fn format(name: &str) -> Option<&'static Format> {
    FORMATS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, format)| format)
}

const FORMATS: [(&str, Format); 7] = [
    (
        "socket-address",
        Format {
            phrase: "an address and a port",
            check: check_address,
        },
    ),
    (
        "lifetime",
        Format {
            phrase: "a length of time",
            check: |text| Lifetime::parse(text).map(drop),
        },
    ),
    (
        "byte-size",
        Format {
            phrase: "a size",
            check: |text| ByteSize::parse(text).map(drop),
        },
    ),
    (
        "rate",
        Format {
            phrase: "a rate",
            check: |text| Rate::parse(text).map(drop),
        },
    ),
    (
        "share",
        Format {
            phrase: "a percentage",
            check: |text| Share::parse(text).map(drop),
        },
    ),
    (
        "network",
        Format {
            phrase: "a network",
            check: |text| Network::parse(text).map(drop),
        },
    ),
    (
        "uri",
        Format {
            phrase: "a URL",
            check: check_url,
        },
    ),
];

fn check_address(text: &str) -> Result<(), String> {
    let help =
        |_| "write for example \"127.0.0.1:8443\", or \"[::]:443\" for all addresses".to_owned();
    text.parse::<std::net::SocketAddr>().map(drop).map_err(help)
}

fn check_url(text: &str) -> Result<(), String> {
    let help = |_| "write a whole URL, for example \"https://api.example.com\"".to_owned();
    url::Url::parse(text).map(drop).map_err(help)
}
