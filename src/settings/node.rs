//! The tree that a file is read into: TOML values that own their text and know where they stand.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess, SeqAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// One value and the bytes it stands in.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) span: Range<usize>,
    pub(super) value: Value,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Date(String),
    List(Vec<Node>),
    Table(Table),
}

/// A table by its keys.
pub(super) type Table = BTreeMap<String, Entry>;

/// What a table holds under one key.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// The bytes of the key.
    pub(super) key: Range<usize>,
    pub(super) node: Node,
}

impl Node {
    /// What the parser read, `start` bytes further on.
    pub(super) fn from_toml(node: Spanned<DeValue<'_>>, start: usize) -> Self {
        let span = moved(node.span(), start);
        let value = match node.into_inner() {
            DeValue::String(text) => Value::Text(text.into_owned()),
            DeValue::Integer(number) => {
                let number = i64::from_str_radix(number.as_str(), number.radix());
                // A number too large for the program is too large for every setting in it.
                Value::Integer(number.unwrap_or(i64::MAX))
            }
            DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
            DeValue::Boolean(flag) => Value::Boolean(flag),
            DeValue::Datetime(date) => Value::Date(date.to_string()),
            DeValue::Array(items) => Value::List(
                items
                    .into_iter()
                    .map(|item| Self::from_toml(item, start))
                    .collect(),
            ),
            DeValue::Table(table) => Value::Table(table_from_toml(table, start)),
        };
        Self { span, value }
    }

    pub(super) fn as_table(&self) -> Option<&Table> {
        match &self.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// A table the parser read, `start` bytes further on.
pub(super) fn table_from_toml(table: DeTable<'_>, start: usize) -> Table {
    let entry = |(key, node): (Spanned<_>, _)| {
        let place = moved(key.span(), start);
        let entry = Entry {
            key: place,
            node: Node::from_toml(node, start),
        };
        (std::borrow::Cow::into_owned(key.into_inner()), entry)
    };
    table.into_iter().map(entry).collect()
}

impl Value {
    /// What kind of value this is, with its article.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a string",
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a float",
            Self::Boolean(_) => "a boolean",
            Self::Date(_) => "a date",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

/// Why a settings struct would not take a value, and where the value stands.
#[derive(Debug)]
pub(super) struct Mismatch {
    pub(super) message: String,
    pub(super) span: Option<Range<usize>>,
}

impl std::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Mismatch {}

impl serde::de::Error for Mismatch {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self {
            message: message.to_string(),
            span: None,
        }
    }
}

impl<'de> Deserializer<'de> for &'de Node {
    type Error = Mismatch;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        let result = match &self.value {
            Value::Text(text) | Value::Date(text) => visitor.visit_borrowed_str(text),
            Value::Integer(number) => visitor.visit_i64(*number),
            Value::Float(number) => visitor.visit_f64(*number),
            Value::Boolean(flag) => visitor.visit_bool(*flag),
            Value::List(items) => visitor.visit_seq(Items(items.iter())),
            Value::Table(table) => visitor.visit_map(Entries {
                rest: table.iter(),
                next: None,
            }),
        };
        result.map_err(|error| self.placed(error))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        visitor
            .visit_newtype_struct(self)
            .map_err(|error| self.placed(error))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        let Value::Text(word) = &self.value else {
            return Err(self.placed(Mismatch::custom("expected a word")));
        };
        let word: StrDeserializer<'_, Mismatch> = word.as_str().into_deserializer();
        visitor.visit_enum(word).map_err(|error| self.placed(error))
    }

    forward_to_deserialize_any! {
        bool u8 u16 u32 u64 u128 i8 i16 i32 i64 i128 f32 f64 char str string seq bytes byte_buf map unit
        ignored_any unit_struct tuple_struct tuple identifier struct
    }
}

impl Node {
    /// The error, at this value unless something within it is to blame.
    fn placed(&self, error: Mismatch) -> Mismatch {
        Mismatch {
            span: error.span.or_else(|| Some(self.span.clone())),
            ..error
        }
    }

    /// What `seed` makes of this value. A newtype finds fault with its value only after that was read, so the fault is
    /// given its place out here.
    fn feed<'de, S: DeserializeSeed<'de>>(&'de self, seed: S) -> Result<S::Value, Mismatch> {
        seed.deserialize(self).map_err(|error| self.placed(error))
    }
}

/// The values of a list, one by one.
struct Items<'de>(std::slice::Iter<'de, Node>);

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Mismatch;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Mismatch> {
        self.0.next().map(|item| item.feed(seed)).transpose()
    }
}

/// The entries of a table, one by one.
struct Entries<'de> {
    rest: std::collections::btree_map::Iter<'de, String, Entry>,
    next: Option<&'de Node>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Mismatch;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Mismatch> {
        let Some((key, entry)) = self.rest.next() else {
            return Ok(None);
        };
        self.next = Some(&entry.node);
        let key: StrDeserializer<'_, Mismatch> = key.as_str().into_deserializer();
        seed.deserialize(key)
            .map(Some)
            .map_err(|error| entry.node.placed(error))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Mismatch> {
        let node = self
            .next
            .take()
            .ok_or_else(|| Mismatch::custom("a value without its key"))?;
        node.feed(seed)
    }
}

fn moved(span: Range<usize>, by: usize) -> Range<usize> {
    span.start + by..span.end + by
}
