//! Control characters that JSON lets through, made visible: DEL, and those of U+0080 to U+009F, of which a terminal may
//! obey some.

use std::borrow::Cow;
use std::io::{self, Write};

/// JSON text with those characters written as escapes. They can stand in its strings only, where that means the same.
pub(super) fn visible(json: &[u8]) -> Cow<'_, [u8]> {
    let is_odd = |pair: &[u8]| matches!(pair, [0xc2, 0x80..=0x9f]);
    if !json.contains(&0x7f) && !json.windows(2).any(is_odd) {
        return Cow::Borrowed(json);
    }
    let mut shown = Vec::with_capacity(json.len() + 16);
    let mut rest = json;
    while let Some((first, after)) = rest.split_first() {
        let (code, length) = match rest {
            [0x7f, ..] => (Some(0x7f), 1),
            [0xc2, low @ 0x80..=0x9f, ..] => (Some(*low), 2),
            _ => (None, 1),
        };
        match code {
            Some(code) => shown.extend_from_slice(format!("\\u{code:04x}").as_bytes()),
            None => shown.push(*first),
        }
        rest = rest.get(length..).unwrap_or(after);
    }
    Cow::Owned(shown)
}

/// A writer of whole lines of JSON that makes them visible.
#[derive(Debug)]
pub(super) struct Visible<W>(pub(super) W);

impl<W: Write> Write for Visible<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.write_all(&visible(line))?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_obeys_nothing_that_is_left_and_the_meaning_stays() {
        for text in [
            "plain",
            "é",
            "\u{7f}",
            "a\u{9b}2J\u{80}\u{9f}b",
            "\u{a0}\u{c2}",
        ] {
            let json = serde_json::to_vec(text).unwrap();
            let shown = visible(&json);
            let shown = std::str::from_utf8(&shown).unwrap();
            assert!(!shown.contains(|c: char| c.is_control()), "{shown:?}");
            assert_eq!(serde_json::from_str::<String>(shown).unwrap(), text);
        }
    }
}
