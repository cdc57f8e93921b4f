//! A colour, and whether it can be read (WCAG 2.2 §1.4.3).

use std::fmt;

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// A colour, as in `"#2f5bd3"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(into = "String")]
pub struct Colour(
    #[serde(deserialize_with = "read")]
    #[schemars(with = "String")]
    [u8; 3],
);

impl Colour {
    /// White.
    pub(super) const WHITE: Self = Self([255, 255, 255]);
    /// Black.
    pub(super) const BLACK: Self = Self([0, 0, 0]);

    /// A colour of these parts of red, green and blue.
    pub(super) const fn new(red: u8, green: u8, blue: u8) -> Self {
        Self([red, green, blue])
    }

    /// Reads a colour; the error is what to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let digits = text.strip_prefix('#').filter(|digits| {
            digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
        });
        let number = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let help = || "write a colour as six hexadecimal digits, such as \"#2f5bd3\"".to_owned();
        let [_, red, green, blue] = number.ok_or_else(help)?.to_be_bytes();
        Ok(Self([red, green, blue]))
    }

    /// This colour, mixed with as little of `other` as makes it readable on `ground`, and the other way round.
    pub(super) fn readable_on(self, ground: Self, other: Self) -> Self {
        let mut mixed = (0..=STEPS).map(|step| self.mixed(other, step));
        mixed
            .find(|colour| colour.contrast(ground) >= READABLE)
            .unwrap_or(other)
    }

    fn mixed(self, other: Self, step: u32) -> Self {
        let mut parts = self.0;
        for (part, other) in parts.iter_mut().zip(other.0) {
            let sum = u32::from(*part) * (STEPS - step) + u32::from(other) * step;
            *part = u8::try_from(sum / STEPS).unwrap_or(u8::MAX);
        }
        Self(parts)
    }

    /// From 1, the same, to 21, black on white.
    pub(super) fn contrast(self, other: Self) -> f64 {
        let (one, other) = (self.luminance(), other.luminance());
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    fn luminance(self) -> f64 {
        let linear = |part: u8| {
            let part = f64::from(part) / 255.0;
            if part <= 0.040_45 {
                part / 12.92
            } else {
                ((part + 0.055) / 1.055).powf(2.4)
            }
        };
        let [red, green, blue] = self.0.map(linear);
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }
}

impl Default for Colour {
    fn default() -> Self {
        Self::new(0x2f, 0x5b, 0xd3)
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

impl From<Colour> for String {
    fn from(colour: Colour) -> Self {
        colour.to_string()
    }
}

/// Within the newtype, so that a mistake is reported at the value.
fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 3], D::Error> {
    let text = String::deserialize(deserializer)?;
    Colour::parse(&text)
        .map(|colour| colour.0)
        .map_err(D::Error::custom)
}

/// What text of ordinary size needs, and a little more for rounding.
const READABLE: f64 = 4.6;
const STEPS: u32 = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colour_has_six_digits() {
        assert_eq!(Colour::parse("#2F5bd3").unwrap(), Colour::default());
        assert_eq!(Colour::default().to_string(), "#2f5bd3");
        for text in [
            "",
            "2f5bd3",
            "#2f5bd",
            "#2f5bd3f",
            "blue",
            "#+12345",
            "#12\u{e9}45",
        ] {
            Colour::parse(text).unwrap_err();
        }
    }

    #[test]
    fn contrast_goes_from_one_to_twenty_one() {
        assert!((Colour::WHITE.contrast(Colour::BLACK) - 21.0).abs() < 0.01);
        assert!((Colour::WHITE.contrast(Colour::WHITE) - 1.0).abs() < 0.01);
    }

    #[test]
    fn any_colour_is_made_readable() {
        for text in [
            "#ffff00", "#000000", "#ffffff", "#777777", "#ff0000", "#00ff00",
        ] {
            let colour = Colour::parse(text).unwrap();
            let dark = colour.readable_on(Colour::WHITE, Colour::BLACK);
            assert!(dark.contrast(Colour::WHITE) >= 4.5, "{text} became {dark}");
            let light = colour.readable_on(Colour::BLACK, Colour::WHITE);
            assert!(
                light.contrast(Colour::BLACK) >= 4.5,
                "{text} became {light}"
            );
        }
        let blue = Colour::default();
        assert_eq!(blue.readable_on(Colour::WHITE, Colour::BLACK), blue);
    }
}
