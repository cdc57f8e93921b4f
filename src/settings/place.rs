//! Where something stands in the operator's file: by its path of keys, or by the bytes themselves.

use std::fmt;
use std::ops::Range;

/// The keys that lead to a value: `route.orders.issuers[0]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dotted(Vec<Step>);

/// One step from a table or a list into what it holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Key(String),
    Item(usize),
}

impl Dotted {
    /// The path one key further: into a table.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        self.with(Step::Key(key.to_owned()))
    }

    /// The path one item further: into a list, counted from 0.
    #[must_use]
    pub fn item(&self, index: usize) -> Self {
        self.with(Step::Item(index))
    }

    /// Whether this is `table`, or stands in it.
    pub fn is_within(&self, table: &Self) -> bool {
        self.0.starts_with(&table.0)
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.0
    }

    fn with(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }
}

/// Splits at dots. A key that has a dot in it is added with [`Dotted::key`].
impl From<&str> for Dotted {
    fn from(path: &str) -> Self {
        Self(
            path.split('.')
                .filter(|key| !key.is_empty())
                .map(|key| Step::Key(key.to_owned()))
                .collect(),
        )
    }
}

impl From<&Self> for Dotted {
    fn from(path: &Self) -> Self {
        path.clone()
    }
}

impl fmt::Display for Dotted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.0.iter().enumerate() {
            match step {
                Step::Item(item) => write!(f, "[{item}]")?,
                Step::Key(key) => {
                    if index > 0 {
                        f.write_str(".")?;
                    }
                    if is_bare(key) {
                        f.write_str(key)?;
                    } else {
                        write!(f, "{key:?}")?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// What a problem points at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// Nothing in a file.
    #[default]
    Nowhere,
    /// The key itself; for a key that is not written, the nearest table around it that is.
    Key(Dotted),
    /// The value; where it is not written, as for a key.
    Value(Dotted),
    /// Bytes of the document, counted through all its files.
    Span(Range<usize>),
}

impl Place {
    /// The key at `path`.
    pub fn key(path: impl Into<Dotted>) -> Self {
        Self::Key(path.into())
    }

    /// The value at `path`.
    pub fn value(path: impl Into<Dotted>) -> Self {
        Self::Value(path.into())
    }

    /// The keys that lead here, if it was named by them.
    pub fn path(&self) -> Option<&Dotted> {
        match self {
            Self::Key(path) | Self::Value(path) => Some(path),
            Self::Nowhere | Self::Span(_) => None,
        }
    }
}

/// Whether TOML lets the key stand without quotes.
fn is_bare(key: &str) -> bool {
    !key.is_empty()
        && key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_prints_as_it_would_be_written() {
        let path = Dotted::from("route").key("orders").key("issuers").item(2);
        assert_eq!(path.to_string(), "route.orders.issuers[2]");
        assert_eq!(
            Dotted::from("route").key("a.b").to_string(),
            "route.\"a.b\""
        );
    }
}
