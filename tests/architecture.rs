//! The house rules, read from the source itself: the storeys hold, every file opens with prose, nothing is over budget, and no
//! folder but `dialect` knows an API by name.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop"
)]

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

/// The folders of `src`, lowest first: each may use itself and those before it.
const STOREYS: &str = "token settings observe net store verify permit issue forward dialect pages route gate listen admin config \
                       server cli main";

/// Every word that a mount can `speak`.
const DIALECTS: [&str; 5] = ["oauth2", "nexushub", "nexudus", "bluenexus", "hubler"];

const LONGEST_FILE: usize = 400;
const LONGEST_FUNCTION: usize = 60;

#[test]
fn no_folder_uses_one_above_it() {
    complain("imports point downward only", |source| {
        let own = storey(&source.folder)?;
        let upward = source
            .crate_paths()
            .into_iter()
            .filter(|(_, used)| storey(used).is_none_or(|used| used > own));
        Some(
            upward
                .map(|(line, used)| format!("{}:{line} uses crate::{used}", source.name))
                .collect(),
        )
    });
}

/// What is below was open to attack (security, rule 32).
const FLOORS: [(&str, [u64; 3]); 17] = [
    ("aws-lc-sys", [0, 39, 0]),
    ("bytes", [1, 11, 1]),
    ("h2", [0, 4, 16]),
    ("hyper", [1, 11, 0]),
    ("idna", [1, 0, 3]),
    ("jsonwebtoken", [10, 3, 0]),
    ("lru", [0, 18, 2]),
    ("quinn-proto", [0, 11, 15]),
    ("ring", [0, 17, 12]),
    ("rsa", [u64::MAX, 0, 0]),
    ("rustls", [0, 23, 18]),
    ("rustls-webpki", [0, 103, 13]),
    ("sqlx", [0, 8, 1]),
    ("time", [0, 3, 47]),
    ("tokio", [1, 44, 2]),
    ("tokio-postgres", [0, 7, 18]),
    ("tracing-subscriber", [0, 3, 20]),
];

#[test]
fn no_dependency_is_below_its_floor() {
    let lock = include_str!("../Cargo.lock");
    let mut seen = 0;
    for package in lock.split("[[package]]").skip(1) {
        let value = |key: &str| {
            let line = package.lines().find_map(|line| line.strip_prefix(key));
            line.unwrap().trim_matches('"')
        };
        let (name, version) = (value("name = "), value("version = "));
        let Some((_, floor)) = FLOORS.iter().find(|(known, _)| *known == name) else {
            continue;
        };
        let numbers = version.split(['.', '-', '+']).take(3);
        let numbers: Vec<u64> = numbers.map(|number| number.parse().unwrap()).collect();
        assert!(numbers[..] >= floor[..], "{name} {version}");
        seen += 1;
    }
    assert!(seen >= 10, "only {seen} of them are used");
}

#[test]
fn every_folder_has_its_storey() {
    complain("every folder is named in the list of storeys", |source| {
        let known = source.folder == "lib" || storey(&source.folder).is_some();
        Some(if known {
            Vec::new()
        } else {
            vec![source.name.clone()]
        })
    });
}

#[test]
fn every_file_opens_with_prose() {
    complain("the first line of a file says what it is for", |source| {
        let prose = source
            .text
            .lines()
            .next()
            .is_some_and(|line| line.len() > "//! ".len() && line.starts_with("//! "));
        Some(if prose {
            Vec::new()
        } else {
            vec![source.name.clone()]
        })
    });
}

#[test]
fn every_module_is_a_file_of_its_own_name_or_a_title_page() {
    complain("a folder's own file is its mod.rs", |source| {
        let folder = source.path.with_extension("");
        Some(if folder.is_dir() {
            vec![source.name.clone()]
        } else {
            Vec::new()
        })
    });
}

#[test]
fn no_file_is_over_budget() {
    complain("a file has at most 400 lines without its tests", |source| {
        let length = source.code().lines().count();
        Some(if length > LONGEST_FILE {
            vec![format!("{} has {length} lines", source.name)]
        } else {
            Vec::new()
        })
    });
}

#[test]
fn no_function_is_over_budget() {
    complain("a function has at most 60 lines", |source| {
        let long = source
            .functions()
            .into_iter()
            .filter(|(_, length)| *length > LONGEST_FUNCTION);
        Some(
            long.map(|(line, length)| format!("{}:{line} has {length} lines", source.name))
                .collect(),
        )
    });
}

#[test]
fn only_the_dialects_know_an_api_by_name() {
    complain("no dialect's name stands outside src/dialect", |source| {
        if source.folder == "dialect" {
            return None;
        }
        let lines = source.text.lines().enumerate();
        let named = lines.filter(|(_, line)| {
            DIALECTS
                .iter()
                .any(|name| line.to_ascii_lowercase().contains(name))
        });
        Some(
            named
                .map(|(index, line)| format!("{}:{} {}", source.name, index + 1, line.trim()))
                .collect(),
        )
    });
}

#[test]
fn no_one_leaves_work_for_later() {
    complain("nothing is left to do", |source| {
        let marks = ["TODO", "FIXME", "XXX", "todo!", "unimplemented!"];
        let lines = source.text.lines().enumerate();
        let left = lines.filter(|(_, line)| marks.iter().any(|mark| line.contains(mark)));
        Some(
            left.map(|(index, line)| format!("{}:{} {}", source.name, index + 1, line.trim()))
                .collect(),
        )
    });
}

#[test]
fn one_trait_is_enough() {
    complain("Dialect is the only trait of our own", |source| {
        let lines = source.code().lines().enumerate();
        let traits = lines.filter(|(_, line)| {
            let line = line
                .trim_start()
                .trim_start_matches("pub ")
                .trim_start_matches("pub(crate) ");
            line.strip_prefix("trait ")
                .is_some_and(|name| !name.starts_with("Dialect"))
        });
        Some(
            traits
                .map(|(index, line)| format!("{}:{} {}", source.name, index + 1, line.trim()))
                .collect(),
        )
    });
}

/// Reasons to refuse that no answer in the standard voice shows: they are met at token endpoints only, which speak their
/// own words. This list may only shrink.
const WITHOUT_EXAMPLE: [&str; 2] = ["overloaded", "rate_limited"];

#[test]
fn every_refusal_has_an_example() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let refusal = fs::read_to_string(root.join("src/observe/refusal.rs")).unwrap();
    let codes = refusal
        .split_once("fn code(")
        .and_then(|(_, rest)| rest.split_once("\n    }\n"))
        .map(|(body, _)| body)
        .unwrap();
    let codes: Vec<&str> = codes.split('"').skip(1).step_by(2).collect();
    assert!(
        codes.len() > 20,
        "the codes stand in Refusal::code: {codes:?}"
    );
    let mut paths = Vec::new();
    collect(&root.join("tests/behaviour"), &mut paths);
    let tests: String = paths
        .iter()
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    for code in codes {
        let shown = tests.contains(&format!("\"{code}\""));
        let excused = WITHOUT_EXAMPLE.contains(&code);
        assert!(
            shown != excused,
            "{code}: shown by a test {shown}, listed as not shown {excused}"
        );
    }
}

/// One file of `src`.
struct Source {
    path: PathBuf,
    /// The path below the repository.
    name: String,
    /// The folder of `src` it belongs to; for `main.rs` and `lib.rs` their stem.
    folder: String,
    text: String,
}

impl Source {
    /// The text without its tests: unit tests stand at the end of a file, or in a file of their own.
    fn code(&self) -> &str {
        if self
            .path
            .components()
            .any(|part| part.as_os_str() == "tests.rs" || part.as_os_str() == "tests")
        {
            return "";
        }
        let tests = self
            .text
            .find("\n#[cfg(test)]\nmod ")
            .map(|start| start + 1);
        let inline = tests.filter(|start| {
            self.text[*start..]
                .lines()
                .nth(1)
                .is_some_and(|line| line.ends_with('{'))
        });
        &self.text[..inline.unwrap_or(self.text.len())]
    }

    /// The first segment of every `crate::..` path outside comments, with its line.
    fn crate_paths(&self) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        let mut line_number = 0;
        let mut lines = self.text.lines().peekable();
        while let Some(line) = lines.next() {
            line_number += 1;
            let first = line_number;
            let mut statement = line.trim().to_owned();
            while statement.contains("use crate::{")
                && !statement.contains(';')
                && lines.peek().is_some()
            {
                line_number += 1;
                statement.push_str(lines.next().unwrap().trim());
            }
            if !statement.starts_with("//") {
                found.extend(segments(&statement).into_iter().map(|used| (first, used)));
            }
        }
        found
    }

    /// Every function: its first line, and how many lines of code it has. Relies on the layout rustfmt gives.
    fn functions(&self) -> Vec<(usize, usize)> {
        let lines: Vec<&str> = self.code().lines().collect();
        let mut found = Vec::new();
        for (index, line) in lines.iter().enumerate() {
            let code = line.trim_start();
            let is_function = code.split_once("fn ").is_some_and(|(before, _)| {
                before
                    .split_whitespace()
                    .all(|word| word.starts_with("pub") || ["const", "async", "in"].contains(&word))
            });
            if is_function && !code.ends_with(';') {
                let end = format!("{}}}", &line[..line.len() - code.len()]);
                let body = lines[index..].iter().take_while(|line| **line != end);
                let counted = body
                    .filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with("//"))
                    .count();
                found.push((index + 1, if code.ends_with('}') { 1 } else { counted + 1 }));
            }
        }
        found
    }
}

/// The names that follow `crate::` in one statement, groups in braces included.
fn segments(statement: &str) -> Vec<String> {
    let word = |text: &str| {
        text.trim()
            .chars()
            .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
            .collect::<String>()
    };
    let mut found = Vec::new();
    for (at, _) in statement.match_indices("crate::") {
        let tail = &statement[at + "crate::".len()..];
        match tail.strip_prefix('{') {
            None => found.push(word(tail)),
            Some(group) => found.extend(members(group).into_iter().map(word)),
        }
    }
    // `$crate::` and names of macros or types at the root do not exist here; an empty word is a glob.
    found.retain(|name| !name.is_empty());
    found
}

/// Splits `a::{b, c}, d}` at its outer commas.
fn members(group: &str) -> Vec<&str> {
    let (mut members, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            ',' if depth == 0 => {
                members.push(&group[start..at]);
                start = at + 1;
            }
            '}' if depth == 0 => {
                members.push(&group[start..at]);
                return members;
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    members
}

fn storey(folder: &str) -> Option<usize> {
    STOREYS.split_whitespace().position(|known| known == folder)
}

/// Applies a rule to every source and fails with all that broke it.
fn complain(rule: &str, check: impl Fn(&Source) -> Option<Vec<String>>) {
    let broken: Vec<String> = sources().iter().filter_map(check).flatten().collect();
    let mut report = String::new();
    for place in &broken {
        writeln!(report, "  {place}").unwrap();
    }
    assert!(broken.is_empty(), "{rule}, but:\n{report}");
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    collect(&root.join("src"), &mut paths);
    paths.sort();
    assert!(!paths.is_empty(), "there is a src folder");
    paths.into_iter().map(|path| source(root, path)).collect()
}

fn source(root: &Path, path: PathBuf) -> Source {
    let text = fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("could not read {}: {error}", path.display()));
    let name = path.strip_prefix(root).unwrap().display().to_string();
    let folder = name
        .split('/')
        .nth(1)
        .unwrap()
        .trim_end_matches(".rs")
        .to_owned();
    Source {
        path,
        name,
        folder,
        text,
    }
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}
