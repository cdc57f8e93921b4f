//! How refresh tokens are renewed, as the operator writes it: `refresh` of a `[dialect.NAME]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::settings::Lifetime;
use crate::token::{OnReplay, Renewal, Rotation};

/// Refresh tokens that are spent at every use. What is not written is as the API has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RefreshSettings {
    /// How long one lives unused. Default: "14d" for oauth2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<Lifetime>,
    /// How long a login can be renewed at all. Default: "90d" for oauth2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub absolute: Option<Lifetime>,
    /// For how long a spent one gets the same answer again, for callers who asked at once. Default: "10s" for oauth2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub race: Option<Lifetime>,
    /// For how long a spent one gets the same answer again if that was never used, because it was lost on its way.
    /// Default: as long as an access token lives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost: Option<Lifetime>,
    /// What a spent one that comes back later means. Default: `end_if_public` for oauth2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_replay: Option<OnReplay>,
}

impl RefreshSettings {
    /// The dialect's own rules, with what the operator wrote in their place. Tokens that do not rotate have none.
    pub(super) fn over(&self, usual: Renewal) -> Renewal {
        let Renewal::Rotating(usual) = usual else {
            return usual;
        };
        let or = |written: Option<Lifetime>, usual| written.map_or(usual, Lifetime::duration);
        Renewal::Rotating(Rotation {
            idle: or(self.idle, usual.idle),
            absolute: self.absolute.map(Lifetime::duration).or(usual.absolute),
            race: or(self.race, usual.race),
            lost: or(self.lost, usual.lost),
            on_replay: self.on_replay.unwrap_or(usual.on_replay),
            ..usual
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_written_takes_the_place_of_what_is_usual() {
        let text = r#"{ "idle": "1h", "race": "0s", "on_replay": "end" }"#;
        let settings: RefreshSettings = serde_json::from_str(text).unwrap();
        let usual = Rotation::standard();
        let Renewal::Rotating(rotation) = settings.over(Renewal::Rotating(usual)) else {
            panic!("it rotates");
        };
        assert_eq!(rotation.idle, Duration::from_hours(1));
        assert_eq!(rotation.race, Duration::ZERO);
        assert_eq!(rotation.on_replay, OnReplay::End);
        assert_eq!(
            (rotation.absolute, rotation.lost),
            (usual.absolute, usual.lost)
        );
        assert_eq!(settings.over(Renewal::Standing), Renewal::Standing);
    }
}
