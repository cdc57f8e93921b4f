//! The operator's file as a whole.
//!
//! [`Config`] has one field for each section; the type of a section belongs to the folder that obeys it. Reading is
//! three steps: `load` gathers the files and overrides into one document, the document is held against the shape of
//! the settings, and `check` looks at what no section sees alone: that names exist, that no two routes can tie, that a
//! key belongs to the kind that was chosen. `settle` fills in the defaults that depend on other settings.
//!
//! Promises: every problem of every file is reported at once, each with its place; a [`Config`] has passed all checks;
//! nothing here opens a socket, makes a file or fetches a secret.
//!
//! Reading order: `file`, `load`, `settle`, `check`, `kinds`, `claims`, `reference`.

mod check;
mod claims;
mod file;
mod kinds;
mod load;
mod reference;
mod settle;

pub use file::{Config, ServerSettings, ShutdownSettings};
pub use reference::{reference, schema};
