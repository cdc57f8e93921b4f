//! From files and overrides to a checked configuration.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Config, check, settle};
use crate::settings::{Document, Dotted, Place, Problem, Report};

impl Config {
    /// Reads the file, the files it includes, and the overrides, each `path.to.key=value`.
    ///
    /// The report beside a configuration has warnings only; one with errors comes instead of it.
    pub fn load(path: &Path, overrides: &[String]) -> Result<(Self, Report), Report> {
        let text =
            fs::read_to_string(path).map_err(|error| Report::of(unreadable(path, &error)))?;
        Self::read(
            &path.display().to_string(),
            &text,
            folder_of(path),
            overrides,
        )
    }

    /// Reads `text` as a file called `name`, whose relative paths start in `folder`.
    pub fn parse(name: &str, text: &str, folder: &Path) -> Result<(Self, Report), Report> {
        Self::read(name, text, folder, &[])
    }

    fn read(
        name: &str,
        text: &str,
        folder: &Path,
        overrides: &[String],
    ) -> Result<(Self, Report), Report> {
        let mut problems = Vec::new();
        let mut document = Document::default();
        document.add(name, folder, text, &mut problems);
        include(&mut document, folder, &mut problems);
        for assignment in overrides {
            document.set(assignment, &mut problems);
        }
        // What is not TOML has no shape to speak of.
        if problems.iter().any(Problem::is_error) {
            return Err(document.report(problems));
        }
        let Some(mut config) = document.read::<Self>(&mut problems) else {
            return Err(document.report(problems));
        };
        settle::settle(&mut config, &document, folder);
        check::check(&config, &document, &mut problems);
        let report = document.report(problems);
        if report.has_errors() {
            Err(report)
        } else {
            Ok((config, report))
        }
    }
}

/// Adds the files that the first one names, in the order of their names. They include no others.
fn include(document: &mut Document, folder: &Path, problems: &mut Vec<Problem>) {
    let patterns: Vec<String> = document
        .strings("include")
        .into_iter()
        .map(str::to_owned)
        .collect();
    let place = |index| Place::value(Dotted::from("include").item(index));
    for (index, pattern) in patterns.iter().enumerate() {
        match matching(&folder.join(pattern)) {
            Err(error) => {
                let message = format!("could not look for {pattern}: {error}");
                problems.push(Problem::error("TG0004", place(index), message));
            }
            Ok(files) => {
                for file in files {
                    match fs::read_to_string(&file) {
                        Ok(text) => document.add(
                            &file.display().to_string(),
                            folder_of(&file),
                            &text,
                            problems,
                        ),
                        Err(error) => {
                            let problem = unreadable(&file, &error);
                            problems.push(Problem {
                                place: place(index),
                                ..problem
                            });
                        }
                    }
                }
            }
        }
    }
}

/// The files of a pattern, whose last part may have stars; without one, the file itself.
fn matching(pattern: &Path) -> io::Result<Vec<PathBuf>> {
    let name = pattern.file_name().unwrap_or_default().to_string_lossy();
    if !name.contains('*') {
        return Ok(vec![pattern.to_owned()]);
    }
    let mut files = Vec::new();
    let entries = match fs::read_dir(folder_of(pattern)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(files),
        entries => entries?,
    };
    for entry in entries {
        let file = entry?.path();
        let candidate = file.file_name().unwrap_or_default().to_string_lossy();
        // Editors leave hidden files beside the one they edit.
        if !candidate.starts_with('.') && fits(&name, &candidate) {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

/// Whether a name has the shape of a pattern, in which a star stands for any number of characters.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, rest)) => name.strip_prefix(start).is_some_and(|name| {
            (0..=name.len())
                .filter_map(|end| name.get(end..))
                .any(|name| fits(rest, name))
        }),
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

fn unreadable(path: &Path, error: &io::Error) -> Problem {
    let problem = Problem::error(
        "TG0001",
        Place::Nowhere,
        format!("could not read {}: {error}", path.display()),
    );
    if error.kind() == io::ErrorKind::NotFound {
        problem.note("name another file with `-c FILE`; `tollgate demo` needs none")
    } else {
        problem
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_number_of_characters() {
        assert!(fits("*.toml", "api.toml"));
        assert!(fits("*.toml", ".toml"));
        assert!(fits("a*b*c", "a-b-b-c"));
        assert!(!fits("*.toml", "api.toml~"));
        assert!(!fits("a*b", "ab-c"));
    }
}
