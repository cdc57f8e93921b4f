//! Holds a document against the shape of the settings, and says everything that does not fit.
//!
//! serde stops at its first error, and an operator wants them all. So the tree is first compared with the JSON schema
//! of the settings: unknown keys, wrong types, missing keys, unknown words, malformed quantities. What does not fit is
//! reported and left out; the rest is read, so that later checks can report too.

use std::ops::Range;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json};

use super::document::{Document, File, file_at};
use super::format::format;
use super::node::{Node, Table, Value};
use super::schema::{fitting, kinds, range_of, schema_of, strings, words};
use super::{Dotted, Place, Problem, nearest};

impl Document {
    /// Reads the settings. What could not be read is reported, and left at its default or, in a table of names, left
    /// out; nothing is returned only if that is impossible.
    pub fn read<T: DeserializeOwned + JsonSchema>(&self, problems: &mut Vec<Problem>) -> Option<T> {
        let mut root = self.root();
        let schema = schema_of::<T>();
        let mut walker = Walker {
            files: self.files(),
            problems,
        };
        walker.hold(&mut root, schema.as_value(), &Dotted::default());
        loop {
            let error = match T::deserialize(&root) {
                Ok(settings) => return Some(settings),
                Err(error) => error,
            };
            let path = leave_out(&mut root, &error.span?, &Dotted::default())?;
            // The walk has left out a required key: the table that lacks it goes too, without another word.
            if !error.message.starts_with("missing field") {
                problems.push(misfit(Place::Value(path), error.message));
            }
        }
    }
}

/// What a setting's own type says of a value.
fn misfit(place: Place, words: String) -> Problem {
    if words.starts_with("write ") {
        Problem::error("TG0105", place, "this value does not fit").help(words)
    } else {
        Problem::error("TG0105", place, words)
    }
}

struct Walker<'a> {
    files: &'a [File],
    problems: &'a mut Vec<Problem>,
}

impl Walker<'_> {
    /// Reports what is wrong with `node`. Returns whether it can stay.
    fn hold(&mut self, node: &mut Node, schema: &Json, path: &Dotted) -> bool {
        if let Some(words) = schema.get("x-warn").and_then(Json::as_str) {
            self.problems
                .push(Problem::warning("TG0108", Place::key(path), words));
        }
        let Some(schema) = fitting(schema, &node.value) else {
            self.wrong_type(node, schema, path);
            return false;
        };
        match &mut node.value {
            Value::Table(table) => self.hold_table(table, schema, path),
            Value::List(items) => {
                let Some(item_schema) = schema.get("items") else {
                    return true;
                };
                let mut index = 0;
                items.retain_mut(|item| {
                    index += 1;
                    self.hold(item, item_schema, &path.item(index - 1))
                });
                true
            }
            Value::Text(text) => self.hold_text(text, node.span.start, schema, path),
            Value::Integer(number) => self.hold_integer(*number, schema, path),
            _ => true,
        }
    }

    fn hold_table(&mut self, table: &mut Table, schema: &Json, path: &Dotted) -> bool {
        let none = Map::new();
        let known = schema
            .get("properties")
            .and_then(Json::as_object)
            .unwrap_or(&none);
        let others = schema
            .get("additionalProperties")
            .filter(|others| !others.is_boolean());
        let required: Vec<&str> = strings(schema.get("required")).collect();
        let missing: Vec<&str> = required
            .iter()
            .copied()
            .filter(|key| !table.contains_key(*key))
            .collect();
        let mut meant = Vec::new();
        table.retain(|key, entry| {
            if let Some(schema) = known.get(key).or(others) {
                return self.hold(&mut entry.node, schema, &path.key(key));
            }
            let guess = nearest(key, known.keys().map(String::as_str));
            self.problems.push(unknown_key(key, guess, schema, path));
            meant.extend(guess);
            false
        });
        // A key that is only misspelt has been complained of already.
        for key in missing.iter().filter(|key| !meant.contains(key)) {
            let problem = Problem::error(
                "TG0103",
                Place::value(path),
                format!("[{path}] lacks `{key}`"),
            );
            self.problems
                .push(problem.help(format!("add `{key} = ..`")));
        }
        self.hold_choice(table, schema, path);
        required.iter().all(|key| table.contains_key(*key))
    }

    /// Some tables want exactly one of several keys.
    fn hold_choice(&mut self, table: &Table, schema: &Json, path: &Dotted) {
        let choices: Vec<&str> = strings(schema.get("x-one-of")).collect();
        let chosen: Vec<&str> = choices
            .iter()
            .copied()
            .filter(|key| table.contains_key(*key))
            .collect();
        if choices.is_empty() || chosen.len() == 1 {
            return;
        }
        let message = format!("exactly one of {} is wanted here", list(&choices));
        let problem = match chosen.as_slice() {
            [first, second, ..] => Problem::error("TG0103", Place::key(path.key(second)), message)
                .see(Place::key(path.key(first)), "already chosen"),
            _ => Problem::error("TG0103", Place::value(path), message),
        };
        self.problems.push(problem);
    }

    fn hold_text(&mut self, text: &mut String, at: usize, schema: &Json, path: &Dotted) -> bool {
        let words = words(schema);
        if !words.is_empty() && !words.contains(&text.as_str()) {
            let remedy = match nearest(text, words.iter().copied()) {
                Some(word) => format!("write \"{word}\""),
                None => format!("write one of {}", list(&words)),
            };
            let problem = Problem::error(
                "TG0104",
                Place::value(path),
                format!("unknown word \"{text}\""),
            );
            self.problems.push(problem.help(remedy));
            return false;
        }
        let name = schema
            .get("format")
            .and_then(Json::as_str)
            .unwrap_or_default();
        if name == "path" {
            if let Some(file) = file_at(self.files, at) {
                *text = file.folder.join(&*text).to_string_lossy().into_owned();
            }
            return true;
        }
        let Some(format) = format(name) else {
            return true;
        };
        let Err(remedy) = (format.check)(text) else {
            return true;
        };
        let message = format!("expected {}, found \"{text}\"", format.phrase);
        self.problems
            .push(Problem::error("TG0105", Place::value(path), message).help(remedy));
        false
    }

    fn hold_integer(&mut self, number: i64, schema: &Json, path: &Dotted) -> bool {
        let (least, most) = range_of(schema);
        if (least..=most).contains(&number) {
            return true;
        }
        let remedy = match most {
            i64::MAX => format!("write at least {least}"),
            most if most == least => format!("write {least}"),
            most => format!("write a number from {least} to {most}"),
        };
        let problem = Problem::error(
            "TG0106",
            Place::value(path),
            format!("{number} is out of range"),
        );
        self.problems.push(problem.help(remedy));
        false
    }

    fn wrong_type(&mut self, node: &Node, schema: &Json, path: &Dotted) {
        let format = schema.get("format").and_then(Json::as_str).and_then(format);
        let remedy = match (&node.value, format) {
            (Value::Integer(number), Some(format)) => (format.check)(&number.to_string()).err(),
            (Value::Text(text), _) if kinds(schema).contains(&"a list") => {
                Some(format!("write [\"{text}\"]"))
            }
            _ => None,
        };
        let expected = format.map_or_else(
            || kinds(schema).join(" or "),
            |format| format.phrase.to_owned(),
        );
        let message = format!("expected {expected}, found {}", node.value.kind());
        self.problems
            .push(Problem::error("TG0101", Place::value(path), message).help_if(remedy));
    }
}

fn unknown_key(key: &str, guess: Option<&str>, schema: &Json, path: &Dotted) -> Problem {
    let place = Place::key(path.key(key));
    let renamed = schema
        .get("x-renamed")
        .and_then(|table| table.get(key))
        .and_then(Json::as_str);
    if let Some(now) = renamed {
        let message = format!("`{key}` is now `{now}`");
        return Problem::error("TG0107", place, message).help(format!("write `{now}`"));
    }
    let message = if *path == Dotted::default() {
        format!("unknown section or key `{key}`")
    } else {
        format!("unknown key `{key}` in [{path}]")
    };
    let problem = Problem::error("TG0102", place, message);
    if let Some(name) = guess {
        return problem.help(format!("write `{name}`"));
    }
    let known = schema.get("properties").and_then(Json::as_object);
    let known: Vec<&str> = known
        .into_iter()
        .flatten()
        .map(|(name, _)| name.as_str())
        .collect();
    problem.note(format!("known here: {}", list(&known)))
}

fn list(names: &[&str]) -> String {
    names
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Takes what stands at `span` out of the tree. Returns its path, if it was there to be taken.
fn leave_out(node: &mut Node, span: &Range<usize>, path: &Dotted) -> Option<Dotted> {
    match &mut node.value {
        Value::Table(table) => {
            let found = table
                .iter()
                .find(|(_, entry)| entry.node.span == *span)
                .map(|(key, _)| key.clone());
            if let Some(key) = found {
                table.remove(&key);
                return Some(path.key(&key));
            }
            table
                .iter_mut()
                .find_map(|(key, entry)| leave_out(&mut entry.node, span, &path.key(key)))
        }
        Value::List(items) => {
            if let Some(index) = items.iter().position(|item| item.span == *span) {
                items.remove(index);
                return Some(path.item(index));
            }
            items
                .iter_mut()
                .enumerate()
                .find_map(|(index, item)| leave_out(item, span, &path.item(index)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use insta::assert_snapshot;
    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::settings::{
        ByteSize, FilePath, Lifetime, OneOrMany, SecretSource, mode_or_table, mode_or_table_schema,
    };

    /// A gate in a wall.
    #[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
    #[serde(default, deny_unknown_fields)]
    struct Settings {
        gate: BTreeMap<String, Gate>,
        wall: Wall,
    }

    #[derive(Debug, Deserialize, Serialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    #[schemars(extend("x-renamed" = { "colour": "paint.colour" }))]
    struct Gate {
        path: String,
        #[serde(default)]
        methods: Vec<String>,
        #[serde(default)]
        kind: Kind,
        #[serde(default, deserialize_with = "mode_or_table")]
        #[schemars(schema_with = "mode_or_table_schema::<Tls>")]
        tls: Tls,
        #[serde(default)]
        audiences: OneOrMany,
        secret: Option<SecretSource>,
        port: Option<u16>,
    }

    #[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
    #[serde(default, deny_unknown_fields)]
    struct Wall {
        height: Option<ByteSize>,
        patience: Option<Lifetime>,
    }

    #[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
    #[serde(default, deny_unknown_fields)]
    struct Tls {
        mode: Mode,
        cert: Option<FilePath>,
    }

    #[derive(Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
    #[serde(rename_all = "snake_case")]
    enum Mode {
        /// No encryption.
        #[default]
        Off,
        /// A certificate of our own making.
        Dev,
        /// Certificates from files.
        Files,
    }

    #[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
    #[serde(rename_all = "snake_case")]
    enum Kind {
        #[default]
        Swing,
        Slide,
    }

    fn read(text: &str) -> (Option<Settings>, String) {
        let mut problems = Vec::new();
        let mut document = Document::default();
        document.add("t.toml", Path::new("/etc/t"), text, &mut problems);
        let settings = document.read(&mut problems);
        (settings, document.report(problems).plain())
    }

    #[test]
    fn settings_that_fit_are_read_in_every_spelling() {
        let (settings, report) = read(
            r#"
            [gate.a]
            path = "/"
            tls = "dev"
            audiences = "any"
            [gate.b]
            path = "/b"
            tls = { mode = "files", cert = "tls/cert.pem" }
            audiences = ["x", "y"]
            secret.file = "/abs"
            [wall]
            height = "2MiB"
            "#,
        );
        assert_eq!(report, "");
        let settings = settings.unwrap();
        assert_eq!(settings.gate["a"].tls.mode, Mode::Dev);
        assert_eq!(settings.gate["a"].audiences.0, ["any"]);
        assert_eq!(
            settings.gate["b"].tls.cert,
            Some(FilePath::from("/etc/t/tls/cert.pem"))
        );
        assert_eq!(
            settings.gate["b"].secret.as_ref().unwrap().file,
            Some(FilePath::from("/abs"))
        );
        assert_eq!(settings.wall.height, Some(ByteSize::mib(2)));
    }

    #[test]
    fn every_mistake_is_reported_at_once_and_the_rest_is_read() {
        let (settings, report) = read(
            r#"
[gates.a]
[gate.a]
path = 7
[gate.b]
path = "/b"
method = ["GET"]
kind = "slid"
tls = "def"
colour = "red"
port = 70000
[gate.c]
[gate.d]
path = "/d"
tls = { mode = "files", certs = "x" }
secret = { file = "a", env = "B" }
methods = "GET"
[wall]
height = 65536
patience = "5 minutes"
bricks = 3
"#,
        );
        let settings = settings.unwrap();
        assert_eq!(settings.gate.keys().collect::<Vec<_>>(), ["b", "d"]);
        assert_snapshot!(report);
    }

    #[test]
    fn a_mistake_of_syntax_is_shown_where_it_is() {
        let (_, report) = read("[wall]\npatience = 5m\n");
        assert_snapshot!(report);
    }

    #[test]
    fn a_name_defined_in_two_files_shows_both_places_and_an_override_replaces() {
        let mut problems = Vec::new();
        let mut document = Document::default();
        let folder = Path::new("/etc/t");
        document.add(
            "t.toml",
            folder,
            "[gate.a]\npath = \"/\"\n[wall]\npatience = \"5m\"\n",
            &mut problems,
        );
        document.add(
            "conf.d/x.toml",
            folder,
            "[gate.a]\npath = \"/x\"\n[gate.b]\npath = \"/b\"\n",
            &mut problems,
        );
        document.set("wall.patience=1h", &mut problems);
        document.set("gate.b.port=1", &mut problems);
        document.set("nonsense", &mut problems);
        let settings: Settings = document.read(&mut problems).unwrap();
        assert_eq!(settings.wall.patience, Some(Lifetime::hours(1)));
        assert_eq!(settings.gate["b"].port, Some(1));
        assert_eq!(settings.gate["a"].path, "/");
        assert_eq!(
            document.line_of("gate.b").as_deref(),
            Some("conf.d/x.toml:3")
        );
        assert_snapshot!(document.report(problems).plain());
    }

    #[test]
    fn a_problem_found_later_is_placed_by_its_path() {
        let mut problems = Vec::new();
        let mut document = Document::default();
        let text = "[gate.a]\npath = \"/\"\nmethods = [\"GET\", \"PUT\"]\ntls = \"dev\"\n";
        document.add("t.toml", Path::new("/"), text, &mut problems);
        let gate = Dotted::from("gate").key("a");
        problems.push(Problem::error(
            "TG0999",
            Place::value(gate.key("methods").item(1)),
            "no PUT",
        ));
        problems.push(
            Problem::warning("TG0998", Place::key(gate.key("path")), "mind the path")
                .note("really"),
        );
        problems.push(Problem::error(
            "TG0997",
            Place::value(gate.key("port")),
            "needs a port",
        ));
        let report = document.report(problems);
        assert_snapshot!(report.plain());
        assert_snapshot!(report.github());
        insta::assert_json_snapshot!(report.json());
    }
}
