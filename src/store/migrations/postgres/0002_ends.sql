-- The same as in SQLite; see there what it is for. A renewal still touches no index.
ALTER TABLE session ADD COLUMN due BIGINT NOT NULL DEFAULT 0;
CREATE INDEX session_due ON session (due);
CREATE INDEX session_client ON session (client) WHERE ended_at IS NULL;

CREATE TABLE lifetime (
    realm      TEXT   COLLATE "C" NOT NULL PRIMARY KEY,
    access     BIGINT NOT NULL,
    former_end BIGINT NOT NULL
);
