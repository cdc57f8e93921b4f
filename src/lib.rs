//! Tollgate, a reverse-proxy authentication gateway.
//!
//! It stands in front of existing APIs: it terminates TLS, serves token endpoints itself, verifies the token of
//! every request, and forwards what may pass. Nothing unauthenticated passes by accident: a route that says
//! nothing demands a valid token, and a question that cannot be answered now is refused with 503, never waved through.
//!
//! # Where to start
//!
//! [`gate`] is the journey of one request on one page: `gate/judge.rs` decides and sends nothing, `gate/handle.rs`
//! stamps, judges, sends or refuses, and records. Everything else is one of three things:
//!
//! | | folders | |
//! |---|---|---|
//! | roof | [`cli`] [`server`] [`config`] [`admin`] | compose; the only place that knows all |
//! | journey | [`listen`] [`gate`] | run |
//! | plan | [`pages`] [`route`] | what people see; decides which |
//! | work | [`verify`] [`permit`] [`forward`] and [`issue`] [`dialect`] | the two trades: judging tokens, giving them |
//! | ground | [`token`] [`settings`] [`net`] [`store`] [`observe`] | words, reading, medium, memory, eyes |
//!
//! # The storeys
//!
//! A folder uses only folders to its left, and a test holds that:
//!
//! ```text
//! token settings observe net store verify permit issue forward dialect pages route gate listen admin config server cli main
//! ```
//!
//! # Evidence
//!
//! A request cannot skip a stage, because each stage asks for the proof the one before it made: only [`net`] makes a
//! target, only [`verify`] an identity, only [`permit`] a permit, and [`forward`] sends nothing without one.

pub mod admin;
pub mod cli;
pub mod config;
pub mod dialect;
pub mod forward;
pub mod gate;
pub mod issue;
pub mod listen;
pub mod net;
pub mod observe;
pub mod pages;
pub mod permit;
pub mod route;
pub mod server;
pub mod settings;
pub mod store;
pub mod token;
pub mod verify;
