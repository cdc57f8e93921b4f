//! Quantities that carry their unit, because a bare number leaves the reader guessing.
//!
//! The error of each `parse` is the remedy alone (`write "30s"`): whoever reports it knows what was found, and where.

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A length of time: `"500ms"`, `"30s"`, `"15m"`, `"2h"`, `"7d"`.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("format" = "lifetime"))]
pub struct Lifetime(Duration);

/// A number of bytes: `"512B"`, `"64KiB"`, `"10MiB"`, `"2GiB"`.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("format" = "byte-size"))]
pub struct ByteSize(u64);

/// So many in a unit of time: `"20/s"`, `"600/m"`, `"1000/h"`, `"5000/d"`. Never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("format" = "rate"))]
pub struct Rate {
    count: u32,
    per: Duration,
}

/// A part of a whole: `"100%"`, `"5%"`, `"0.1%"`.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("format" = "share"))]
pub struct Share {
    millionths: u32,
}

impl Lifetime {
    /// This many seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// This many minutes.
    pub const fn minutes(minutes: u64) -> Self {
        Self::seconds(minutes * 60)
    }

    /// This many hours.
    pub const fn hours(hours: u64) -> Self {
        Self::minutes(hours * 60)
    }

    /// This many days of 24 hours.
    pub const fn days(days: u64) -> Self {
        Self::hours(days * 24)
    }

    /// The same length in the words of the standard library.
    pub const fn duration(self) -> Duration {
        self.0
    }

    /// Reads a whole number and `ms`, `s`, `m`, `h` or `d`; the error is what to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let help =
            || "write a whole number and one of ms, s, m, h, d, for example \"30s\"".to_owned();
        let (number, unit) = split(text).ok_or_else(help)?;
        if unit.is_empty() {
            return Err(format!("write \"{number}s\""));
        }
        let (_, millis) = TIMES
            .iter()
            .find(|(name, _)| *name == unit)
            .ok_or_else(help)?;
        let millis = number
            .checked_mul(*millis)
            .filter(|millis| *millis <= LONGEST)
            .ok_or_else(|| "write at most \"36500d\"".to_owned())?;
        Ok(Self(Duration::from_millis(millis)))
    }
}

impl ByteSize {
    /// This many bytes.
    pub const fn bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// This many times 1,024 bytes.
    pub const fn kib(kib: u64) -> Self {
        Self(kib << 10)
    }

    /// This many times 1,048,576 bytes.
    pub const fn mib(mib: u64) -> Self {
        Self(mib << 20)
    }

    /// The number of bytes.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The number of bytes as a length in memory.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    /// Reads a whole number and `B`, `KiB`, `MiB` or `GiB`; the error is what to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let help =
            || "write a whole number and one of B, KiB, MiB, GiB, for example \"64KiB\"".to_owned();
        let (number, unit) = split(text).ok_or_else(help)?;
        if unit.is_empty() {
            return Err(format!("write \"{}\"", Self(number)));
        }
        let Some((_, size)) = SIZES.iter().find(|(name, _)| *name == unit) else {
            // `64kb`, `64K` and `64kib` can only have meant one thing.
            let near = SIZES.iter().find(|(name, _)| {
                name.chars()
                    .next()
                    .is_some_and(|first| unit.to_ascii_uppercase().starts_with(first))
            });
            return Err(near.map_or_else(help, |(name, _)| format!("write \"{number}{name}\"")));
        };
        number
            .checked_mul(*size)
            .map(Self)
            .ok_or_else(|| "write a size below 16 EiB".to_owned())
    }
}

impl Rate {
    /// `count` in each `per`.
    pub const fn new(count: u32, per: Duration) -> Self {
        Self { count, per }
    }

    /// How many may happen in each [`Rate::per`].
    pub const fn count(self) -> u32 {
        self.count
    }

    /// The span in which [`Rate::count`] may happen.
    pub const fn per(self) -> Duration {
        self.per
    }

    /// Reads a count, a slash and `s`, `m`, `h` or `d`; the error is what to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let help = || "write a count per s, m, h or d, for example \"600/m\"".to_owned();
        let (number, unit) = split(text).ok_or_else(help)?;
        let count = u32::try_from(number).map_err(|_| help())?;
        if count == 0 {
            return Err("write a count of at least 1".to_owned());
        }
        if unit.is_empty() {
            return Err(format!("write \"{count}/s\""));
        }
        let per = match unit.strip_prefix('/').ok_or_else(help)?.trim() {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            _ => return Err(help()),
        };
        Ok(Self::new(count, Duration::from_secs(per)))
    }
}

impl Share {
    /// Everything.
    pub const ALL: Self = Self {
        millionths: 1_000_000,
    };

    /// This many hundredths, at most all.
    pub const fn percent(percent: u32) -> Self {
        Self {
            millionths: if percent < 100 {
                percent * 10_000
            } else {
                1_000_000
            },
        }
    }

    /// The share as a number from 0 to 1,000,000.
    pub const fn millionths(self) -> u32 {
        self.millionths
    }

    /// Reads a number from 0 to 100 and a percent sign; the error is what to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let help =
            || "write a number from 0 to 100 and a percent sign, for example \"20%\"".to_owned();
        let Some(number) = text.strip_suffix('%') else {
            let whole = text.parse::<u32>().ok().filter(|percent| *percent <= 100);
            return Err(whole.map_or_else(help, |percent| format!("write \"{percent}%\"")));
        };
        let (whole, part) = number
            .trim()
            .split_once('.')
            .unwrap_or((number.trim(), "0"));
        if part.is_empty() || part.len() > 4 {
            return Err(help());
        }
        let part =
            u32::from(part.parse::<u16>().map_err(|_| help())?) * 10_u32.pow(4 - width(part));
        let whole = u32::from(whole.parse::<u8>().map_err(|_| help())?);
        let millionths = whole * 10_000 + part;
        if millionths > Self::ALL.millionths {
            return Err(help());
        }
        Ok(Self { millionths })
    }
}

impl fmt::Display for Lifetime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        write_in_largest(f, millis, &TIMES, "s")
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_in_largest(f, self.0, &SIZES, "B")
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.per.as_secs() {
            0..60 => "s",
            60..3_600 => "m",
            3_600..86_400 => "h",
            _ => "d",
        };
        write!(f, "{}/{unit}", self.count)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.millionths / 10_000, self.millionths % 10_000);
        if part == 0 {
            return write!(f, "{whole}%");
        }
        write!(f, "{whole}.{}%", format!("{part:04}").trim_end_matches('0'))
    }
}

impl TryFrom<String> for Lifetime {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl TryFrom<String> for ByteSize {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl TryFrom<String> for Rate {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl TryFrom<String> for Share {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<Lifetime> for String {
    fn from(lifetime: Lifetime) -> Self {
        lifetime.to_string()
    }
}

impl From<ByteSize> for String {
    fn from(size: ByteSize) -> Self {
        size.to_string()
    }
}

impl From<Rate> for String {
    fn from(rate: Rate) -> Self {
        rate.to_string()
    }
}

impl From<Share> for String {
    fn from(share: Share) -> Self {
        share.to_string()
    }
}

/// The number in front, and what follows it.
fn split(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit.trim()))
}

/// The quantity in the largest unit that leaves no remainder.
fn write_in_largest(
    f: &mut fmt::Formatter<'_>,
    quantity: u64,
    units: &[(&str, u64)],
    zero: &str,
) -> fmt::Result {
    match units
        .iter()
        .rev()
        .find(|(_, size)| quantity > 0 && quantity.is_multiple_of(*size))
    {
        Some((unit, size)) => write!(f, "{}{unit}", quantity / size),
        None => write!(f, "{quantity}{zero}"),
    }
}

fn width(digits: &str) -> u32 {
    u32::try_from(digits.len()).unwrap_or(u32::MAX)
}

/// Units of time in milliseconds, smallest first.
const TIMES: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

/// Units of size in bytes, smallest first.
const SIZES: [(&str, u64); 4] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// A hundred years, in milliseconds: beyond it, adding to a moment is no longer sure to make sense.
const LONGEST: u64 = 36_500 * 86_400_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_reads_and_prints_in_its_largest_unit() {
        for text in ["500ms", "30s", "15m", "2h", "7d", "0s"] {
            assert_eq!(Lifetime::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Lifetime::parse("90s").unwrap().to_string(), "90s");
        assert_eq!(Lifetime::parse("120 s").unwrap(), Lifetime::minutes(2));
    }

    #[test]
    fn a_bare_number_is_answered_with_its_likely_unit() {
        assert_eq!(Lifetime::parse("30").unwrap_err(), "write \"30s\"");
        assert_eq!(ByteSize::parse("65536").unwrap_err(), "write \"64KiB\"");
        assert_eq!(Rate::parse("20").unwrap_err(), "write \"20/s\"");
        assert_eq!(Share::parse("20").unwrap_err(), "write \"20%\"");
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        for text in [
            "",
            "s",
            "-1s",
            "1.5h",
            "5 weeks",
            "99999999999999999999s",
            "40000d",
        ] {
            Lifetime::parse(text).unwrap_err();
        }
        for text in ["", "KiB", "1XB", "99999999999GiB"] {
            ByteSize::parse(text).unwrap_err();
        }
        for text in ["", "0/s", "5/week", "5 per s", "5000000000/s"] {
            Rate::parse(text).unwrap_err();
        }
        for text in ["", "%", "101%", "100.1%", "5.%", "5.12345%", "-1%"] {
            Share::parse(text).unwrap_err();
        }
    }

    #[test]
    fn a_size_in_sloppy_units_is_answered_with_the_exact_one() {
        assert_eq!(ByteSize::parse("64kb").unwrap_err(), "write \"64KiB\"");
        assert_eq!(ByteSize::parse("10M").unwrap_err(), "write \"10MiB\"");
        assert_eq!(ByteSize::parse("10MiB").unwrap(), ByteSize::mib(10));
    }

    #[test]
    fn a_rate_and_a_share_print_as_they_read() {
        for text in ["20/s", "600/m", "5/h", "1/d"] {
            assert_eq!(Rate::parse(text).unwrap().to_string(), text);
        }
        for text in ["0%", "5%", "0.1%", "12.5%", "100%"] {
            assert_eq!(Share::parse(text).unwrap().to_string(), text);
        }
    }
}
