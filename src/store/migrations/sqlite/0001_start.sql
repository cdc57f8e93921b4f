-- People, per mount. The id is random and never given twice; the name is compared byte for byte.
CREATE TABLE account (
    id          BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    realm       TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    account_key TEXT    NOT NULL UNIQUE,
    password    TEXT    NOT NULL,
    scope       TEXT    NOT NULL,
    generation  INTEGER NOT NULL,
    status      TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    email       TEXT,
    title       TEXT,
    owner       BLOB    CHECK (length(owner) = 16),
    totp        BLOB,
    must_reset  INTEGER NOT NULL DEFAULT 0,
    UNIQUE (realm, name)
) STRICT;

-- An address to log in with belongs to one account.
CREATE UNIQUE INDEX account_email ON account (realm, email) WHERE email IS NOT NULL;

-- Programs. Only digests of their secrets; the former one is good until its time, so that a secret can be exchanged
-- while the program runs.
CREATE TABLE client (
    name          TEXT    NOT NULL PRIMARY KEY,
    secret        BLOB    CHECK (length(secret) = 32),
    former_secret BLOB    CHECK (length(former_secret) = 32),
    former_until  INTEGER,
    scope         TEXT    NOT NULL,
    grants        TEXT    NOT NULL,
    status        TEXT    NOT NULL,
    created_at    INTEGER NOT NULL,
    redirect_uris TEXT    NOT NULL DEFAULT '',
    title         TEXT,
    registered_at TEXT,
    CHECK ((former_secret IS NULL) = (former_until IS NULL))
) STRICT;

-- Our signing keys, sealed under the master key.
CREATE TABLE signing_key (
    kid        TEXT    NOT NULL PRIMARY KEY,
    realm      TEXT    NOT NULL,
    algorithm  TEXT    NOT NULL,
    sealed     BLOB    NOT NULL,
    state      TEXT    NOT NULL CHECK (state IN ('pending', 'active', 'retiring', 'revoked')),
    created_at INTEGER NOT NULL,
    since      INTEGER NOT NULL
) STRICT;

-- Processes that start or rotate together agree on one key, because there can be only one of each.
CREATE UNIQUE INDEX signing_key_current ON signing_key (realm, algorithm, state) WHERE state IN ('pending', 'active');

-- Logins. No token has a row: refresh tokens are derived from id, generation and salt. What changes with every renewal
-- is in no index, but for the digest of the APIs whose refresh tokens do not say which session is their own.
CREATE TABLE session (
    id           BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    -- The session that this one continues; none if it continues none, so that most rows do without.
    root         BLOB    CHECK (length(root) = 16),
    realm        TEXT    NOT NULL,
    account      BLOB    CHECK (length(account) = 16),
    subject      TEXT    NOT NULL,
    client       TEXT    NOT NULL,
    scope        TEXT    NOT NULL,
    salt         BLOB    NOT NULL CHECK (length(salt) = 16),
    generation   INTEGER NOT NULL,
    seen         INTEGER NOT NULL,
    renewed_at   INTEGER NOT NULL,
    idle_end     INTEGER NOT NULL,
    absolute_end INTEGER NOT NULL,
    digest       BLOB    CHECK (length(digest) = 32),
    exclusive    INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    ended_at     INTEGER,
    ending       TEXT    CHECK (ending IN ('revoked', 'replayed', 'superseded', 'account')),
    CHECK ((ended_at IS NULL) = (ending IS NULL))
) STRICT;

CREATE INDEX session_root ON session (root) WHERE root IS NOT NULL;
CREATE INDEX session_account ON session (account) WHERE account IS NOT NULL;
CREATE UNIQUE INDEX session_digest ON session (realm, digest) WHERE digest IS NOT NULL;
-- At most one such login at a time.
CREATE UNIQUE INDEX session_exclusive ON session (realm, client, account) WHERE exclusive = 1 AND ended_at IS NULL;

-- What can be used once. A spent one stays until its time is over, so that a second use is known as one.
CREATE TABLE one_time (
    kind       TEXT    NOT NULL CHECK (kind IN ('code', 'handoff', 'nonce', 'assertion', 'totp')),
    digest     BLOB    NOT NULL CHECK (length(digest) = 32),
    payload    TEXT    NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at    INTEGER,
    session    BLOB    CHECK (length(session) = 16),
    PRIMARY KEY (kind, digest)
) STRICT, WITHOUT ROWID;

CREATE INDEX one_time_end ON one_time (expires_at);

-- What people have allowed programs to do.
CREATE TABLE consent (
    realm    TEXT    NOT NULL,
    account  BLOB    NOT NULL CHECK (length(account) = 16),
    client   TEXT    NOT NULL,
    scope    TEXT    NOT NULL,
    given_at INTEGER NOT NULL,
    PRIMARY KEY (realm, account, client)
) STRICT, WITHOUT ROWID;

-- Verdicts on tokens that are still out there, in the order they were committed. A number is never given twice.
CREATE TABLE revocation (
    seq        INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    realm      TEXT    NOT NULL,
    kind       TEXT    NOT NULL CHECK (kind IN ('session', 'subject', 'client', 'key', 'token')),
    named      TEXT    NOT NULL,
    revoked_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;

CREATE INDEX revocation_end ON revocation (expires_at);
