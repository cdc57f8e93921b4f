//! Holds a document against the shape of the settings, and says everything that does not fit.
//!
//! serde stops at its first error, and an operator wants them all. So the tree is first compared with the JSON schema
//! of the settings: unknown keys, wrong types, missing keys, unknown words, malformed quantities. What does not fit is
//! reported and left out; the rest is read, so that later checks can report too.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json};

use super::document::{Document, File, file_at};
use super::format::format;
use super::node::{Node, Table, Value};
use super::{Dotted, Place, Problem, nearest};

/// The shape of a settings struct, without references: every part stands where it is used.
pub fn schema_of<T: JsonSchema>() -> Schema {
    let inline = |settings: &mut SchemaSettings| settings.inline_subschemas = true;
    SchemaSettings::draft2020_12()
        .with(inline)
        .into_generator()
        .into_root_schema_for::<T>()
}

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
            let span = error.span?;
            // The walk has left out a required key: the table that lacks it goes too, without another word.
            if !error.message.starts_with("missing field") {
                let problem = Problem::error(
                    "TG0105",
                    Place::Span(span.clone()),
                    "this value does not fit",
                );
                problems.push(problem.help(error.message));
            }
            if !leave_out(&mut root, &span) {
                return None;
            }
        }
    }
}

struct Walker<'a> {
    files: &'a [File],
    problems: &'a mut Vec<Problem>,
}

impl Walker<'_> {
    /// Reports what is wrong with `node`. Returns whether it can stay.
    fn hold(&mut self, node: &mut Node, schema: &Json, path: &Dotted) -> bool {
        let Some(schema) = fitting(schema, &node.value) else {
            self.report_wrong_type(node, schema);
            return false;
        };
        match &mut node.value {
            Value::Table(table) => {
                let span = node.span.clone();
                self.hold_table(table, span, schema, path)
            }
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
            Value::Text(_) => self.hold_text(node, schema),
            Value::Integer(number) => self.hold_integer(*number, node.span.clone(), schema),
            _ => true,
        }
    }

    fn hold_table(
        &mut self,
        table: &mut Table,
        span: std::ops::Range<usize>,
        schema: &Json,
        path: &Dotted,
    ) -> bool {
        let none = Map::new();
        let known = schema
            .get("properties")
            .and_then(Json::as_object)
            .unwrap_or(&none);
        let others = schema
            .get("additionalProperties")
            .filter(|others| !others.is_boolean());
        let required: Vec<&str> = strings(schema.get("required")).collect();
        for key in &required {
            if !table.contains_key(*key) {
                let message = format!("{} lacks `{key}`", in_words(path));
                let problem = Problem::error("TG0103", Place::Span(span.clone()), message);
                self.problems
                    .push(problem.help(format!("add `{key} = ..`")));
            }
        }
        table.retain(|key, entry| {
            if let Some(schema) = known.get(key).or(others) {
                return self.hold(&mut entry.node, schema, &path.key(key));
            }
            let place = Place::Span(entry.key.clone());
            self.problems.push(unknown_key(key, place, schema, path));
            false
        });
        self.hold_choice(table, &span, schema);
        required.iter().all(|key| table.contains_key(*key))
    }

    /// Some tables want exactly one of several keys.
    fn hold_choice(&mut self, table: &Table, span: &std::ops::Range<usize>, schema: &Json) {
        let choices: Vec<&str> = strings(schema.get("x-one-of")).collect();
        let mut chosen = choices.iter().filter_map(|key| table.get(*key));
        if choices.is_empty() {
            return;
        }
        let message = format!("exactly one of {} is wanted here", list(&choices));
        match (chosen.next(), chosen.next()) {
            (Some(_), None) => {}
            (None, _) => {
                self.problems
                    .push(Problem::error("TG0103", Place::Span(span.clone()), message));
            }
            (Some(first), Some(second)) => {
                let problem = Problem::error("TG0103", Place::Span(second.key.clone()), message);
                self.problems
                    .push(problem.see(Place::Span(first.key.clone()), "already chosen"));
            }
        }
    }

    fn hold_text(&mut self, node: &mut Node, schema: &Json) -> bool {
        let Value::Text(text) = &mut node.value else {
            return true;
        };
        let words = words(schema);
        if !words.is_empty() && !words.contains(&text.as_str()) {
            let remedy = match nearest(text, words.iter().copied()) {
                Some(word) => format!("write \"{word}\""),
                None => format!("write one of {}", list(&words)),
            };
            let message = format!("unknown word \"{text}\"");
            let problem = Problem::error("TG0104", Place::Span(node.span.clone()), message);
            self.problems.push(problem.help(remedy));
            return false;
        }
        match schema.get("format").and_then(Json::as_str) {
            Some("path") => {
                if let Some(file) = file_at(self.files, node.span.start) {
                    *text = file.folder.join(&*text).to_string_lossy().into_owned();
                }
                true
            }
            Some(name) => {
                let Some(format) = format(name) else {
                    return true;
                };
                let Err(remedy) = (format.check)(text) else {
                    return true;
                };
                let message = format!("expected {}, found \"{text}\"", format.phrase);
                let problem = Problem::error("TG0105", Place::Span(node.span.clone()), message);
                self.problems.push(problem.help(remedy));
                false
            }
            None => true,
        }
    }

    fn hold_integer(&mut self, number: i64, span: std::ops::Range<usize>, schema: &Json) -> bool {
        let bound = |name| schema.get(name).and_then(Json::as_i64);
        let (least, most) = range_of(schema, bound("minimum"), bound("maximum"));
        if (least..=most).contains(&number) {
            return true;
        }
        let problem = Problem::error(
            "TG0106",
            Place::Span(span),
            format!("{number} is out of range"),
        );
        let remedy = if most == i64::MAX {
            format!("write at least {least}")
        } else {
            format!("write a number from {least} to {most}")
        };
        self.problems.push(problem.help(remedy));
        false
    }

    fn report_wrong_type(&mut self, node: &Node, schema: &Json) {
        let found = node.value.kind();
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
        let message = format!("expected {expected}, found {found}");
        let place = Place::Span(node.span.clone());
        self.problems
            .push(Problem::error("TG0101", place, message).help_if(remedy));
    }
}

fn unknown_key(key: &str, place: Place, schema: &Json, path: &Dotted) -> Problem {
    let renamed = schema
        .get("x-renamed")
        .and_then(|table| table.get(key))
        .and_then(Json::as_str);
    if let Some(now) = renamed {
        let message = format!("`{key}` is now `{now}`");
        return Problem::error("TG0107", place, message).help(format!("write `{now}`"));
    }
    let message = match path.to_string().as_str() {
        "" => format!("unknown section or key `{key}`"),
        table => format!("unknown key `{key}` in [{table}]"),
    };
    let known = schema.get("properties").and_then(Json::as_object);
    let known: Vec<&str> = known
        .map(|known| known.keys().map(String::as_str).collect())
        .unwrap_or_default();
    let problem = Problem::error("TG0102", place, message);
    match nearest(key, known.iter().copied()) {
        Some(name) => problem.help(format!("write `{name}`")),
        None => problem.note(format!("known here: {}", list(&known))),
    }
}

/// The part of the schema that values of this kind are held against, if any kind fits.
fn fitting<'a>(schema: &'a Json, value: &Value) -> Option<&'a Json> {
    match branches(schema) {
        Some(branches) => branches.iter().find_map(|branch| fitting(branch, value)),
        None if types(schema).is_empty() => Some(schema),
        None => types(schema)
            .iter()
            .any(|name| fits(name, value))
            .then_some(schema),
    }
}

fn fits(name: &str, value: &Value) -> bool {
    match value {
        Value::Text(_) => name == "string",
        Value::Integer(_) => name == "integer" || name == "number",
        Value::Float(_) => name == "number",
        Value::Boolean(_) => name == "boolean",
        Value::List(_) => name == "array",
        Value::Table(_) => name == "object",
        Value::Date(_) => false,
    }
}

/// The alternatives of a schema. A list of words that each have a sentence is one string, not many alternatives.
fn branches(schema: &Json) -> Option<&Vec<Json>> {
    schema.get("anyOf").and_then(Json::as_array)
}

/// The types a schema takes, leaving aside `null`, which TOML has not.
fn types(schema: &Json) -> Vec<&str> {
    match schema.get("type") {
        Some(Json::String(name)) => vec![name],
        Some(names) => strings(Some(names))
            .filter(|name| *name != "null")
            .collect(),
        None if !words(schema).is_empty() => vec!["string"],
        None => Vec::new(),
    }
}

/// The types a schema takes, in the words of an operator.
fn kinds(schema: &Json) -> Vec<&'static str> {
    let mut kinds = match branches(schema) {
        Some(branches) => branches.iter().flat_map(kinds).collect(),
        None => types(schema)
            .into_iter()
            .filter_map(kind)
            .collect::<Vec<_>>(),
    };
    kinds.dedup();
    kinds
}

fn kind(name: &str) -> Option<&'static str> {
    Some(match name {
        "string" => "a string",
        "integer" => "an integer",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "a table",
        _ => return None,
    })
}

/// The words a schema takes, if it takes only some. Enums whose words each have a sentence come as alternatives.
fn words(schema: &Json) -> Vec<&str> {
    let alternatives = schema.get("oneOf").and_then(Json::as_array);
    let own = strings(schema.get("enum")).chain(schema.get("const").and_then(Json::as_str));
    own.chain(alternatives.into_iter().flatten().flat_map(words))
        .collect()
}

/// The smallest and the largest integer a schema takes.
fn range_of(schema: &Json, least: Option<i64>, most: Option<i64>) -> (i64, i64) {
    let width = match schema.get("format").and_then(Json::as_str) {
        Some("uint8") => i64::from(u8::MAX),
        Some("uint16") => i64::from(u16::MAX),
        Some("uint32") => i64::from(u32::MAX),
        _ => i64::MAX,
    };
    (least.unwrap_or(i64::MIN), most.unwrap_or(width))
}

fn strings(list: Option<&Json>) -> impl Iterator<Item = &str> {
    list.and_then(Json::as_array)
        .into_iter()
        .flatten()
        .filter_map(Json::as_str)
}

fn list(names: &[&str]) -> String {
    names
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn in_words(path: &Dotted) -> String {
    match path.to_string().as_str() {
        "" => "the file".to_owned(),
        table => format!("[{table}]"),
    }
}

/// Takes what stands at `span` out of the tree. Returns whether it was there to be taken.
fn leave_out(node: &mut Node, span: &std::ops::Range<usize>) -> bool {
    match &mut node.value {
        Value::Table(table) => {
            let before = table.len();
            table.retain(|_, entry| entry.node.span != *span);
            table.len() < before
                || table
                    .values_mut()
                    .any(|entry| leave_out(&mut entry.node, span))
        }
        Value::List(items) => {
            let before = items.len();
            items.retain(|item| item.span != *span);
            items.len() < before || items.iter_mut().any(|item| leave_out(item, span))
        }
        _ => false,
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
