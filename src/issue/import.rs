//! People brought along from elsewhere: a file with a JSON object on every line.
//!
//! The file is taken whole or not at all. What is wrong with it is said with the number of the line.

use std::collections::HashMap;

use serde::Deserialize;

use super::legacy::Hashed;
use super::{Accounts, IssueError, UnusableHash, audit, random};
use crate::store::{Account, AccountId, StoreError};
use crate::token::{Scope, Secret, Timestamp};

/// Why a file of people is not taken.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A line is not good.
    #[error("take line {line}: {what}")]
    Line {
        /// Counted from one.
        line: usize,
        /// What is wrong with it.
        what: BadLine,
    },
    /// Something else went wrong.
    #[error(transparent)]
    Issue(#[from] IssueError),
}

/// What is wrong with a line.
#[derive(Debug, thiserror::Error)]
pub enum BadLine {
    /// It is no JSON object with the members there are.
    #[error("{0}")]
    Json(String),
    /// The name is blank, too long, or holds control characters.
    #[error("`name` must be at most 256 bytes, not blank, and without control characters")]
    Name,
    /// The address is none.
    #[error("`email` is no address")]
    Email,
    /// The title holds control characters.
    #[error("`title` must be without control characters")]
    Title,
    /// A scope is none.
    #[error("`scopes` must be a list of scope names (RFC 6749 §3.3)")]
    Scopes,
    /// The hash cannot be used.
    #[error("cannot {0}")]
    Hash(#[from] UnusableHash),
    /// The name stands in an earlier line.
    #[error("the same `name` stands in line {0}")]
    NameTwice(usize),
    /// The address stands in an earlier line.
    #[error("the same `email` stands in line {0}")]
    EmailTwice(usize),
    /// The name or the address is somebody else's.
    #[error("somebody of that `name` or `email` is there already")]
    Taken,
}

/// One line of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Newcomer {
    name: String,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    scopes: Vec<String>,
    /// None: nobody logs in with a password.
    #[serde(default)]
    hash: Option<Secret>,
    #[serde(default)]
    must_reset: bool,
}

impl Accounts {
    /// Adds everybody in `file` to a realm, or nobody. Says how many they are.
    ///
    /// Nothing is hashed here: a hash from elsewhere is compared with, and made anew, when its owner logs in.
    pub async fn import(
        &self,
        realm: &str,
        file: &str,
        now: Timestamp,
    ) -> Result<usize, ImportError> {
        let mut lines = Vec::new();
        let mut accounts = Vec::new();
        let (mut names, mut emails) = (HashMap::new(), HashMap::new());
        let filled = file.lines().enumerate();
        for (index, text) in filled.filter(|(_, text)| !text.trim().is_empty()) {
            let line = index + 1;
            let bad = |what| ImportError::Line { line, what };
            let newcomer = Newcomer::read(text).map_err(bad)?;
            if let Some(earlier) = names.insert(newcomer.name.clone(), line) {
                return Err(bad(BadLine::NameTwice(earlier)));
            }
            if let Some(email) = &newcomer.email
                && let Some(earlier) = emails.insert(email.clone(), line)
            {
                return Err(bad(BadLine::EmailTwice(earlier)));
            }
            accounts.push(newcomer.account(realm, now).map_err(|error| match error {
                Ok(what) => bad(what),
                Err(issue) => ImportError::Issue(issue),
            })?);
            lines.push(line);
        }
        let count = accounts.len();
        match self.store().add_accounts(accounts).await {
            Ok(()) => {
                audit::accounts_imported(realm, count);
                Ok(count)
            }
            Err(StoreError::Taken(index)) => Err(ImportError::Line {
                line: lines.get(index).copied().unwrap_or_default(),
                what: BadLine::Taken,
            }),
            Err(error) => Err(IssueError::Store(error).into()),
        }
    }
}

impl Newcomer {
    fn read(text: &str) -> Result<Self, BadLine> {
        let mut read: Self =
            serde_json::from_str(text).map_err(|error| BadLine::Json(said(&error)))?;
        // As for accounts that are made one by one.
        let named = read.name.contains('@').then(|| read.name.clone());
        let email = read.email.take().or(named);
        read.email = email.map(|email| email.trim().to_lowercase());
        if !super::account::is_usable_name(&read.name) {
            return Err(BadLine::Name);
        }
        if let Some(hash) = &read.hash {
            Hashed::parse(hash.reveal())?;
        }
        if read
            .email
            .as_deref()
            .is_some_and(|email| !is_address(email))
        {
            return Err(BadLine::Email);
        }
        let title = read.title.as_deref().unwrap_or_default();
        if title.contains(char::is_control) {
            return Err(BadLine::Title);
        }
        Ok(read)
    }

    /// The account; what is wrong is either the line's fault or not.
    fn account(self, realm: &str, now: Timestamp) -> Result<Account, Result<BadLine, IssueError>> {
        let scope = Scope::parse(&self.scopes.join(" ")).map_err(|_| Ok(BadLine::Scopes))?;
        let tail = random::base62(super::account::KEY_TAIL).map_err(Err)?;
        let id = AccountId::from_bytes(random::bytes().map_err(Err)?);
        Ok(Account {
            key: format!("{}-{tail}", self.name),
            password: self.hash.unwrap_or_else(|| Secret::new("")),
            scope,
            email: self.email,
            title: self.title,
            must_reset: self.must_reset,
            ..Account::new(id, realm, &self.name, now)
        })
    }
}

/// What the parser says, without what stood in the file: it might be a secret in the wrong place.
fn said(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let mut parts = text.split('"');
    let first = parts.next().unwrap_or_default().to_owned();
    match parts.next_back() {
        Some(last) => format!("{first}\"..\"{last}"),
        None => first,
    }
}

fn is_address(email: &str) -> bool {
    let is_odd = |c: char| c.is_control() || c.is_whitespace();
    email.len() <= 254
        && !email.contains(is_odd)
        && email
            .rsplit_once('@')
            .is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        match Newcomer::read(text) {
            Err(what) => what.to_string(),
            Ok(newcomer) => match newcomer.account("it", Timestamp::from_seconds(0)) {
                Err(Ok(what)) => what.to_string(),
                _ => String::new(),
            },
        }
    }

    #[test]
    fn a_line_says_who_somebody_is_and_what_they_may() {
        let text = r#"{"name":"ada","email":"ada@example.com","title":"Ada","scopes":["a","b"],"hash":"$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2"}"#;
        let newcomer = Newcomer::read(text).unwrap();
        let account = newcomer.account("it", Timestamp::from_seconds(7)).unwrap();
        assert_eq!(
            (account.name.as_str(), account.scope.as_str()),
            ("ada", "a b")
        );
        assert_eq!(account.email.as_deref(), Some("ada@example.com"));
        assert!(account.key.starts_with("ada-") && account.key.len() == 36);
        assert_eq!(problem(r#"{"name":"bob"}"#), "");
    }

    #[test]
    fn what_is_wrong_is_said_and_no_value_is_repeated() {
        for (text, said) in [
            ("", "EOF"),
            ("[]", "expected"),
            (r#"{"email":"a@b"}"#, "missing field `name`"),
            (r#"{"name":"a","password":"x"}"#, "unknown field `password`"),
            (r#"{"name":"a","name":"b"}"#, "duplicate field `name`"),
            (r#"{"name":"a","scopes":"s3cret"}"#, "expected a sequence"),
            (r#"{"name":" "}"#, "`name` must be"),
            (r#"{"name":"a\u0000"}"#, "`name` must be"),
            (r#"{"name":"a","email":"nobody"}"#, "`email` is no address"),
            (r#"{"name":"a","title":"A\u0000"}"#, "`title` must be"),
            (r#"{"name":"a","scopes":["\""]}"#, "`scopes` must be"),
            (r#"{"name":"a","hash":"s3cret"}"#, "know this kind"),
            (
                r#"{"name":"a","hash":"$2b$31$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2"}"#,
                "cost 14",
            ),
        ] {
            let found = problem(text);
            assert!(
                found.contains(said) && !found.contains("s3cret"),
                "{text}: {found}"
            );
        }
    }
}
