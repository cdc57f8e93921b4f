//! What makes a process ready, as whoever asks is told.

use serde::Serialize;

/// The state of the process when it was asked.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Health {
    /// Whether it has ever been ready: the answer to a startup probe never goes back.
    pub started: bool,
    /// What must hold for it to be sent traffic.
    pub checks: Vec<Check>,
}

/// One thing that must hold.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// What it is: `listeners`, `store`, `clock`, `revocations`, `issuers`.
    pub name: &'static str,
    /// What is wrong; nothing if all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl Check {
    /// What must hold, and how it stands.
    pub fn new(name: &'static str, outcome: Result<(), String>) -> Self {
        Self {
            name,
            problem: outcome.err(),
        }
    }
}

impl Health {
    /// Whether traffic may be sent.
    pub fn is_ready(&self) -> bool {
        self.checks.iter().all(|check| check.problem.is_none())
    }
}
