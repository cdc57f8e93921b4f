//! The reference file: every setting with its default and a sentence, written from the settings themselves.

use std::fmt::Write;

use schemars::Schema;
use serde_json::{Map, Value as Json};

use super::Config;
use crate::settings::{Dotted, schema_of};

/// The shape of the file as a JSON schema, for editors.
pub fn schema() -> Schema {
    schema_of::<Config>()
}

/// The reference file, `config/tollgate.toml`. It is a configuration that loads.
pub fn reference() -> String {
    let mut text = OPENING.to_owned();
    table(&mut text, &Dotted::default(), schema().as_value(), true);
    text
}

/// Writes the keys of a table, then the tables within it.
fn table(text: &mut String, path: &Dotted, schema: &Json, is_live: bool) {
    let none = Map::new();
    let properties = schema
        .get("properties")
        .and_then(Json::as_object)
        .unwrap_or(&none);
    let required = schema.get("required").and_then(Json::as_array);
    let is_required =
        |key: &str| required.is_some_and(|names| names.iter().any(|name| name == key));
    let (tables, keys): (Vec<_>, Vec<_>) = properties
        .iter()
        .partition(|(_, schema)| inner_table(schema).is_some());
    for (key, schema) in keys {
        let path = path.key(key);
        let sample = sample(&path);
        comment(text, schema);
        let mark = if is_live && (is_required(key) || sample.is_some()) {
            ""
        } else {
            "#"
        };
        let value = sample.map_or_else(|| shown(schema), str::to_owned);
        let _ = writeln!(text, "{mark}{key} = {value}");
    }
    for (key, outer) in tables {
        let Some((schema, is_named)) = inner_table(outer) else {
            continue;
        };
        let path = path.key(key);
        let path = if is_named {
            path.key(name_in(key))
        } else {
            path
        };
        // Within one of many, a table that is not needed would only be in the way.
        let is_live = is_live && path.to_string().matches('.').count() < 2;
        if has_keys(schema) {
            text.push('\n');
            comment(text, outer);
            let _ = writeln!(text, "{}[{path}]", if is_live { "" } else { "#" });
        }
        table(text, &path, schema, is_live);
    }
}

/// Whether a table holds anything but tables.
fn has_keys(schema: &Json) -> bool {
    let properties = schema.get("properties").and_then(Json::as_object);
    properties.is_some_and(|all| all.values().any(|schema| inner_table(schema).is_none()))
}

/// The table that a key holds, and whether that is one of many by name. Where exactly one of its keys is wanted, a
/// table is short enough to be written as a value.
fn inner_table(schema: &Json) -> Option<(&Json, bool)> {
    if let Some(branches) = schema.get("anyOf").and_then(Json::as_array) {
        return branches.iter().find_map(inner_table);
    }
    if schema.get("x-one-of").is_some() {
        return None;
    }
    if schema.get("properties").is_some() {
        return Some((schema, false));
    }
    let named = schema.get("additionalProperties")?;
    named.get("properties").is_some().then_some((named, true))
}

/// What a setting means, the words it takes, and the ways to write it.
fn comment(text: &mut String, schema: &Json) {
    if let Some(words) = schema.get("description").and_then(Json::as_str) {
        for line in words.lines() {
            let _ = writeln!(text, "{}", format!("# {line}").trim_end());
        }
    }
    let words = schema
        .get("oneOf")
        .and_then(Json::as_array)
        .into_iter()
        .flatten();
    for word in words {
        let meaning = word
            .get("description")
            .and_then(Json::as_str)
            .unwrap_or_default();
        if let Some(word) = word.get("const") {
            let _ = writeln!(
                text,
                "{}",
                format!("#   {:<16} {meaning}", word.to_string()).trim_end()
            );
        }
    }
    let choices: Vec<String> = schema
        .get("x-one-of")
        .and_then(Json::as_array)
        .into_iter()
        .flatten()
        .filter_map(Json::as_str)
        .map(|key| format!("{{ {key} = \"..\" }}"))
        .collect();
    if !choices.is_empty() {
        let _ = writeln!(text, "# One of {}.", choices.join(", "));
    }
}

/// The default, or what kind of value belongs here.
fn shown(schema: &Json) -> String {
    if let Some(default) = schema.get("default").filter(|default| !default.is_null()) {
        return in_toml(default);
    }
    if let Some(default) = told(schema) {
        return default;
    }
    let kind = schema.get("type").map(|kind| {
        kind.as_array()
            .and_then(|kinds| kinds.first())
            .unwrap_or(kind)
    });
    let example = schema.get("x-one-of").map(|_| "{ file = \"..\" }");
    let words = schema
        .get("oneOf")
        .or_else(|| schema.get("enum"))
        .and_then(|words| words.get(0));
    if let Some(word) = words.map(|word| word.get("const").unwrap_or(word)) {
        return in_toml(word);
    }
    let text = match kind.and_then(Json::as_str) {
        Some("array") => "[]",
        Some("integer" | "number") => "0",
        Some("boolean") => "false",
        Some("object") => "{}",
        _ => "\"..\"",
    };
    example.unwrap_or(text).to_owned()
}

/// A default that depends on other settings is told in words: `Default: "10m" for ..`, `Default: true.`.
fn told(schema: &Json) -> Option<String> {
    let words = schema.get("description").and_then(Json::as_str)?;
    let (_, default) = words.split_once("Default: ")?;
    if let Some(truth) = ["true", "false"]
        .into_iter()
        .find(|truth| default.starts_with(truth))
    {
        return Some(truth.to_owned());
    }
    let (value, _) = default
        .trim_start_matches('`')
        .strip_prefix('"')?
        .split_once('"')?;
    Some(format!("\"{value}\""))
}

fn in_toml(value: &Json) -> String {
    match value {
        Json::Array(items) => format!(
            "[{}]",
            items.iter().map(in_toml).collect::<Vec<_>>().join(", ")
        ),
        Json::Object(table) if table.is_empty() => "{}".to_owned(),
        Json::Object(table) => {
            let pairs: Vec<_> = table
                .iter()
                .map(|(key, value)| format!("{key} = {}", in_toml(value)))
                .collect();
            format!("{{ {} }}", pairs.join(", "))
        }
        other => other.to_string(),
    }
}

/// A name for the example of a named table.
fn name_in(section: &str) -> &'static str {
    NAMES
        .iter()
        .find(|(known, _)| *known == section)
        .map_or("name", |(_, name)| name)
}

fn sample(path: &Dotted) -> Option<&'static str> {
    let path = path.to_string();
    SAMPLES
        .iter()
        .find(|(known, _)| *known == path)
        .map(|(_, value)| *value)
}

const OPENING: &str = "\
# Every setting of Tollgate. `#key = value` shows a default: take the # away to change it.
# What is not commented out is an example, and runs. Times are written \"500ms\", \"30s\", \"15m\", \"2h\", \"7d\"; sizes
# \"512B\", \"64KiB\", \"10MiB\". Paths are relative to the file they stand in.

";

const NAMES: [(&str, &str); 6] = [
    ("listener", "public"),
    ("upstream", "orders"),
    ("issuer", "corp"),
    ("route", "orders"),
    ("dialect", "oauth"),
    ("client", "shop"),
];

const SAMPLES: [(&str, &str); 9] = [
    ("listener.public.address", "\"127.0.0.1:8443\""),
    ("upstream.orders.url", "\"http://127.0.0.1:3000\""),
    ("issuer.corp.kind", "\"jwt\""),
    ("issuer.corp.issuer", "\"https://id.example.com/\""),
    ("issuer.corp.audiences", "[\"https://api.example.com\"]"),
    ("route.orders.path", "\"/orders/**\""),
    ("route.orders.upstream", "\"orders\""),
    ("route.orders.issuers", "[\"corp\", \"oauth\"]"),
    (
        "client.shop.secret",
        "{ file = \"shop.secret\", create = true }",
    ),
];
