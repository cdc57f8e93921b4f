//! Values with more than one spelling in the file, and text that means a place: paths and networks.

use std::fmt;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, MapDeserializer};
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

/// A file or folder. Relative paths are relative to the file they stand in; once read, the path is absolute.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
#[schemars(extend("format" = "path"))]
pub struct FilePath(PathBuf);

impl FilePath {
    /// The path, for whoever opens it.
    pub fn as_path(&self) -> &Path {
        &self.0
    }
}

impl<P: Into<PathBuf>> From<P> for FilePath {
    fn from(path: P) -> Self {
        Self(path.into())
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

/// A network in CIDR notation: `"10.0.0.0/8"`, `"::1/128"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("format" = "network"))]
pub struct Network(IpNet);

impl Network {
    /// The network, for whoever compares addresses with it.
    pub const fn net(self) -> IpNet {
        self.0
    }

    /// Reads CIDR notation; the error is what to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse::<std::net::IpAddr>() {
            return Err(format!("write \"{}\"", IpNet::from(address)));
        }
        let network: IpNet = text.parse().map_err(|_| {
            "write an address and a prefix length, for example \"10.0.0.0/8\"".to_owned()
        })?;
        if network.trunc() == network {
            Ok(Self(network))
        } else {
            Err(format!("write \"{}\"", network.trunc()))
        }
    }
}

impl TryFrom<String> for Network {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.0.to_string()
    }
}

/// One string, or a list of them: `"a"` is short for `["a"]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct OneOrMany(pub Vec<String>);

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrManyVisitor)
    }
}

impl JsonSchema for OneOrMany {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "OneOrMany".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "type": "string" },
            { "type": "array", "items": { "type": "string" } },
        ] })
    }
}

struct OneOrManyVisitor;

impl<'de> Visitor<'de> for OneOrManyVisitor {
    type Value = OneOrMany;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or a list of strings")
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<OneOrMany, E> {
        Ok(OneOrMany(vec![word.to_owned()]))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut words: A) -> Result<OneOrMany, A::Error> {
        let mut all = Vec::new();
        while let Some(word) = words.next_element()? {
            all.push(word);
        }
        Ok(OneOrMany(all))
    }
}

/// Reads a table that may be written as its `mode` alone: `tls = "dev"` is short for `tls = { mode = "dev" }`.
///
/// To be named in the field's attributes, with the schema beside it:
///
/// ```text
/// #[serde(deserialize_with = "mode_or_table")]
/// #[schemars(schema_with = "mode_or_table_schema::<TlsSettings>")]
/// tls: TlsSettings,
/// ```
pub fn mode_or_table<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    deserializer.deserialize_any(ModeOrTable(PhantomData))
}

/// What the editor and the check are told of a field read by [`mode_or_table`].
pub fn mode_or_table_schema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let table = generator.subschema_for::<T>();
    let mode = table
        .pointer("/properties/mode")
        .cloned()
        .unwrap_or_default();
    json_schema!({ "anyOf": [mode, table] })
}

struct ModeOrTable<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ModeOrTable<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mode or a table")
    }

    fn visit_str<E: de::Error>(self, mode: &str) -> Result<T, E> {
        T::deserialize(MapDeserializer::new(std::iter::once(("mode", mode))))
    }

    fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(table))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_must_be_one_and_not_an_address_in_it() {
        assert_eq!(
            Network::parse("10.0.0.1").unwrap_err(),
            "write \"10.0.0.1/32\""
        );
        assert_eq!(
            Network::parse("10.0.0.1/8").unwrap_err(),
            "write \"10.0.0.0/8\""
        );
        Network::parse("10.0.0.0/8").unwrap();
        Network::parse("fd00::/8").unwrap();
        Network::parse("ten").unwrap_err();
    }
}
