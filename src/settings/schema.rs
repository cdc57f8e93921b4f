//! Reads what a JSON schema says: which types, words and numbers it takes.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::Value as Json;

use super::node::Value;

/// The shape of a settings struct, without references: every part stands where it is used.
pub fn schema_of<T: JsonSchema>() -> Schema {
    let inline = |settings: &mut SchemaSettings| settings.inline_subschemas = true;
    SchemaSettings::draft2020_12()
        .with(inline)
        .into_generator()
        .into_root_schema_for::<T>()
}

/// The part of the schema that values of this kind are held against, if any kind fits.
pub(super) fn fitting<'a>(schema: &'a Json, value: &Value) -> Option<&'a Json> {
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
pub(super) fn kinds(schema: &Json) -> Vec<&'static str> {
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
pub(super) fn words(schema: &Json) -> Vec<&str> {
    let alternatives = schema.get("oneOf").and_then(Json::as_array);
    let own = strings(schema.get("enum")).chain(schema.get("const").and_then(Json::as_str));
    own.chain(alternatives.into_iter().flatten().flat_map(words))
        .collect()
}

/// The smallest and the largest integer a schema takes.
pub(super) fn range_of(schema: &Json) -> (i64, i64) {
    let bound = |name| schema.get(name).and_then(Json::as_i64);
    let width = match schema.get("format").and_then(Json::as_str) {
        Some("uint8") => i64::from(u8::MAX),
        Some("uint16") => i64::from(u16::MAX),
        Some("uint32") => i64::from(u32::MAX),
        _ => i64::MAX,
    };
    (
        bound("minimum").unwrap_or(i64::MIN),
        bound("maximum").unwrap_or(width),
    )
}

/// The strings of a list in a schema.
pub(super) fn strings(list: Option<&Json>) -> impl Iterator<Item = &str> {
    list.and_then(Json::as_array)
        .into_iter()
        .flatten()
        .filter_map(Json::as_str)
}
