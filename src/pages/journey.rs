//! The way of a person through the pages: sign in, agree, go back.
//!
//! Every step is judged anew from the address alone, which is the program's request: nothing is kept between the steps
//! but who sits at the browser.

use http::request::Parts;
use http::{HeaderName, StatusCode};

use super::form::{Form, here, without_sign_in};
use super::reply::{Reply, place_of};
use super::serve::{Pages, Trouble, Visitor};
use super::view;
use crate::issue::{
    Agreement, AuthorizationRequest, AuthorizeError, Circumstances, Fault, IssueError, Notice,
    Prompt, SigningIn, Visit,
};
use crate::store::Account;
use crate::token::Secret;

/// One request of a browser, and what is known of it.
struct Step<'a> {
    from: &'a Visitor<'a>,
    visit: Visit,
    /// Whether the browser has to be told of the visit.
    is_news: bool,
    request: AuthorizationRequest,
    /// Where this step is: our own path, with the program's request. What a form is about.
    here: String,
}

impl Pages {
    /// Somebody comes along: with a page, or on to where they wanted.
    pub(super) async fn arrive(&self, head: &Parts, from: &Visitor<'_>) -> Reply {
        let mut step = match self.step(head, from).await {
            Ok(step) => step,
            Err(reply) => return *reply,
        };
        let arrived = self.welcome(&mut step).await;
        let reply = arrived.unwrap_or_else(|error| self.failed(&error, from));
        self.keeping(reply, &step)
    }

    /// Somebody sent a form.
    pub(super) async fn answer(&self, head: &Parts, body: &[u8], from: &Visitor<'_>) -> Reply {
        let mut step = match self.step(head, from).await {
            Ok(step) => step,
            Err(reply) => return *reply,
        };
        let form = Form::read(body);
        if !self.is_ours(&form, &step, head) {
            return self.strayed(&form, &step).await;
        }
        let reply = match form.value("form") {
            "sign_in" => self.sign_in(&form, &mut step).await,
            "sign_out" => self.sign_out(&mut step).await,
            "consent" => self.consent(&form, &step).await,
            _ => Ok(self.stale(&step)),
        };
        let reply = reply.unwrap_or_else(|error| self.failed(&error, from));
        self.keeping(reply, &step)
    }

    /// What is known of a request; or, if that is not enough to go on, the answer to it.
    async fn step<'a>(&self, head: &Parts, from: &'a Visitor<'a>) -> Result<Step<'a>, Box<Reply>> {
        let query = head.uri.query().unwrap_or_default();
        let said: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect();
        let request = self.authorizer.read(&said, &self.issuer).await;
        let request = request.map_err(|error| Box::new(self.unanswerable(&error, from)))?;
        let known = self.cookie.find(&head.headers);
        let known = known.and_then(|text| self.authorizer.visits().open(&self.name, text));
        let is_news = known.is_none();
        let visit = known.map_or_else(Visit::new, Ok);
        Ok(Step {
            from,
            visit: visit.map_err(|error| Box::new(self.failed(&error, from)))?,
            is_news,
            request,
            here: here(head.uri.path(), &said),
        })
    }

    fn unanswerable(&self, error: &AuthorizeError, from: &Visitor<'_>) -> Reply {
        match error {
            AuthorizeError::Here(sentence) => self.trouble(
                Trouble {
                    status: StatusCode::BAD_REQUEST,
                    heading: "This link does not work",
                    sentence,
                    again: None,
                },
                from,
            ),
            AuthorizeError::There { back, fault } => Reply::redirect(
                &back.with_fault(*fault, &self.issuer.identifier),
                fault.error,
            ),
            AuthorizeError::Failed(error) => self.failed(error, from),
        }
    }

    async fn welcome(&self, step: &mut Step<'_>) -> Result<Reply, IssueError> {
        let prompt = step.request.prompt;
        let account = self.who(step).await?;
        let account = account.filter(|_| !matches!(prompt, Prompt::These { sign_in: true, .. }));
        let Some(account) = account else {
            if prompt == Prompt::Nothing {
                return Ok(self.back(step, LOGIN_REQUIRED));
            }
            return self.sign_in_page(step);
        };
        step.is_news |= step.visit.see(self.stay, step.from.now);
        if !self.must_consent(&account, step).await? {
            return self.go_on(&account, None, step).await;
        }
        if prompt == Prompt::Nothing {
            return Ok(self.back(step, CONSENT_REQUIRED));
        }
        self.consent_page(&account, step)
    }

    /// Who sits at the browser, if their account is still what it was.
    async fn who(&self, step: &Step<'_>) -> Result<Option<Account>, IssueError> {
        match step.visit.who(self.stay, step.from.now) {
            Some((id, generation)) => self.authorizer.still(id, generation, &self.issuer).await,
            None => Ok(None),
        }
    }

    async fn must_consent(&self, account: &Account, step: &Step<'_>) -> Result<bool, IssueError> {
        if matches!(step.request.prompt, Prompt::These { consent: true, .. }) {
            return Ok(true);
        }
        if step.request.is_trusted {
            return Ok(false);
        }
        let before = self
            .authorizer
            .has_consented(account, &step.request, &self.issuer)
            .await?;
        Ok(!before)
    }

    async fn sign_in(&self, form: &Form, step: &mut Step<'_>) -> Result<Reply, IssueError> {
        let name = form.value("name");
        let digits = form.value("digits").trim();
        let shown = SigningIn {
            name: name.to_owned(),
            password: Secret::new(form.value("password")),
            digits: (!digits.is_empty()).then(|| Secret::new(digits)),
        };
        let at = Circumstances {
            now: step.from.now,
            address: Some(step.from.peer_ip),
        };
        let signed_in = self.authorizer.sign_in(shown, &self.issuer, at).await;
        step.is_news = true;
        let outcome = match signed_in {
            Ok(account) => {
                step.visit = Visit::signed_in(&account, step.from.now)?;
                "signed_in"
            }
            Err(error @ (IssueError::Store(_) | IssueError::Sign(_) | IssueError::Busy { .. })) => {
                return Err(error);
            }
            Err(error) => {
                step.visit.notice = Some(Notice {
                    code: error.code().to_owned(),
                    wait: match error {
                        IssueError::TooManyAttempts { retry_after } => {
                            Some(retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0))
                        }
                        _ => None,
                    },
                    name: name.chars().take(LONGEST_NAME).collect(),
                });
                error.code()
            }
        };
        // Whoever just signed in need not do so again.
        let here = match outcome {
            "signed_in" => without_sign_in(&step.here),
            _ => step.here.clone(),
        };
        Ok(Reply::redirect(&here, outcome))
    }

    /// Somebody else sits down.
    async fn sign_out(&self, step: &mut Step<'_>) -> Result<Reply, IssueError> {
        // Nobody has to stay because it cannot be looked up who they are.
        let account = self.who(step).await.ok().flatten();
        step.visit = Visit::new()?;
        step.is_news = true;
        self.authorizer.signed_out(account.as_ref(), &self.issuer);
        Ok(Reply::redirect(&step.here, "signed_out"))
    }

    async fn consent(&self, form: &Form, step: &Step<'_>) -> Result<Reply, IssueError> {
        let Some(account) = self.who(step).await? else {
            // They were away for too long; after signing in they are asked again.
            return Ok(Reply::redirect(&step.here, "away"));
        };
        match form.value("answer") {
            "allow" => {
                let (request, now) = (&step.request, step.from.now);
                self.authorizer
                    .consent(&account, request, &self.issuer, now)
                    .await?;
                self.go_on(&account, Some(form.value("mark")), step).await
            }
            "deny" => {
                self.authorizer
                    .denied(&account, &step.request, &self.issuer);
                Ok(self.back(step, DENIED))
            }
            _ => Ok(self.stale(step)),
        }
    }

    /// Back to the program with a code; who agreed by a form just now, with the one that this form gets.
    async fn go_on(
        &self,
        account: &Account,
        mark: Option<&str>,
        step: &Step<'_>,
    ) -> Result<Reply, IssueError> {
        let grantable = self
            .authorizer
            .grantable(&step.request, account, &self.issuer);
        if step.request.has_asked && grantable.is_empty() {
            return Ok(self.back(step, NOTHING_TO_GRANT));
        }
        let (request, now) = (&step.request, step.from.now);
        let Some(mark) = mark else {
            let code = self
                .authorizer
                .give_code(account, request, &self.issuer, now);
            return Ok(Reply::redirect(&code.await?, "ok"));
        };
        let agreement = Agreement {
            mark,
            lives: self.stay.absolute,
        };
        let whose = (account, request);
        let code = self
            .authorizer
            .give_code_for(agreement, whose, &self.issuer, now);
        Ok(match code.await? {
            Some(to) => Reply::redirect(&to, "ok"),
            // Whoever went back to a form that was used begins anew.
            None => Reply::redirect(&step.here, "agreed_before"),
        })
    }

    fn back(&self, step: &Step<'_>, fault: Fault) -> Reply {
        let to = step.request.back.with_fault(fault, &self.issuer.identifier);
        Reply::redirect(&to, fault.error)
    }

    fn sign_in_page(&self, step: &mut Step<'_>) -> Result<Reply, IssueError> {
        let notice = step.visit.notice.take();
        step.is_news |= notice.is_some();
        let notice = notice.as_ref();
        let page = view::SignIn {
            look: &self.look,
            client: &step.request.title,
            action: &step.here,
            mark: &self.mark(step, "sign_in")?,
            name: notice.map_or("", |notice| notice.name.as_str()),
            problem: notice.map(problem),
            wants_digits: notice.is_some_and(|notice| notice.code == "second_factor"),
            is_wrong: notice.is_some_and(|notice| notice.code == "invalid_credentials"),
        };
        let beyond = Some(step.request.back.redirect_uri.as_str());
        Ok(Reply::page(&page, StatusCode::OK, &self.look, beyond).called("sign_in"))
    }

    fn consent_page(&self, account: &Account, step: &Step<'_>) -> Result<Reply, IssueError> {
        let scope = self
            .authorizer
            .grantable(&step.request, account, &self.issuer);
        let redirect_uri = step.request.back.redirect_uri.as_str();
        let page = view::Consent {
            look: &self.look,
            client: &step.request.title,
            action: &step.here,
            mark: &self.mark(step, "consent")?,
            sign_out_mark: &self.mark(step, "sign_out")?,
            person: account.title.as_deref().unwrap_or(&account.name),
            scopes: scope.words().collect(),
            destination: &place_of(redirect_uri),
        };
        let reply = Reply::page(&page, StatusCode::OK, &self.look, Some(redirect_uri));
        Ok(reply.called("consent"))
    }

    /// A form that was not shown to this browser, or no longer counts. Whatever it says is not done, and the browser keeps
    /// what it has. Who is signed in already, as after a second click, goes on from there.
    async fn strayed(&self, form: &Form, step: &Step<'_>) -> Reply {
        if form.value("form") != "sign_in" {
            return self.stale(step);
        }
        match self.who(step).await {
            Ok(Some(_)) => Reply::redirect(&step.here, STRAYED),
            Ok(None) => self.stale(step),
            Err(error) => self.failed(&error, step.from),
        }
    }

    /// A form that does not count: from elsewhere, or from before somebody signed in. A fresh one is a step away.
    fn stale(&self, step: &Step<'_>) -> Reply {
        let trouble = Trouble {
            status: StatusCode::FORBIDDEN,
            heading: "This page is out of date",
            sentence: "It was open for too long, or was left behind by a later one. If your browser \
                       keeps no cookies for this site, allow them first.",
            again: Some(&step.here),
        };
        self.trouble(trouble, step.from).called("stale_form")
    }

    /// Whether a form comes from the page we showed to this browser. Where the browser says where a request comes from,
    /// that counts too.
    fn is_ours(&self, form: &Form, step: &Step<'_>, head: &Parts) -> bool {
        let site = head.headers.get(HeaderName::from_static("sec-fetch-site"));
        let is_here = site.is_none_or(|site| site == "same-origin");
        let (mark, name) = (form.value("mark"), form.value("form"));
        let visits = self.authorizer.visits();
        is_here && visits.is_marked(mark, &step.visit, name, &step.here)
    }

    fn mark(&self, step: &Step<'_>, form: &str) -> Result<String, IssueError> {
        self.authorizer.visits().mark(&step.visit, form, &step.here)
    }

    /// The reply, with what the browser is to keep.
    fn keeping(&self, reply: Reply, step: &Step<'_>) -> Reply {
        if !step.is_news {
            return reply;
        }
        match self.authorizer.visits().seal(&self.name, &step.visit) {
            Ok(sealed) => reply.keeping(&self.cookie.keep(&sealed)),
            Err(error) => self.failed(&error, step.from),
        }
    }
}

/// What a person is told about an attempt that failed.
fn problem(notice: &Notice) -> String {
    let sentence = match (notice.code.as_str(), notice.wait) {
        (_, Some(1)) => "Too many attempts. Please wait a second and try again.",
        (_, Some(wait)) => {
            return format!("Too many attempts. Please wait {wait} seconds and try again.");
        }
        ("second_factor", _) => "Please enter your password again, and the digits from your app.",
        ("must_reset_password", _) => "This account needs a new password before it can be used.",
        _ => "Name or password is wrong.",
    };
    sentence.to_owned()
}

/// What the log calls a form that did not count, of somebody who goes on without it.
pub(super) const STRAYED: &str = "signed_in_before";
const DENIED: Fault = Fault::new("access_denied", "the person did not agree");
const NOTHING_TO_GRANT: Fault = Fault::new(
    "access_denied",
    "the person may do nothing of what was asked for",
);
const LOGIN_REQUIRED: Fault = Fault::new("login_required", "nobody is signed in");
const CONSENT_REQUIRED: Fault = Fault::new("consent_required", "the person must be asked");
/// In characters.
const LONGEST_NAME: usize = 256;
