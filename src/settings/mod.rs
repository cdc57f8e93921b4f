//! What every section of the operator's file shares: units, secrets, places, and the art of saying what is wrong.
//!
//! A setting lives beside the code that obeys it, as a plain struct that derives `Deserialize`, `Serialize` and
//! `JsonSchema`, with `#[serde(default, deny_unknown_fields)]` and a doc comment on every field. From that one
//! declaration come its value, its default, the message for a bad one, the editor schema and the reference file.
//!
//! | in the struct | in the file |
//! |---|---|
//! | [`Lifetime`] [`ByteSize`] [`Rate`] [`Share`] | `"15m"` `"64KiB"` `"600/m"` `"20%"` |
//! | [`SecretSource`] | `{ file = "shop.secret", create = true }` |
//! | [`FilePath`] | `"tls/key.pem"`, relative to the file it stands in, absolute once read |
//! | [`Network`] | `"10.0.0.0/8"` |
//! | [`OneOrMany`] | `"a"` or `["a", "b"]` |
//! | a table, with [`mode_or_table`] | `tls = "dev"` for `tls = { mode = "dev" }` |
//! | `BTreeMap<String, T>` | named tables, `[route.orders]` |
//! | an enum of unit variants, `rename_all = "snake_case"` | one word of a list |
//!
//! No `flatten`, no `untagged`, no internally tagged enum: they lose the place of a value.
//!
//! Promises: every mistake of every file is reported at once, each with its place and, where one can be guessed, the
//! remedy; a secret is never part of a message. Only this folder reads the environment. It knows no section by name.
//!
//! Reading order: `unit`, `word`, `secret`, `problem`, `place`, `node`, `document`, `schema`, `shape`, `format`, `report`.

mod document;
mod format;
mod node;
mod place;
mod problem;
mod report;
mod schema;
mod secret;
mod shape;
mod unit;
mod word;

pub use document::Document;
pub use place::{Dotted, Place};
pub use problem::{Problem, Severity, nearest};
pub use report::Report;
pub use schema::schema_of;
pub use secret::{SecretError, SecretSource, variable};
pub use unit::{ByteSize, Lifetime, Rate, Share};
pub use word::{FilePath, Network, OneOrMany, mode_or_table, mode_or_table_schema};
