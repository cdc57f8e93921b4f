//! The pages themselves, as values for their templates.

use askama::Template;

use super::Look;

/// Where somebody signs in.
#[derive(Debug, Template)]
#[template(path = "sign_in.html", config = "src/pages/askama.toml")]
pub(super) struct SignIn<'a> {
    pub(super) look: &'a Look,
    /// What the program that asks is called.
    pub(super) client: &'a str,
    /// Where the form goes.
    pub(super) action: &'a str,
    pub(super) mark: &'a str,
    /// The name that was typed before.
    pub(super) name: &'a str,
    /// What went wrong before.
    pub(super) problem: Option<String>,
    /// Whether the digits of a second factor are wanted.
    pub(super) wants_digits: bool,
    /// Whether that was name or password.
    pub(super) is_wrong: bool,
}

/// Where somebody lets a program act for them, or does not.
#[derive(Debug, Template)]
#[template(path = "consent.html", config = "src/pages/askama.toml")]
pub(super) struct Consent<'a> {
    pub(super) look: &'a Look,
    pub(super) client: &'a str,
    pub(super) action: &'a str,
    pub(super) mark: &'a str,
    /// The mark of the form that says somebody else sits here.
    pub(super) sign_out_mark: &'a str,
    /// Who is signed in.
    pub(super) person: &'a str,
    /// What the program will be able to do.
    pub(super) scopes: Vec<&'a str>,
    /// Where they go on to.
    pub(super) destination: &'a str,
}

/// What went wrong.
#[derive(Debug, Template)]
#[template(path = "fault.html", config = "src/pages/askama.toml")]
pub(super) struct Fault<'a> {
    pub(super) look: &'a Look,
    pub(super) heading: &'a str,
    pub(super) sentence: &'a str,
    /// Where to begin again, if that may help.
    pub(super) again: Option<&'a str>,
    pub(super) request_id: &'a str,
}
