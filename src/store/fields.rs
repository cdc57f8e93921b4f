//! One row, read column by column into the values that are kept.

use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;

use super::StoreError;
use crate::token::{Scope, Timestamp};

/// A row as the engine gave it.
pub(super) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    /// The columns, for whoever knows which table they come from.
    pub(super) const fn of(&self, table: &'static str) -> Fields<'_> {
        Fields { row: self, table }
    }
}

/// The columns of one row of one table.
#[derive(Clone, Copy)]
pub(super) struct Fields<'r> {
    row: &'r Row,
    table: &'static str,
}

impl Fields<'_> {
    pub(super) fn text(self, column: &'static str) -> Result<String, StoreError> {
        self.get(column)
    }

    pub(super) fn maybe_text(self, column: &'static str) -> Result<Option<String>, StoreError> {
        self.get(column)
    }

    pub(super) fn bytes(self, column: &'static str) -> Result<Vec<u8>, StoreError> {
        self.get(column)
    }

    pub(super) fn maybe_bytes(self, column: &'static str) -> Result<Option<Vec<u8>>, StoreError> {
        self.get(column)
    }

    pub(super) fn array<const N: usize>(self, column: &'static str) -> Result<[u8; N], StoreError> {
        self.maybe_array(column)?
            .ok_or_else(|| self.unreadable(column))
    }

    pub(super) fn maybe_array<const N: usize>(
        self,
        column: &'static str,
    ) -> Result<Option<[u8; N]>, StoreError> {
        let bytes: Option<Vec<u8>> = self.get(column)?;
        bytes
            .map(|bytes| bytes.try_into().map_err(|_| self.unreadable(column)))
            .transpose()
    }

    pub(super) fn number(self, column: &'static str) -> Result<i64, StoreError> {
        self.get(column)
    }

    pub(super) fn maybe_number(self, column: &'static str) -> Result<Option<i64>, StoreError> {
        self.get(column)
    }

    pub(super) fn small(self, column: &'static str) -> Result<u32, StoreError> {
        u32::try_from(self.number(column)?).map_err(|_| self.unreadable(column))
    }

    pub(super) fn truth(self, column: &'static str) -> Result<bool, StoreError> {
        Ok(self.number(column)? != 0)
    }

    pub(super) fn time(self, column: &'static str) -> Result<Timestamp, StoreError> {
        self.number(column).map(Timestamp::from_millis)
    }

    pub(super) fn maybe_time(self, column: &'static str) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.maybe_number(column)?.map(Timestamp::from_millis))
    }

    pub(super) fn scope(self, column: &'static str) -> Result<Scope, StoreError> {
        Scope::parse(&self.text(column)?).map_err(|_| self.unreadable(column))
    }

    /// Words separated by spaces.
    pub(super) fn words(self, column: &'static str) -> Result<Vec<String>, StoreError> {
        let text = self.text(column)?;
        Ok(text.split_ascii_whitespace().map(str::to_owned).collect())
    }

    /// A word that stands for one of a few things.
    pub(super) fn word<T>(
        self,
        column: &'static str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<T, StoreError> {
        read(&self.text(column)?).ok_or_else(|| self.unreadable(column))
    }

    pub(super) const fn unreadable(self, column: &'static str) -> StoreError {
        StoreError::Row {
            table: self.table,
            column,
        }
    }

    fn get<T>(self, column: &'static str) -> Result<T, StoreError>
    where
        T: for<'d> sqlx::Decode<'d, sqlx::Sqlite>
            + sqlx::Type<sqlx::Sqlite>
            + for<'d> sqlx::Decode<'d, sqlx::Postgres>
            + sqlx::Type<sqlx::Postgres>,
    {
        use sqlx::Row as _;
        let read = match self.row {
            Row::Sqlite(row) => row.try_get(column),
            Row::Postgres(row) => row.try_get(column),
        };
        read.map_err(StoreError::Statement)
    }
}
