//! Which paths a route is for.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The shape of a path: `/orders/7` itself, `/orders/{id}` with any one segment, `/orders/**` with all that is below.
///
/// `/**` means the path itself and everything below it: `/orders/**` is for `/orders`, `/orders/` and `/orders/7`.
#[derive(Clone, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct PathPattern {
    text: Box<str>,
    segments: Box<[Segment]>,
}

/// One segment of a pattern, the vaguest first.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Segment {
    /// `**`: any number of segments, at the end only.
    Rest,
    /// `{name}`: any one segment that is not empty.
    Any,
    /// This text.
    Literal(Box<str>),
    /// The path ends here. Every pattern ends in this or in `**`.
    End,
}

impl PathPattern {
    /// Reads a pattern, or says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some(below) = text.strip_prefix('/') else {
            return Err(format!("a path begins with a slash: write `/{text}`"));
        };
        let words: Vec<&str> = below.split('/').collect();
        let last = words.len() - 1;
        let segment = |(place, word): (usize, &&str)| parse_segment(word, place == last);
        let mut segments = words
            .iter()
            .enumerate()
            .map(segment)
            .collect::<Result<Vec<_>, _>>()?;
        if segments.last() != Some(&Segment::Rest) {
            segments.push(Segment::End);
        }
        Ok(Self {
            text: Box::from(text),
            segments: segments.into_boxed_slice(),
        })
    }

    /// The segments in order.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the two stand for the same paths.
    pub fn same_shape(&self, other: &Self) -> bool {
        self.segments == other.segments
    }

    /// Whether a path of these segments has this shape.
    pub fn accepts<'a>(&self, mut path: impl Iterator<Item = &'a str>) -> bool {
        for segment in &self.segments {
            let fits = match segment {
                Segment::Rest => return true,
                Segment::Any => path.next().is_some_and(|word| !word.is_empty()),
                Segment::Literal(text) => path.next() == Some(text),
                Segment::End => path.next().is_none(),
            };
            if !fits {
                return false;
            }
        }
        true
    }
}

fn parse_segment(word: &str, is_last: bool) -> Result<Segment, String> {
    if word == "**" {
        return if is_last {
            Ok(Segment::Rest)
        } else {
            Err("`**` stands only at the end".to_owned())
        };
    }
    if let Some(name) = word
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
    {
        let is_name = !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        return if is_name {
            Ok(Segment::Any)
        } else {
            Err(format!("`{word}` is not a name in braces"))
        };
    }
    if word.is_empty() && !is_last {
        return Err("the path has an empty segment".to_owned());
    }
    if matches!(word, "." | "..") {
        return Err("the path has a dot segment".to_owned());
    }
    if let Some(odd) = word
        .chars()
        .find(|letter| !letter.is_ascii_graphic() || "*{}%;\\?#".contains(*letter))
    {
        return Err(format!(
            "`{odd}` cannot stand in a path; write the segment decoded, or `{{name}}` for any segment"
        ));
    }
    Ok(Segment::Literal(Box::from(word)))
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PathPattern({})", self.text)
    }
}

impl TryFrom<String> for PathPattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<PathPattern> for String {
    fn from(pattern: PathPattern) -> Self {
        pattern.text.into_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, path: &str) -> bool {
        PathPattern::parse(pattern)
            .unwrap()
            .accepts(path.split('/').skip(1))
    }

    #[test]
    fn two_stars_stand_for_the_path_itself_and_all_below() {
        for path in ["/orders", "/orders/", "/orders/7", "/orders/7/lines"] {
            assert!(fits("/orders/**", path), "{path}");
        }
        assert!(!fits("/orders/**", "/ordersX"));
        assert!(fits("/**", "/"));
    }

    #[test]
    fn braces_stand_for_one_segment() {
        assert!(fits("/users/{id}/name", "/users/7/name"));
        assert!(!fits("/users/{id}", "/users/"));
        assert!(!fits("/users/{id}", "/users/7/name"));
    }

    #[test]
    fn a_pattern_that_could_mean_two_things_is_refused() {
        for pattern in [
            "orders", "/a/**/b", "/a//b", "/a/../b", "/a*", "/{}", "/a%20b", "/a?b",
        ] {
            assert!(PathPattern::parse(pattern).is_err(), "{pattern}");
        }
    }
}
