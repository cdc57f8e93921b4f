//! `tollgate token fetch`: a token from a token endpoint, as any client gets one (RFC 6749 §4.4).

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use clap::Args;
use http::Request;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http_body_util::Full;
use serde_json::Value;
use url::form_urlencoded::{Serializer, byte_serialize};

use super::command::Global;
use super::desk::{configuration, runtime};
use super::{CliError, console, input};
use crate::net::{Address, Outbound};
use crate::token::{Scope, Secret};

/// Whom to ask, and who is asking.
#[derive(Debug, Args)]
pub(super) struct FetchOptions {
    /// The token endpoint, as in `https://id.example.com/oauth/token`. Default: that of `--mount`
    #[arg(long)]
    url: Option<String>,
    /// The token service: the name of its `[dialect.NAME]`; may be left out if there is only one
    #[arg(long, conflicts_with = "url")]
    mount: Option<String>,
    /// The client that asks
    #[arg(long)]
    client: String,
    /// A file with its secret; without it, one line of standard input
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// What the token is to permit: names separated by spaces. Default: all the client may have
    #[arg(long, value_parser = input::scope, default_value = "")]
    scope: Scope,
    /// A file with the authorities to trust, in PEM. Default: those of this machine
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The whole answer, as JSON
    #[arg(long)]
    json: bool,
}

/// Asks for a token and writes it to standard output.
pub(super) fn fetch(global: &Global, options: &FetchOptions) -> Result<(), CliError> {
    let url = match &options.url {
        Some(url) => url.clone(),
        None => endpoint(global, options.mount.as_deref())?,
    };
    let secret = input::secret("secret", options.secret_file.as_deref())?;
    let address = Address::parse(&url)?;
    let client = if address.is_loopback_http() {
        Outbound::loopback()?
    } else {
        Outbound::new(options.ca.as_deref())?
    };
    let request = request(&address, options, &secret)?;
    let answer = runtime()?.block_on(client.send(request, PATIENCE))?;
    let (status, body) = (answer.status(), answer.into_body());
    let said: Value = serde_json::from_slice(&body).unwrap_or_default();
    let token = said.get("access_token").and_then(Value::as_str);
    let Some(token) = token.filter(|_| status.is_success()) else {
        let word = |name| said.get(name).and_then(Value::as_str).unwrap_or_default();
        console::note(format_args!(
            "error: the token endpoint answered {status} {} {}",
            word("error").escape_debug(),
            word("error_description").escape_debug(),
        ));
        return Err(CliError::No);
    };
    if options.json {
        return console::answer_json(&said);
    }
    if let Some(seconds) = said.get("expires_in").and_then(Value::as_u64) {
        let scope = said.get("scope").and_then(Value::as_str);
        let scope = scope.unwrap_or(options.scope.as_str());
        global.note(format_args!(
            "token for {}, scope {scope:?}, good for {seconds} s",
            options.client
        ));
    }
    console::answer(token)
}

fn request(
    address: &Address,
    options: &FetchOptions,
    secret: &Secret,
) -> Result<Request<Full<Bytes>>, CliError> {
    let mut form = Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials");
    if !options.scope.is_empty() {
        form.append_pair("scope", options.scope.as_str());
    }
    // RFC 6749 §2.3.1: each part is form-encoded first.
    let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let credentials = format!("{}:{}", encoded(&options.client), encoded(secret.reveal()));
    Request::post(address.as_str())
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(ACCEPT, "application/json")
        .header(
            AUTHORIZATION,
            format!("Basic {}", STANDARD.encode(credentials)),
        )
        .body(Full::new(Bytes::from(form.finish())))
        .map_err(|_| CliError::Usage(format!("use {} as an address", address.as_str())))
}

/// The token endpoint of a mount, as its clients reach it.
fn endpoint(global: &Global, name: Option<&str>) -> Result<String, CliError> {
    let config = configuration(global)?;
    let known = || {
        config
            .dialect
            .keys()
            .cloned()
            .collect::<Vec<_>>()
            .join(", ")
    };
    let mount = match (name, config.dialect.len()) {
        (Some(name), _) => config.dialect.get(name),
        (None, 1) => config.dialect.values().next(),
        (None, _) => None,
    };
    let mount = mount.ok_or_else(|| {
        CliError::Usage(format!(
            "choose a token service: add `--mount NAME`, with one of {}",
            known()
        ))
    })?;
    Ok(format!("{}/token", config.mount_url(mount)))
}

const PATIENCE: Duration = Duration::from_secs(10);
