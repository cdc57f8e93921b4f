//! Everything there is, counted, and moved to another store.

use crate::store::fields::{Fields, Row};
use crate::store::statement::{Connection, Statement, Value};
use crate::store::{Store, StoreError};

/// How many rows a table has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// The table.
    pub table: &'static str,
    /// Its rows.
    pub rows: i64,
}

/// Moving house.
impl Store {
    /// How many rows every table has.
    pub async fn count(&self) -> Result<Vec<Count>, StoreError> {
        self.still(|mut connection| Box::pin(async move { count(&mut connection).await }))
            .await
    }

    /// Copies every row into another store, which must be empty, a page at a time, and counts both afterwards. All rows
    /// are those of the moment at which it began: what changes here meanwhile is not there.
    pub async fn copy_to(&self, target: &Self) -> Result<Vec<Count>, StoreError> {
        if target.count().await?.iter().any(|count| count.rows > 0) {
            return Err(StoreError::NotEmpty {
                place: target.place(),
            });
        }
        let into = target.clone();
        let copying = self.still(|mut connection| {
            Box::pin(async move {
                for table in TABLES {
                    table.copy(&mut connection, &into).await?;
                }
                count(&mut connection).await
            })
        });
        let (here, there) = (copying.await?, target.count().await?);
        for (here, there) in here.iter().zip(&there) {
            if here != there {
                return Err(StoreError::Miscounted(here.table));
            }
        }
        Ok(there)
    }
}

async fn count(connection: &mut Connection<'_>) -> Result<Vec<Count>, StoreError> {
    let mut counts = Vec::with_capacity(TABLES.len());
    for table in TABLES {
        let row = Statement::new(table.count).one(connection).await?;
        let row = row.ok_or(StoreError::Statement(sqlx::Error::RowNotFound))?;
        counts.push(Count {
            table: table.name,
            rows: row.of(table.name).number("rows")?,
        });
    }
    Ok(counts)
}

/// A table, as far as moving it is concerned.
#[derive(Debug)]
struct Table {
    name: &'static str,
    /// All columns, those of the key first.
    columns: &'static [(&'static str, Kind)],
    /// How many of them are the key.
    key: usize,
    /// How many of them the target makes up itself.
    made: usize,
    count: &'static str,
    page: &'static str,
    add: &'static str,
}

impl Table {
    fn key(&self) -> impl Iterator<Item = &'static (&'static str, Kind)> {
        self.columns.iter().take(self.key)
    }

    /// Adds every row of this table to the target's.
    async fn copy(
        &self,
        connection: &mut Connection<'_>,
        target: &Store,
    ) -> Result<(), StoreError> {
        let mut after: Vec<Value> = self.key().map(|(_, kind)| kind.least()).collect();
        loop {
            let page = Statement::with(self.page, std::mem::take(&mut after));
            let rows = page.all(connection).await?;
            let Some(last) = rows.last() else {
                return Ok(());
            };
            after = self.values(last, self.key())?;
            let adding = rows.iter().map(|row| self.adding(row));
            let adding = adding.collect::<Result<Vec<_>, _>>()?;
            target
                .transact(|mut connection| {
                    Box::pin(async move {
                        for row in adding {
                            row.execute(&mut connection).await?;
                        }
                        Ok(())
                    })
                })
                .await?;
        }
    }

    fn adding(&self, row: &Row) -> Result<Statement, StoreError> {
        let values = self.values(row, self.columns.iter().skip(self.made))?;
        Ok(Statement::with(self.add, values))
    }

    fn values(
        &self,
        row: &Row,
        columns: impl Iterator<Item = &'static (&'static str, Kind)>,
    ) -> Result<Vec<Value>, StoreError> {
        let row = row.of(self.name);
        columns
            .map(|(column, kind)| kind.value(row, column))
            .collect()
    }
}

/// What a column holds.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Text,
    Bytes,
    Number,
}

impl Kind {
    /// What comes before every key.
    fn least(self) -> Value {
        match self {
            Self::Text => Value::from(""),
            Self::Bytes => Value::from(Vec::new()),
            Self::Number => Value::from(i64::MIN),
        }
    }

    fn value(self, row: Fields<'_>, column: &'static str) -> Result<Value, StoreError> {
        Ok(match self {
            Self::Text => row.maybe_text(column)?.into(),
            Self::Bytes => row.maybe_bytes(column)?.into(),
            Self::Number => row.maybe_number(column)?.into(),
        })
    }
}

const TABLES: &[Table] = &[
    Table {
        name: "account",
        columns: &[
            ("id", Kind::Bytes),
            ("realm", Kind::Text),
            ("name", Kind::Text),
            ("account_key", Kind::Text),
            ("password", Kind::Text),
            ("scope", Kind::Text),
            ("generation", Kind::Number),
            ("status", Kind::Text),
            ("created_at", Kind::Number),
            ("email", Kind::Text),
            ("title", Kind::Text),
            ("owner", Kind::Bytes),
            ("totp", Kind::Bytes),
            ("must_reset", Kind::Number),
        ],
        key: 1,
        made: 0,
        count: "SELECT count(*) AS rows FROM account",
        page: "SELECT id, realm, name, account_key, password, scope, generation, status, created_at, email, title, \
            owner, totp, must_reset FROM account WHERE id > $1 ORDER BY id LIMIT 500",
        add: "INSERT INTO account (id, realm, name, account_key, password, scope, generation, status, created_at, \
            email, title, owner, totp, must_reset) \
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
    },
    Table {
        name: "client",
        columns: &[
            ("name", Kind::Text),
            ("secret", Kind::Bytes),
            ("former_secret", Kind::Bytes),
            ("former_until", Kind::Number),
            ("scope", Kind::Text),
            ("grants", Kind::Text),
            ("status", Kind::Text),
            ("created_at", Kind::Number),
            ("redirect_uris", Kind::Text),
            ("title", Kind::Text),
            ("registered_at", Kind::Text),
        ],
        key: 1,
        made: 0,
        count: "SELECT count(*) AS rows FROM client",
        page: "SELECT name, secret, former_secret, former_until, scope, grants, status, created_at, redirect_uris, \
            title, registered_at FROM client WHERE name > $1 ORDER BY name LIMIT 500",
        add: "INSERT INTO client (name, secret, former_secret, former_until, scope, grants, status, created_at, \
            redirect_uris, title, registered_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    },
    Table {
        name: "signing_key",
        columns: &[
            ("kid", Kind::Text),
            ("realm", Kind::Text),
            ("algorithm", Kind::Text),
            ("sealed", Kind::Bytes),
            ("state", Kind::Text),
            ("created_at", Kind::Number),
            ("since", Kind::Number),
        ],
        key: 1,
        made: 0,
        count: "SELECT count(*) AS rows FROM signing_key",
        page: "SELECT kid, realm, algorithm, sealed, state, created_at, since FROM signing_key \
            WHERE kid > $1 ORDER BY kid LIMIT 500",
        add: "INSERT INTO signing_key (kid, realm, algorithm, sealed, state, created_at, since) \
            VALUES ($1, $2, $3, $4, $5, $6, $7)",
    },
    Table {
        name: "session",
        columns: &[
            ("id", Kind::Bytes),
            ("root", Kind::Bytes),
            ("realm", Kind::Text),
            ("account", Kind::Bytes),
            ("subject", Kind::Text),
            ("client", Kind::Text),
            ("scope", Kind::Text),
            ("salt", Kind::Bytes),
            ("generation", Kind::Number),
            ("seen", Kind::Number),
            ("renewed_at", Kind::Number),
            ("idle_end", Kind::Number),
            ("absolute_end", Kind::Number),
            ("digest", Kind::Bytes),
            ("exclusive", Kind::Number),
            ("created_at", Kind::Number),
            ("ended_at", Kind::Number),
            ("ending", Kind::Text),
            ("due", Kind::Number),
        ],
        key: 1,
        made: 0,
        count: "SELECT count(*) AS rows FROM session",
        page: "SELECT id, root, realm, account, subject, client, scope, salt, generation, seen, renewed_at, idle_end, \
            absolute_end, digest, exclusive, created_at, ended_at, ending, due FROM session \
            WHERE id > $1 ORDER BY id LIMIT 500",
        add: "INSERT INTO session (id, root, realm, account, subject, client, scope, salt, generation, seen, \
            renewed_at, idle_end, absolute_end, digest, exclusive, created_at, ended_at, ending, due) \
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)",
    },
    Table {
        name: "lifetime",
        columns: &[
            ("realm", Kind::Text),
            ("access", Kind::Number),
            ("former_end", Kind::Number),
        ],
        key: 1,
        made: 0,
        count: "SELECT count(*) AS rows FROM lifetime",
        page: "SELECT realm, access, former_end FROM lifetime WHERE realm > $1 ORDER BY realm LIMIT 500",
        add: "INSERT INTO lifetime (realm, access, former_end) VALUES ($1, $2, $3)",
    },
    Table {
        name: "one_time",
        columns: &[
            ("kind", Kind::Text),
            ("digest", Kind::Bytes),
            ("payload", Kind::Text),
            ("expires_at", Kind::Number),
            ("used_at", Kind::Number),
            ("session", Kind::Bytes),
        ],
        key: 2,
        made: 0,
        count: "SELECT count(*) AS rows FROM one_time",
        page: "SELECT kind, digest, payload, expires_at, used_at, session FROM one_time \
            WHERE (kind, digest) > ($1, $2) ORDER BY kind, digest LIMIT 500",
        add: "INSERT INTO one_time (kind, digest, payload, expires_at, used_at, session) \
            VALUES ($1, $2, $3, $4, $5, $6)",
    },
    Table {
        name: "consent",
        columns: &[
            ("realm", Kind::Text),
            ("account", Kind::Bytes),
            ("client", Kind::Text),
            ("scope", Kind::Text),
            ("given_at", Kind::Number),
        ],
        key: 3,
        made: 0,
        count: "SELECT count(*) AS rows FROM consent",
        page: "SELECT realm, account, client, scope, given_at FROM consent \
            WHERE (realm, account, client) > ($1, $2, $3) ORDER BY realm, account, client LIMIT 500",
        add: "INSERT INTO consent (realm, account, client, scope, given_at) VALUES ($1, $2, $3, $4, $5)",
    },
    Table {
        name: "revocation",
        columns: &[
            ("seq", Kind::Number),
            ("realm", Kind::Text),
            ("kind", Kind::Text),
            ("named", Kind::Text),
            ("revoked_at", Kind::Number),
            ("expires_at", Kind::Number),
        ],
        key: 1,
        // The numbers are given anew, in the same order.
        made: 1,
        count: "SELECT count(*) AS rows FROM revocation",
        page: "SELECT seq, realm, kind, named, revoked_at, expires_at FROM revocation \
            WHERE seq > $1 ORDER BY seq LIMIT 500",
        add: "INSERT INTO revocation (realm, kind, named, revoked_at, expires_at) VALUES ($1, $2, $3, $4, $5)",
    },
];

pub(super) fn statements() -> impl Iterator<Item = &'static str> {
    TABLES
        .iter()
        .flat_map(|table| [table.count, table.page, table.add])
}
