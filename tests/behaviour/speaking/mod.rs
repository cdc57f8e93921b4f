//! The dialects, each by the rows of its contract.

mod across;
mod hubler;
mod nexudus;
mod nexushub;
