//! All files of one configuration, read into one tree that remembers where every key and value stands.
//!
//! Places are bytes counted through all files, as if they were written one after another; so the values of several
//! files live in one tree and still know their file.

use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::node::{Entry, Node, Table, Value, table_from_toml};
use super::place::Step;
use super::{Dotted, Place, Problem};

/// The operator's files as one tree.
#[derive(Clone, Debug)]
pub struct Document {
    files: Vec<File>,
    /// The table of all sections. It stands nowhere itself.
    root: Node,
}

/// One file, and where its first byte stands in the document.
#[derive(Clone, Debug)]
pub(super) struct File {
    /// As the operator would name it.
    pub(super) name: String,
    /// Where its relative paths start.
    pub(super) folder: PathBuf,
    pub(super) text: String,
    pub(super) start: usize,
}

impl Default for Document {
    fn default() -> Self {
        Self {
            files: Vec::new(),
            root: Node {
                span: 0..0,
                value: Value::Table(Table::new()),
            },
        }
    }
}

impl Document {
    /// Reads one more file, called `name`, whose relative paths start in `folder`. A name that an earlier file has
    /// taken already is a problem; so is every mistake of syntax.
    pub fn add(&mut self, name: &str, folder: &Path, text: &str, problems: &mut Vec<Problem>) {
        let new = self.parse(name, folder, text, problems);
        let Value::Table(root) = &mut self.root.value else {
            return;
        };
        for (section, entry) in new {
            let Some(there) = root.get_mut(&section) else {
                root.insert(section, entry);
                continue;
            };
            match (&mut there.node.value, entry.node.value) {
                (Value::Table(there), Value::Table(new)) => merge(there, new, &section, problems),
                _ => problems.push(twice(
                    &Dotted::default().key(&section),
                    entry.key,
                    &there.key,
                )),
            }
        }
    }

    /// Overrides one value, `assignment` being `path.to.key=value`. What is no TOML value is taken as a string.
    pub fn set(&mut self, assignment: &str, problems: &mut Vec<Problem>) {
        let Some((path, value)) = assignment.split_once('=') else {
            let message = format!("`--set {assignment}` has no `=`");
            let problem = Problem::error("TG0005", Place::Nowhere, message);
            problems.push(problem.note("write `--set section.name.key=value`"));
            return;
        };
        let (path, value) = (path.trim(), value.trim());
        let text = match DeValue::parse(value) {
            Ok(_) => format!("{path} = {value}"),
            Err(_) => format!("{path} = {}", toml::Value::from(value)),
        };
        let new = self.parse("--set", Path::new("."), &text, problems);
        if let Value::Table(root) = &mut self.root.value {
            replace(root, new);
        }
    }

    /// Whether something is written at `path`.
    pub fn has(&self, path: impl Into<Dotted>) -> bool {
        self.node(&path.into()).is_some()
    }

    /// The names written in the table at `path`, in alphabetical order.
    pub fn names(&self, path: impl Into<Dotted>) -> Vec<&str> {
        let table = self.node(&path.into()).and_then(Node::as_table);
        table
            .map(|table| table.keys().map(String::as_str).collect())
            .unwrap_or_default()
    }

    /// The strings written in the list at `path`.
    pub fn strings(&self, path: impl Into<Dotted>) -> Vec<&str> {
        let Some(Value::List(items)) = self.node(&path.into()).map(|node| &node.value) else {
            return Vec::new();
        };
        items.iter().filter_map(Node::as_text).collect()
    }

    /// Where the key at `path` stands, as `file:line`.
    pub fn line_of(&self, path: impl Into<Dotted>) -> Option<String> {
        let path = path.into();
        self.node(&path)?;
        let span = self.span(&Place::Key(path))?;
        let file = file_at(&self.files, span.start)?;
        Some(format!("{}:{}", file.name, file.line(span.start)))
    }

    /// The bytes that `place` means; for what is not written, the nearest thing around it that is.
    pub(super) fn span(&self, place: &Place) -> Option<Range<usize>> {
        match place {
            Place::Nowhere => None,
            Place::Span(span) => Some(span.clone()),
            Place::Key(path) => {
                let (depth, entry) = self.reach(path);
                let key = (depth == path.steps().len()).then(|| entry.key()).flatten();
                key.or_else(|| entry.written())
            }
            Place::Value(path) => self.reach(path).1.written(),
        }
    }

    pub(super) fn files(&self) -> &[File] {
        &self.files
    }

    /// A copy of the tree, to be held against a schema.
    pub(super) fn root(&self) -> Node {
        self.root.clone()
    }

    fn parse(
        &mut self,
        name: &str,
        folder: &Path,
        text: &str,
        problems: &mut Vec<Problem>,
    ) -> Table {
        let start = self
            .files
            .last()
            .map_or(0, |file| file.start + file.text.len() + 1);
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        self.files.push(File {
            name: name.to_owned(),
            folder,
            text: text.to_owned(),
            start,
        });
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            let span = error
                .span()
                .map(|span| span.start + start..span.end + start);
            let place = span.map_or(Place::Nowhere, Place::Span);
            problems.push(Problem::error(
                "TG0002",
                place,
                format!("not TOML: {}", error.message()),
            ));
        }
        let table = table_from_toml(table.into_inner(), start);
        if let Some(file) = self.files.last_mut() {
            mask(&table, file);
        }
        table
    }

    fn node(&self, path: &Dotted) -> Option<&Node> {
        match self.reach(path) {
            (depth, reached) if depth == path.steps().len() => Some(reached.node()),
            _ => None,
        }
    }

    /// How many steps of `path` are written, and what stands at the last of them.
    fn reach(&self, path: &Dotted) -> (usize, Reached<'_>) {
        let mut reached = Reached::Node(&self.root);
        for (depth, step) in path.steps().iter().enumerate() {
            let next = match (step, &reached.node().value) {
                (Step::Key(key), Value::Table(table)) => table.get(key).map(Reached::Entry),
                (Step::Item(item), Value::List(items)) => items.get(*item).map(Reached::Node),
                _ => None,
            };
            match next {
                Some(next) => reached = next,
                None => return (depth, reached),
            }
        }
        (path.steps().len(), reached)
    }
}

/// Something found in the tree: under a key of a table, or in a list.
enum Reached<'a> {
    Entry(&'a Entry),
    Node(&'a Node),
}

impl<'a> Reached<'a> {
    fn node(&self) -> &'a Node {
        match self {
            Self::Entry(entry) => &entry.node,
            Self::Node(node) => node,
        }
    }

    fn key(&self) -> Option<Range<usize>> {
        match self {
            Self::Entry(entry) => Some(entry.key.clone()),
            Self::Node(_) => None,
        }
    }

    /// The bytes of the value; none for the root, which stands nowhere.
    fn written(&self) -> Option<Range<usize>> {
        Some(self.node().span.clone()).filter(|span| !span.is_empty())
    }
}

impl File {
    /// The line of a position of the document, counted from 1.
    pub(super) fn line(&self, position: usize) -> usize {
        self.before(position).matches('\n').count() + 1
    }

    /// The column of a position of the document, in characters, counted from 1.
    pub(super) fn column(&self, position: usize) -> usize {
        let before = self.before(position);
        before.rsplit('\n').next().unwrap_or(before).chars().count() + 1
    }

    fn before(&self, position: usize) -> &str {
        let end = position.saturating_sub(self.start).min(self.text.len());
        self.text.get(..end).unwrap_or_default()
    }
}

/// Blanks the secrets that are written in a file, so that no drawing of its lines shows them.
fn mask(table: &Table, file: &mut File) {
    for (key, entry) in table {
        match &entry.node.value {
            Value::Table(inner) => mask(inner, file),
            Value::Text(_) if key == "literal" => {
                let span = entry.node.span.start - file.start..entry.node.span.end - file.start;
                if let Some(secret) = file.text.get(span.clone()) {
                    let blank: String = secret
                        .bytes()
                        .map(|byte| if byte == b'\n' { '\n' } else { '*' })
                        .collect();
                    file.text.replace_range(span, &blank);
                }
            }
            _ => {}
        }
    }
}

/// The file that holds a position of the document.
pub(super) fn file_at(files: &[File], position: usize) -> Option<&File> {
    files.iter().rev().find(|file| file.start <= position)
}

/// Puts the names of a section beside those of an earlier file.
fn merge(there: &mut Table, new: Table, section: &str, problems: &mut Vec<Problem>) {
    for (name, entry) in new {
        if let Some(first) = there.get(&name) {
            problems.push(twice(
                &Dotted::default().key(section).key(&name),
                entry.key,
                &first.key,
            ));
        } else {
            there.insert(name, entry);
        }
    }
}

fn twice(path: &Dotted, second: Range<usize>, first: &Range<usize>) -> Problem {
    Problem::error(
        "TG0003",
        Place::Span(second),
        format!("`{path}` is defined twice"),
    )
    .help("keep one of them, or give one another name")
    .see(Place::Span(first.clone()), "first defined here")
}

/// Puts every leaf of `new` in the place of the old one.
fn replace(there: &mut Table, new: Table) {
    for (key, entry) in new {
        match (
            there.get_mut(&key).map(|entry| &mut entry.node.value),
            entry.node.value,
        ) {
            (Some(Value::Table(there)), Value::Table(new)) => replace(there, new),
            (_, value) => {
                let node = Node {
                    span: entry.node.span,
                    value,
                };
                there.insert(
                    key,
                    Entry {
                        key: entry.key,
                        node,
                    },
                );
            }
        }
    }
}
