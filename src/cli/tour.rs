//! The tour: what a gateway is for, shown on a running one in ten requests, each checked and each with its `curl` line.

use std::path::PathBuf;
use std::time::Duration;

use http::StatusCode;
use serde_json::json;

use super::call::{Call, CallError, Caller, Reply};
use super::console;
use crate::token::{Secret, TimeSource, Timestamp};

/// The tour, and what has come of it so far.
#[derive(Debug)]
pub(super) struct Tour {
    caller: Caller,
    steps: usize,
    surprises: usize,
}

/// A token whose life is short, and how it was made.
#[derive(Debug)]
pub(super) struct Brief {
    pub(super) token: Secret,
    /// When it is dead.
    pub(super) expires_at: Timestamp,
    /// The command that makes another.
    pub(super) command: String,
}

/// The client that the demo's file lists, and where its secret lies.
#[derive(Debug)]
pub(super) struct Shop {
    pub(super) secret: Secret,
    pub(super) file: PathBuf,
}

impl Tour {
    /// A tour of what this caller calls.
    pub(super) const fn of(caller: Caller) -> Self {
        Self {
            caller,
            steps: 0,
            surprises: 0,
        }
    }

    /// Takes the tour; returns how many steps did not give what they must.
    pub(super) async fn take(mut self, brief: Brief, shop: Shop) -> Result<usize, CallError> {
        console::note("\nA person, by way of an older API that the gateway serves itself:\n");
        let refresh_token = self.person().await?;
        console::note("\nTokens end, and are renewed:\n");
        self.renewal(&refresh_token).await?;
        self.expiry(brief).await?;
        console::note("\nA program, by way of the standard token endpoint (RFC 6749 §4.4):\n");
        self.program(&shop).await?;
        Ok(self.surprises)
    }

    /// Registers, logs in, and shows what a token opens and what it does not; returns the refresh token.
    async fn person(&mut self) -> Result<Secret, CallError> {
        let ada = json!({ "user_id": "ada", "user_secret": "correct horse battery" });
        let call = Call::post("/hub/register", &ada);
        let reply = self.step("register", &call, 200, |_| true).await?;
        let key = reply.secret("/user_key")?;

        let login = json!({ "user_key": key.reveal(), "user_secret": "correct horse battery" });
        let call = Call::post("/hub/authenticate", &login);
        let reply = self.step("log in, for a token", &call, 200, |_| true).await?;
        let (token, refresh_token) = (reply.secret("/access_token")?, reply.secret("/refresh_token")?);

        let call = Call::get("/notes/1").bearer(&token);
        let knows_ada = |reply: &Reply| reply.text("/headers/x-user") == Some("ada");
        self.step("call the API: it learns who calls, and sees no token", &call, 200, |reply| {
            knows_ada(reply) && reply.text("/headers/authorization").is_none()
        })
        .await?;

        let call = Call::get("/notes/1");
        self.step("call it without a token", &call, 401, |reply| {
            reply.text("/error") == Some("Unauthorized")
        })
        .await?;

        let call = Call::get("/notes/admin/1").bearer(&token);
        self.step("call what this token does not open", &call, 403, |reply| {
            reply.text("/reason") == Some("Expected write_notes, got .")
        })
        .await?;
        Ok(refresh_token)
    }

    async fn renewal(&mut self, refresh_token: &Secret) -> Result<(), CallError> {
        let call = Call::post("/hub/refresh", &json!({ "refresh_token": refresh_token.reveal() }));
        let reply = self.step("renew the token", &call, 200, |_| true).await?;
        let token = reply.secret("/access_token")?;
        let call = Call::get("/notes/2").bearer(&token);
        self.step("call with the new one", &call, 200, |reply| {
            reply.text("/headers/x-user") == Some("ada")
        })
        .await?;
        Ok(())
    }

    /// The one place that waits: for a token of one second to end.
    async fn expiry(&mut self, brief: Brief) -> Result<(), CallError> {
        console::note("      a token of one second, minted from the command line; then a wait");
        console::note(format_args!("      $ {}\n", brief.command));
        let end = brief.expires_at.plus(Duration::from_millis(20));
        tokio::time::sleep(end.since(TimeSource::Wall.now())).await;
        let call = Call::get("/notes/3").bearer(&brief.token);
        self.step("call after its end", &call, 401, |reply| {
            reply.text("/reason/message") == Some("jwt expired")
        })
        .await?;
        Ok(())
    }

    async fn program(&mut self, shop: &Shop) -> Result<(), CallError> {
        let call = Call::form("/oauth/token", "grant_type=client_credentials");
        let call = call.client("shop", &shop.secret, &shop.file);
        let reply = self
            .step("get a token as a client", &call, 200, |reply| {
                reply.text("/scope") == Some("orders:read")
            })
            .await?;
        let token = reply.secret("/access_token")?;
        let call = Call::get("/orders/7").bearer(&token);
        self.step("call the API that wants this scope", &call, 200, |reply| {
            reply.text("/headers/x-client") == Some("shop")
        })
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
    ) -> Result<Reply, CallError> {
        self.steps += 1;
        console::note(format_args!("{:>4}. {title}", self.steps));
        console::note(format_args!("      $ {}", self.caller.curl(call)));
        let reply = self.caller.send(call).await?;
        let is_right = StatusCode::from_u16(status).is_ok_and(|wanted| wanted == reply.status) && holds(&reply);
        if is_right {
            console::note(format_args!("      {reply}\n"));
        } else {
            self.surprises += 1;
            console::note(format_args!("      NOT AS IT MUST BE: {status} was due, this came: {reply} {}\n", reply.json));
        }
        Ok(reply)
    }
}
