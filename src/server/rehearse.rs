//! A gate that is open to nobody: to ask what would happen.

use std::ops::Deref;

use super::chores::Chores;
use super::{Kept, StartError, assemble};
use crate::config::Config;
use crate::gate::Gate;
use crate::net::Tasks;
use crate::token::{TimeSource, Timestamp};

/// The gate of a configuration, judging as it would if it were open, at the moment it was made.
#[derive(Debug)]
pub struct Rehearsal {
    gate: Gate,
    // Where the keys of other issuers are fetched.
    _chores: Chores,
}

impl Rehearsal {
    /// The gate of this configuration, without a log.
    pub fn of(config: &Config, kept: &Kept, now: Timestamp) -> Result<Self, StartError> {
        let mut config = config.clone();
        config.telemetry.access_log.enabled = false;
        let chores = Chores::start().map_err(StartError::System)?;
        let time = TimeSource::manual(now);
        let gate = assemble::gate(&config, kept, &chores, &Tasks::default(), time)?;
        gate.verifier.issuers().tick(now);
        Ok(Self {
            gate,
            _chores: chores,
        })
    }
}

impl Deref for Rehearsal {
    type Target = Gate;

    fn deref(&self) -> &Gate {
        &self.gate
    }
}
