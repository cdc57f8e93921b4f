//! The command line: one file per family of commands.
//!
//! | command | file | what it does |
//! |---|---|---|
//! | `run` | `run` | the server, until it is told to stop |
//! | `check` | `check` | what is wrong with the configuration, all at once |
//! | `demo`, `dev` | `demo`, `dev` | a gateway with nothing to configure, with a tour and without |
//! | `client`, `user`, `key` | `client`, `user`, `key` | who may ask for tokens, and who signs them |
//! | `session` | `session` | who is logged in, and who no longer is |
//! | `token` | `token`, `fetch` | mint one, fetch one, look into one, verify some, take one back |
//! | `store` | `store` | what must survive: looked at, backed up, moved |
//! | `route` | `route`, `explain` | where a request would go, and why |
//!
//! Promises: a secret is never an argument and never an answer's by-product: it comes from standard input or a file, or
//! is made here and shown once; answers go to standard output, everything else to standard error; a reading command
//! speaks JSON with `--json`. The exit code is 0, or 1 for no and for what failed, 2 for words that mean nothing, 69 for
//! a store that cannot be reached, 78 for a configuration that cannot be used.
//!
//! Commands that act on the store open it beside a running server and need none.
//!
//! Reading order: `command`, `console`, `error`, `desk`, `input`; then the commands; then what `demo` and `dev` are made
//! of: `folder`, `echo`, `call`, `tour`.

mod call;
mod check;
mod client;
mod command;
mod console;
mod demo;
mod desk;
mod dev;
mod echo;
mod error;
mod explain;
mod fetch;
mod folder;
mod input;
mod key;
mod person;
mod route;
mod run;
mod session;
mod store;
mod suppose;
mod token;
mod tour;
mod user;

use error::CliError;

pub use command::run;
