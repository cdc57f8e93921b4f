//! The steps of a schema: forward only, each once, and never changed afterwards. What both engines know of them.

use super::{Migrate, StoreError};
use crate::token::Digest;

/// How far a schema has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The steps it has taken.
    pub taken: i64,
    /// The steps this program knows.
    pub known: i64,
}

/// The steps of one engine's schema, oldest first. A step that has been released is never changed: what it should have
/// done is another step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Steps(pub(super) &'static [&'static str]);

impl Steps {
    /// The steps still to be taken, after these: every step taken must be one we would have taken, and there may be
    /// none we do not know.
    pub(super) fn rest(
        self,
        place: &str,
        taken: &[(i64, Vec<u8>)],
    ) -> Result<impl Iterator<Item = Step> + use<>, StoreError> {
        if let Some((found, _)) = taken.get(self.0.len()..).and_then(<[_]>::last) {
            return Err(StoreError::Newer {
                place: place.to_owned(),
                found: *found,
                known: self.known(),
            });
        }
        for (step, (number, sha256)) in self.numbered().zip(taken) {
            if step.number != *number || step.sha256().as_slice() != sha256 {
                return Err(StoreError::Altered {
                    place: place.to_owned(),
                    step: step.number,
                });
            }
        }
        Ok(self.numbered().skip(taken.len()))
    }

    /// Whether the steps that are missing may be taken.
    pub(super) fn permit(
        self,
        migrate: Migrate,
        place: &str,
        taken: &[(i64, Vec<u8>)],
    ) -> Result<(), StoreError> {
        let standing = self.standing(taken);
        // A store that is new is made in any case.
        if migrate == Migrate::Auto || taken.is_empty() || standing.taken >= standing.known {
            return Ok(());
        }
        Err(StoreError::Outdated {
            place: place.to_owned(),
            found: standing.taken,
            known: standing.known,
        })
    }

    /// How far a schema has come that has taken these.
    pub(super) fn standing(self, taken: &[(i64, Vec<u8>)]) -> Standing {
        Standing {
            taken: taken.last().map_or(0, |(number, _)| *number),
            known: self.known(),
        }
    }

    fn known(self) -> i64 {
        i64::try_from(self.0.len()).unwrap_or(i64::MAX)
    }

    fn numbered(self) -> impl Iterator<Item = Step> + use<> {
        (1..)
            .zip(self.0)
            .map(|(number, text)| Step { number, text })
    }
}

/// One step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) number: i64,
    pub(super) text: &'static str,
}

impl Step {
    /// What the database remembers of it.
    pub(super) fn sha256(self) -> Vec<u8> {
        Digest::of(self.text.as_bytes()).bytes().to_vec()
    }
}

pub(super) const STEPS_TAKEN: &str = "SELECT step, sha256 FROM schema_version ORDER BY step";
pub(super) const RECORD_STEP: &str = "INSERT INTO schema_version (step, sha256) VALUES ($1, $2)";
