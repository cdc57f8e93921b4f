//! One mistake in the operator's file: where it is, what it is, and what to write instead.

use serde::Serialize;

use super::Place;

/// A mistake, or something that looks like one.
#[derive(Clone, Debug)]
pub struct Problem {
    /// The stable name of this kind of mistake, `TG` and four digits.
    pub code: &'static str,
    /// Whether the file can be used all the same.
    pub severity: Severity,
    /// What to point at.
    pub place: Place,
    /// What is wrong, as a lowercase fragment.
    pub message: String,
    /// The words beside the caret: mostly `help: ..`, the remedy.
    pub label: String,
    /// What else is worth knowing.
    pub notes: Vec<String>,
    /// Other places that have to do with it, with a word on each.
    pub related: Vec<(Place, String)>,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// It can, and the operator should look at it.
    Warning,
}

impl Problem {
    /// The file cannot be used because of `message`.
    pub fn error(code: &'static str, place: Place, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            place,
            message: message.into(),
            label: String::new(),
            notes: Vec::new(),
            related: Vec::new(),
        }
    }

    /// The file can be used, and the operator should know of `message`.
    pub fn warning(code: &'static str, place: Place, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(code, place, message)
        }
    }

    /// Adds the remedy, shown beside the caret.
    #[must_use]
    pub fn help(self, remedy: impl AsRef<str>) -> Self {
        let label = format!("help: {}", remedy.as_ref());
        Self { label, ..self }
    }

    /// Adds the remedy, if there is one.
    #[must_use]
    pub fn help_if(self, remedy: Option<impl AsRef<str>>) -> Self {
        match remedy {
            Some(remedy) => self.help(remedy),
            None => self,
        }
    }

    /// Adds a sentence below the snippet.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Shows another place as well.
    #[must_use]
    pub fn see(mut self, place: Place, word: impl Into<String>) -> Self {
        self.related.push((place, word.into()));
        self
    }

    /// Whether it stops the file from being used.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// The known name that `written` was probably meant to be: its singular or plural first, then the one fewest
/// keystrokes away.
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let known: Vec<&str> = known.into_iter().collect();
    let is_twin = |name: &&&str| {
        name.strip_suffix('s') == Some(written) || written.strip_suffix('s') == Some(name)
    };
    let same = |name: &&&str| plain(name) == plain(written);
    if let Some(twin) = known
        .iter()
        .find(same)
        .or_else(|| known.iter().find(is_twin))
    {
        return Some(twin);
    }
    let allowed = 1 + written.chars().count() / 4;
    known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(written, name), *name))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, name)| name)
}

/// A name without what people spell differently: `strip-prefix`, `stripPrefix` and `strip_prefix` are one.
fn plain(name: &str) -> String {
    name.chars()
        .filter(|c| !matches!(c, '-' | '_' | '.'))
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_twin_wins_over_the_nearer_stranger() {
        assert_eq!(
            nearest("upstreams", ["streams", "upstream"]),
            Some("upstream")
        );
        assert_eq!(
            nearest("method", ["methods", "method_limit"]),
            Some("methods")
        );
    }

    #[test]
    fn typing_mistakes_and_other_spellings_are_recognised() {
        assert_eq!(nearest("adress", ["address", "access"]), Some("address"));
        assert_eq!(
            nearest("stripPrefix", ["strip_prefix"]),
            Some("strip_prefix")
        );
        assert_eq!(nearest("es256", ["ES256", "ES384"]), Some("ES256"));
    }

    #[test]
    fn what_resembles_nothing_gets_no_suggestion() {
        assert_eq!(nearest("colour", ["path", "upstream"]), None);
        assert_eq!(nearest("x", ["tls"]), None);
    }
}
