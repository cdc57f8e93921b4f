//! The dialects, each by the rows of its contract.

mod nexushub;
