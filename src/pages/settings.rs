//! The pages as the operator writes them: `[pages]`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Colour;
use crate::issue::Stay;
use crate::settings::{FilePath, Lifetime};

/// The pages on which people sign in, and let programs act for them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PagesSettings {
    /// Whose pages these are, in the words people know you by.
    pub title: String,
    /// A picture to show instead of the title: a file of at most 256 KiB; SVG, PNG, JPEG or WebP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logo: Option<FilePath>,
    /// The colour of buttons and links. It is made darker or lighter where it could not be read.
    pub accent: Colour,
    /// What scopes mean, for people. Default: the scope as it is.
    pub scopes: BTreeMap<String, String>,
    /// How long somebody stays signed in without being seen.
    pub idle: Lifetime,
    /// How long somebody stays signed in at all.
    pub absolute: Lifetime,
}

impl PagesSettings {
    /// How long somebody stays signed in.
    pub const fn stay(&self) -> Stay {
        Stay {
            idle: self.idle.duration(),
            absolute: self.absolute.duration(),
        }
    }
}

impl Default for PagesSettings {
    fn default() -> Self {
        Self {
            title: "Tollgate".to_owned(),
            logo: None,
            accent: Colour::default(),
            scopes: BTreeMap::new(),
            idle: Lifetime::hours(1),
            absolute: Lifetime::hours(12),
        }
    }
}
