//! The tour: what a gateway is for, shown on a running one in ten requests, each checked and each with its `curl` line.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use super::call::{Call, CallError, Caller, Filed, Reply};
use super::{CliError, console};
use crate::token::{Secret, TimeSource, Timestamp};

/// The tour, and what has come of it so far.
#[derive(Debug)]
pub(super) struct Tour {
    caller: Caller,
    /// Where tokens are kept for the lines that use them.
    folder: PathBuf,
    steps: usize,
    surprises: usize,
}

/// A token whose life is short, and how it was made.
#[derive(Debug)]
pub(super) struct Brief {
    pub(super) token: Filed,
    /// When it is dead.
    pub(super) expires_at: Timestamp,
    /// The command that makes another.
    pub(super) command: String,
}

impl Tour {
    /// A tour of what this caller calls, with a folder that nobody else may enter.
    pub(super) const fn of(caller: Caller, folder: PathBuf) -> Self {
        Self {
            caller,
            folder,
            steps: 0,
            surprises: 0,
        }
    }

    /// Takes the tour; returns how many steps did not give what they must.
    pub(super) async fn take(mut self, brief: Brief, shop: Filed) -> Result<usize, CliError> {
        console::answer("A person, by way of an older API that the gateway serves itself:\n")?;
        let refresh_token = self.person().await?;
        console::answer("Tokens end, and are renewed:\n")?;
        self.renewal(&refresh_token).await?;
        self.expiry(brief).await?;
        console::answer("A program, by way of the standard token endpoint (RFC 6749 §4.4):\n")?;
        self.program(&shop).await?;
        Ok(self.surprises)
    }

    /// Registers, logs in, and shows what a token opens and what it does not; returns the refresh token.
    async fn person(&mut self) -> Result<Secret, CliError> {
        let ada = json!({ "user_id": "ada", "user_secret": "correct horse battery" });
        let call = Call::post("/hub/register", &ada);
        let reply = self.step("register", &call, 200, |_| true).await?;
        let key = reply.secret("/user_key")?;

        let login = json!({ "user_key": key.reveal(), "user_secret": "correct horse battery" });
        let call = Call::post("/hub/authenticate", &login);
        let reply = self
            .step("log in, for a token", &call, 200, |_| true)
            .await?;
        let refresh_token = reply.secret("/refresh_token")?;
        let token = self.keep(&reply, "ada.token")?;

        let title = "call the API: it learns who calls, and does not see the token";
        let call = Call::get("/notes/1").bearer(&token);
        let holds = |reply: &Reply| reply.has("/headers/x-user", "ada") && is_kept_back(reply);
        self.step(title, &call, 200, holds).await?;

        let call = Call::get("/notes/1");
        let holds = |reply: &Reply| reply.has("/reason", "Expected user credentials.");
        self.step("call it without a token", &call, 401, holds)
            .await?;

        let title = "call what this token does not open";
        let call = Call::get("/notes/admin/1").bearer(&token);
        let holds = |reply: &Reply| reply.has("/reason", "Expected write_notes, got .");
        self.step(title, &call, 403, holds).await?;
        Ok(refresh_token)
    }

    async fn renewal(&mut self, refresh_token: &Secret) -> Result<(), CliError> {
        let ask = json!({ "refresh_token": refresh_token.reveal() });
        let call = Call::post("/hub/refresh", &ask);
        let reply = self.step("renew the token", &call, 200, |_| true).await?;
        let token = self.keep(&reply, "ada-renewed.token")?;
        let call = Call::get("/notes/2").bearer(&token);
        let holds = |reply: &Reply| reply.has("/headers/x-user", "ada");
        self.step("call with the new one", &call, 200, holds)
            .await?;
        Ok(())
    }

    /// The one place that waits: for a token of one second to end.
    async fn expiry(&mut self, brief: Brief) -> Result<(), CliError> {
        console::answer("      a token of one second, minted from the command line, and its end:")?;
        console::answer(format_args!("      $ {}\n", brief.command))?;
        let end = brief.expires_at.plus(Duration::from_millis(20));
        tokio::time::sleep(end.since(TimeSource::Wall.now())).await;
        let call = Call::get("/notes/3").bearer(&brief.token);
        let holds = |reply: &Reply| reply.has("/reason/message", "jwt expired");
        self.step("call after the end of a token", &call, 401, holds)
            .await?;
        Ok(())
    }

    async fn program(&mut self, shop: &Filed) -> Result<(), CliError> {
        let call = Call::form("/oauth/token", "grant_type=client_credentials").client("shop", shop);
        let holds = |reply: &Reply| reply.has("/token_type", "Bearer");
        let reply = self
            .step("get a token as a client", &call, 200, holds)
            .await?;
        let token = self.keep(&reply, "shop.token")?;
        let call = Call::get("/orders/7").bearer(&token);
        let holds = |reply: &Reply| reply.has("/headers/x-client", "shop") && is_kept_back(reply);
        self.step("call the API that wants this scope", &call, 200, holds)
            .await?;
        Ok(())
    }

    /// Sends one request, shows it, and notes if the answer is not what it must be.
    async fn step(
        &mut self,
        title: &str,
        call: &Call,
        status: u16,
        holds: impl Fn(&Reply) -> bool,
    ) -> Result<Reply, CliError> {
        self.steps += 1;
        console::answer(format_args!("{:>4}. {title}", self.steps))?;
        console::answer(format_args!("      $ {}", self.caller.curl(call)))?;
        let reply = self.caller.send(call).await?;
        if reply.status.as_u16() == status && holds(&reply) {
            console::answer(format_args!("      {reply}\n"))?;
        } else {
            self.surprises += 1;
            let (came, body) = (reply.status, &reply.json);
            console::answer(format_args!(
                "      NOT AS IT MUST BE: {status} was due, {came} came: {body}\n"
            ))?;
        }
        Ok(reply)
    }

    fn keep(&self, reply: &Reply, name: &str) -> Result<Filed, CliError> {
        let token = reply.secret("/access_token")?;
        Ok(Filed::new(token, &self.folder, name).map_err(CallError::Keep)?)
    }
}

/// Whether the upstream, which tells what it received, received no token.
fn is_kept_back(reply: &Reply) -> bool {
    let headers = reply.json.get("headers").and_then(Value::as_object);
    headers.is_some_and(|headers| !headers.contains_key("authorization"))
}
