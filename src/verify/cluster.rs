//! What becomes of our own tokens while nobody can say which of them were taken back elsewhere.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::settings::Lifetime;

/// `[cluster]`: several processes with one store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClusterSettings {
    /// What happens to Tollgate's own tokens after 5 s without word from a shared store, when they may have been taken
    /// back elsewhere: `"fail_closed"` refuses them with 503; `"serve:30s"` accepts them that much longer.
    pub deaf: Deaf,
}

/// What happens to our own tokens while a shared store is silent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub enum Deaf {
    /// They are refused with 503.
    #[default]
    FailClosed,
    /// They are accepted this much longer.
    Serve(Lifetime),
}

impl Deaf {
    /// For how long the store may be silent before our own tokens are refused.
    pub fn patience(self) -> Duration {
        match self {
            Self::FailClosed => SILENCE,
            Self::Serve(longer) => SILENCE + longer.duration(),
        }
    }
}

impl TryFrom<String> for Deaf {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "fail_closed" => Ok(Self::FailClosed),
            Some(("serve", span)) => Lifetime::parse(span).map(Self::Serve),
            _ => Err("write \"fail_closed\" or \"serve:30s\"".to_owned()),
        }
    }
}

impl From<Deaf> for String {
    fn from(choice: Deaf) -> Self {
        match choice {
            Deaf::FailClosed => "fail_closed".to_owned(),
            Deaf::Serve(span) => format!("serve:{}", Self::from(span)),
        }
    }
}

/// A store that has not answered for this long may hold what we do not know.
const SILENCE: Duration = Duration::from_secs(5);
