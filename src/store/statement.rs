//! One statement with its values, asked of whichever engine is connected.
//!
//! A statement is written once, in SQL that both engines read, with values of the three kinds that all tables are made
//! of: text, bytes and whole numbers.

use std::future::Future;
use std::time::Duration;

use sqlx::postgres::{PgArguments, PgConnection};
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteConnection};
use sqlx::{Postgres, Sqlite};

use super::fields::Row;
use super::{AccountId, SessionId, StoreError};
use crate::token::{Digest, Scope, Timestamp};

/// A connection that a statement can be asked of, inside a transaction or not.
#[derive(Debug)]
pub(super) enum Connection<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(Line<'c>),
}

/// A connection over a network, and for how long an answer is waited for there.
#[derive(Debug)]
pub(super) struct Line<'c> {
    pub(super) connection: &'c mut PgConnection,
    pub(super) patience: Duration,
}

impl Connection<'_> {
    /// Waits until no other transaction stands in this line, and stands in it until the end of ours. Where there is one
    /// writer anyway, it is our turn already.
    pub(super) async fn take_turn(&mut self, line: &str) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(_) => {
                let mut number = [0; 8];
                number.copy_from_slice(&Digest::of(line.as_bytes()).bytes()[..8]);
                let waiting = Statement::new(TAKE_TURN).bind(i64::from_be_bytes(number));
                waiting.execute(self).await.map(|_| ())
            }
        }
    }

    /// Tells whoever listens on this channel, once the transaction is committed. Where nobody can listen, nobody is
    /// told.
    pub(super) async fn tell(&mut self, channel: &str) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(_) => {
                let telling = Statement::new(TELL).bind(channel);
                telling.execute(self).await.map(|_| ())
            }
        }
    }
}

const TAKE_TURN: &str = "SELECT pg_advisory_xact_lock($1)";
const TELL: &str = "SELECT pg_notify($1, '')";

/// A statement and the values it is asked with.
#[derive(Clone, Debug)]
pub(super) struct Statement {
    sql: &'static str,
    values: Vec<Value>,
}

impl Statement {
    /// A statement without values yet.
    pub(super) const fn new(sql: &'static str) -> Self {
        Self {
            sql,
            values: Vec::new(),
        }
    }

    /// A statement with all its values.
    pub(super) const fn with(sql: &'static str, values: Vec<Value>) -> Self {
        Self { sql, values }
    }

    /// Adds the value of the next `$n`.
    pub(super) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Makes a change, and says how many rows it touched.
    pub(super) async fn execute(self, connection: &mut Connection<'_>) -> Result<u64, StoreError> {
        self.check()?;
        match connection {
            Connection::Sqlite(sqlite) => {
                let done = self.for_sqlite().execute(&mut **sqlite).await;
                done.map(|done| done.rows_affected())
                    .map_err(StoreError::Statement)
            }
            Connection::Postgres(line) => {
                let asked = self.for_postgres().execute(&mut *line.connection);
                let done = heard(line.patience, asked).await;
                done.map(|done| done.rows_affected())
            }
        }
    }

    /// All rows.
    pub(super) async fn all(self, connection: &mut Connection<'_>) -> Result<Vec<Row>, StoreError> {
        self.check()?;
        match connection {
            Connection::Sqlite(sqlite) => {
                let rows = self.for_sqlite().fetch_all(&mut **sqlite).await;
                rows.map(|rows| rows.into_iter().map(Row::Sqlite).collect())
                    .map_err(StoreError::Statement)
            }
            Connection::Postgres(line) => {
                let asked = self.for_postgres().fetch_all(&mut *line.connection);
                let rows = heard(line.patience, asked).await;
                rows.map(|rows| rows.into_iter().map(Row::Postgres).collect())
            }
        }
    }

    /// The row, if there is one.
    pub(super) async fn one(
        self,
        connection: &mut Connection<'_>,
    ) -> Result<Option<Row>, StoreError> {
        Ok(self.all(connection).await?.into_iter().next())
    }

    /// Whether a value holds a NUL, which one of the engines cannot keep: no row of either does.
    pub(super) fn holds_nul(&self) -> bool {
        self.values
            .iter()
            .any(|value| matches!(value, Value::Text(Some(text)) if text.contains('\0')))
    }

    fn check(&self) -> Result<(), StoreError> {
        if self.holds_nul() {
            return Err(StoreError::Nul);
        }
        Ok(())
    }

    fn for_sqlite(self) -> Query<'static, Sqlite, SqliteArguments> {
        let question = sqlx::query(self.sql);
        self.values
            .into_iter()
            .fold(question, |question, value| match value {
                Value::Text(text) => question.bind(text),
                Value::Bytes(bytes) => question.bind(bytes),
                Value::Number(number) => question.bind(number),
            })
    }

    fn for_postgres(self) -> Query<'static, Postgres, PgArguments> {
        let question = sqlx::query(self.sql);
        self.values
            .into_iter()
            .fold(question, |question, value| match value {
                Value::Text(text) => question.bind(text),
                Value::Bytes(bytes) => question.bind(bytes),
                Value::Number(number) => question.bind(number),
            })
    }
}

/// What the server says, if it says anything in time.
pub(super) async fn heard<T>(
    patience: Duration,
    answer: impl Future<Output = sqlx::Result<T>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout(patience, answer).await {
        Ok(answer) => answer.map_err(StoreError::Statement),
        Err(_) => Err(StoreError::Silent),
    }
}

/// What stands for a `$n`. None is NULL.
#[derive(Clone)]
pub(super) enum Value {
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
    Number(Option<i64>),
}

/// Says what kind of value it is and no more: some are hashes of passwords.
impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Text(_) => "text",
            Self::Bytes(_) => "bytes",
            Self::Number(_) => "number",
        })
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Some(text))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<&Scope> for Value {
    fn from(scope: &Scope) -> Self {
        scope.as_str().into()
    }
}

impl From<Option<String>> for Value {
    fn from(text: Option<String>) -> Self {
        Self::Text(text)
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(Some(bytes))
    }
}

impl From<Option<Vec<u8>>> for Value {
    fn from(bytes: Option<Vec<u8>>) -> Self {
        Self::Bytes(bytes)
    }
}

impl<const N: usize> From<[u8; N]> for Value {
    fn from(bytes: [u8; N]) -> Self {
        bytes.to_vec().into()
    }
}

impl From<AccountId> for Value {
    fn from(id: AccountId) -> Self {
        (*id.bytes()).into()
    }
}

impl From<Option<AccountId>> for Value {
    fn from(id: Option<AccountId>) -> Self {
        Self::Bytes(id.map(|id| id.bytes().to_vec()))
    }
}

impl From<SessionId> for Value {
    fn from(id: SessionId) -> Self {
        (*id.bytes()).into()
    }
}

impl From<Option<SessionId>> for Value {
    fn from(id: Option<SessionId>) -> Self {
        Self::Bytes(id.map(|id| id.bytes().to_vec()))
    }
}

impl From<Digest> for Value {
    fn from(digest: Digest) -> Self {
        (*digest.bytes()).into()
    }
}

impl From<Option<Digest>> for Value {
    fn from(digest: Option<Digest>) -> Self {
        Self::Bytes(digest.map(|digest| digest.bytes().to_vec()))
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(Some(number))
    }
}

impl From<Option<i64>> for Value {
    fn from(number: Option<i64>) -> Self {
        Self::Number(number)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        i64::from(number).into()
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        i64::from(truth).into()
    }
}

impl From<Timestamp> for Value {
    fn from(at: Timestamp) -> Self {
        at.millis().into()
    }
}

impl From<Option<Timestamp>> for Value {
    fn from(at: Option<Timestamp>) -> Self {
        Self::Number(at.map(Timestamp::millis))
    }
}
