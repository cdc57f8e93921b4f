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
    state      TEXT    NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

-- Processes that start together agree on one key, because there can be only one.
CREATE UNIQUE INDEX signing_key_active ON signing_key (realm, algorithm) WHERE state = 'active';
