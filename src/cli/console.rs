//! What a command says: answers on standard output, everything else on standard error.

use std::error::Error;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use super::CliError;
use crate::settings::Report;

/// Writes an answer: the one thing a script wants to read.
pub(super) fn answer(text: impl Display) -> Result<(), CliError> {
    let written = writeln!(io::stdout().lock(), "{text}");
    written.map_err(|error| CliError::System("write the answer", error))
}

/// Writes an answer as JSON, for programs.
pub(super) fn answer_json(value: &serde_json::Value) -> Result<(), CliError> {
    answer(format_args!("{value:#}"))
}

/// Says something to the person who looks on. That nobody listens is no failure.
pub(super) fn note(text: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Says why the command failed: `error: could not open the store: no such file`.
pub(super) fn complain(error: &CliError) {
    match error {
        CliError::Configuration(Some(report)) => note(drawn(report)),
        CliError::Configuration(None) | CliError::No => {}
        error => note(format_args!("error: could not {}", chain(error))),
    }
}

/// A report as people read it, in colours if they would see them.
pub(super) fn drawn(report: &Report) -> String {
    if io::stderr().is_terminal() && crate::settings::variable("NO_COLOR").is_none() {
        report.coloured()
    } else {
        report.plain()
    }
}

/// An error with its causes.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        // A transparent error repeats its source.
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = error.source();
    }
    text
}

/// Rows under headings, each column as wide as its widest cell.
pub(super) fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let heading: Vec<String> = headings.iter().map(|&word| word.to_owned()).collect();
    let all: Vec<_> = std::iter::once(&heading).chain(rows).collect();
    let width = |column: usize| {
        let cells = all.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths);
        let cells: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        cells.join("  ").trim_end().to_owned()
    };
    let lines: Vec<String> = all.into_iter().map(line).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [
            vec!["ada".to_owned(), "read".to_owned()],
            vec!["b".to_owned(), String::new()],
        ];
        assert_eq!(
            table(&["NAME", "SCOPE"], &rows),
            "NAME  SCOPE\nada   read\nb"
        );
    }
}
