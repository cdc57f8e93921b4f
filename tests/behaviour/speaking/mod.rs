//! The dialects, each by the rows of its contract.

mod across;
mod bluenexus;
mod hubler;
mod nexudus;
mod nexushub;
