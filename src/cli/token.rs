//! `tollgate token`: mint one, fetch one, look into one, verify some, take one back.

use std::io::{self, BufRead};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::command::Global;
use super::desk::Desk;
use super::fetch::{FetchOptions, fetch};
use super::{CliError, console, input};
use crate::issue::{Bearer, sign_by_hand};
use crate::observe::Refusal;
use crate::settings::Lifetime;
use crate::token::{Algorithm, Scope, Secret};
use crate::verify::{self, KeySet};

/// Mint, fetch, inspect, verify and revoke tokens.
#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Mint an access token: the bare token goes to standard output, what it is to standard error
    Mint(MintOptions),
    /// Fetch an access token for a client from a token endpoint; the bare token goes to standard output
    Fetch(FetchOptions),
    /// Take a token back: reads it from standard input; the session it belongs to ends with it
    Revoke {
        /// Take back the token of this `jti` instead, and no other
        #[arg(long, value_name = "JTI")]
        id: Option<String>,
        /// The token service: the name of its `[dialect.NAME]`; may be left out if there is only one
        #[arg(long)]
        mount: Option<String>,
    },
    /// Show what a token says; reads it from standard input and verifies nothing
    Inspect,
    /// Verify signatures: reads one token per line from standard input and answers each with `valid` or why not
    ///
    /// The same code judges the tokens of requests. It stops before the claims: expiry, issuer and audience are not
    /// looked at. The exit code is 1 if any signature is not valid.
    Verify {
        /// A public key in PEM, a JWK, or a JWK set
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// The algorithms to accept; may be repeated. Default: all that are known, each with its own kind of key
        #[arg(long = "algorithm", value_name = "NAME", value_parser = input::algorithm)]
        algorithms: Vec<Algorithm>,
        /// One JSON object per line
        #[arg(long)]
        json: bool,
    },
}

/// What a token is to say.
#[derive(Debug, Args)]
pub(super) struct MintOptions {
    /// Whom it speaks for
    #[arg(long)]
    subject: String,
    /// The client it was given to. Default: the subject
    #[arg(long)]
    client: Option<String>,
    /// What it may do: names separated by spaces
    #[arg(long, value_parser = input::scope, default_value = "")]
    scope: Scope,
    /// How long it lives. Default: what its token service gives
    #[arg(long, value_parser = input::lifetime)]
    lifetime: Option<Lifetime>,
    /// The token service: the name of its `[dialect.NAME]`; may be left out if there is only one
    #[arg(long)]
    mount: Option<String>,
}

/// Obeys.
pub(super) fn obey(global: &Global, command: TokenCommand) -> Result<(), CliError> {
    match command {
        TokenCommand::Mint(options) => {
            let token = mint(global, &Desk::open(global)?, &options)?;
            console::answer(token.reveal())
        }
        TokenCommand::Fetch(options) => fetch(global, &options),
        TokenCommand::Revoke { id, mount } => revoke(global, id.as_deref(), mount.as_deref()),
        TokenCommand::Inspect => inspect(global),
        TokenCommand::Verify {
            key,
            algorithms,
            json,
        } => {
            let keys = keys(&key, &algorithms)?;
            verify_lines(io::stdin().lock(), &keys, json)
        }
    }
}

impl MintOptions {
    /// A token of `mount` for `subject`, dead after `lifetime`.
    pub(super) fn brief(mount: &str, subject: &str, lifetime: Lifetime) -> Self {
        Self {
            subject: subject.to_owned(),
            client: None,
            scope: Scope::empty(),
            lifetime: Some(lifetime),
            mount: Some(mount.to_owned()),
        }
    }
}

/// Mints a token, and says what it is.
pub(super) fn mint(
    global: &Global,
    desk: &Desk,
    options: &MintOptions,
) -> Result<Secret, CliError> {
    let mut issuer = desk.issuer(options.mount.as_deref())?.clone();
    if let Some(lifetime) = options.lifetime {
        issuer.profile.access_lifetime = lifetime.duration();
    }
    let bearer = Bearer {
        subject: &options.subject,
        client: Some(options.client.as_ref().unwrap_or(&options.subject)),
        scope: options.scope.clone(),
    };
    let token = sign_by_hand(&bearer, &issuer, desk.now)?;
    global.note(format_args!(
        "token of {} for {}, scope {:?}, good until {}",
        issuer.name,
        options.subject,
        options.scope.as_str(),
        desk.now.plus(issuer.profile.access_lifetime),
    ));
    Ok(token)
}

/// Takes back the token of a `jti`, or the one on standard input.
fn revoke(global: &Global, id: Option<&str>, mount: Option<&str>) -> Result<(), CliError> {
    let desk = Desk::open(global)?;
    let (mint, issuer) = (&desk.kept.mint, desk.issuer(mount)?);
    if let Some(id) = id {
        desk.wait(mint.revoke_id(id, issuer, desk.now))?;
    } else {
        let token = input::secret("token", None)?;
        if !desk.wait(mint.revoke_token(&token, issuer, desk.now))? {
            console::note(format_args!(
                "error: {} has issued no such token, or its session is forgotten",
                issuer.name
            ));
            return Err(CliError::No);
        }
    }
    global.note("revoked");
    Ok(())
}

/// The keys in a file.
fn keys(path: &Path, algorithms: &[Algorithm]) -> Result<KeySet, CliError> {
    let allowed = if algorithms.is_empty() {
        &Algorithm::ALL
    } else {
        algorithms
    };
    let text = input::read(path)?;
    let keys = KeySet::read_any(text.as_bytes(), allowed).map_err(|source| CliError::KeyFile {
        path: path.to_owned(),
        source,
    })?;
    if let Some(error) = keys.left_out() {
        let why = console::chain(error);
        console::note(format_args!(
            "warning: a key of {} is not used: could not {why}",
            path.display()
        ));
    }
    Ok(keys)
}

/// Answers each line with `valid`, or with the reason and what was wrong.
fn verify_lines(lines: impl BufRead, keys: &KeySet, as_json: bool) -> Result<(), CliError> {
    let mut all_valid = true;
    for line in lines.lines() {
        let line = line.map_err(|error| CliError::System("read standard input", error))?;
        let verdict = verify::jwt::verify(&line, keys);
        all_valid &= verdict.is_ok();
        let (reason, detail) = match verdict {
            Ok(_) => ("valid", None),
            Err(error) => {
                let detail = console::chain(&error);
                (Refusal::from(error).code(), Some(detail))
            }
        };
        match (as_json, detail) {
            (true, detail) => console::answer(json!({
                "valid": detail.is_none(), "reason": reason, "detail": detail,
            }))?,
            (false, None) => console::answer(reason)?,
            (false, Some(detail)) => console::answer(format_args!("{reason}: could not {detail}"))?,
        }
    }
    if all_valid { Ok(()) } else { Err(CliError::No) }
}

/// Shows header and claims as they are written.
fn inspect(global: &Global) -> Result<(), CliError> {
    let token = input::secret("token", None)?;
    let mut parts = token.reveal().trim().split('.');
    let mut part = || {
        let bytes = URL_SAFE_NO_PAD.decode(parts.next()?).ok()?;
        serde_json::from_slice::<Value>(&bytes).ok()
    };
    let (Some(header), Some(claims)) = (part(), part()) else {
        console::note(
            "error: this is no signed token: three parts of base64url, separated by dots, the first two JSON",
        );
        return Err(CliError::No);
    };
    global.note("nothing of this was verified:");
    console::answer_json(&json!({ "header": header, "claims": claims }))
}
