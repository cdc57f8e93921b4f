//! What a command is told apart from its words: secrets, tokens, and words with a form.

use std::fs;
use std::io::{self, BufRead, IsTerminal};
use std::path::Path;

use zeroize::Zeroizing;

use super::{CliError, console};
use crate::settings::Lifetime;
use crate::token::{Algorithm, Scope, Secret};

/// A secret from a file, or one line of standard input. A newline at the end is not part of it.
pub(super) fn secret(what: &str, file: Option<&Path>) -> Result<Secret, CliError> {
    let text = match file {
        Some(path) => Zeroizing::new(read(path)?),
        None => line(what)?,
    };
    let text = text.trim_end_matches(['\n', '\r']);
    if text.is_empty() {
        return Err(CliError::Usage(format!(
            "read the {what}: nothing was given"
        )));
    }
    Ok(Secret::new(text))
}

fn line(what: &str) -> Result<Zeroizing<String>, CliError> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        console::note(format_args!("{what}, then Enter:"));
    }
    let mut text = Zeroizing::new(String::new());
    let read = stdin.lock().read_line(&mut text);
    read.map_err(|error| CliError::System("read standard input", error))?;
    Ok(text)
}

/// The text of a file.
pub(super) fn read(path: &Path) -> Result<String, CliError> {
    fs::read_to_string(path).map_err(|source| CliError::File {
        doing: "read",
        path: path.to_owned(),
        source,
    })
}

/// A scope among the words of the command line: names separated by spaces.
pub(super) fn scope(text: &str) -> Result<Scope, String> {
    Scope::parse(text).map_err(|error| error.to_string())
}

/// A span of time among the words of the command line: `10m`.
pub(super) fn lifetime(text: &str) -> Result<Lifetime, String> {
    Lifetime::parse(text)
}

/// A signature algorithm among the words of the command line: `ES256`.
pub(super) fn algorithm(text: &str) -> Result<Algorithm, String> {
    let known = || {
        Algorithm::ALL
            .map(|algorithm| algorithm.to_string())
            .join(", ")
    };
    Algorithm::from_name(text).ok_or_else(|| format!("write one of {}", known()))
}
