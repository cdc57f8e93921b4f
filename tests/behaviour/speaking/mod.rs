//! The dialects, each by the rows of its contract.

mod across;
mod bluenexus;
mod clients;
mod hubler;
mod nexudus;
mod nexushub;
mod nexushub_socket;
