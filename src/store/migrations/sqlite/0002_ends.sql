-- What ends a session changes with every renewal and so is in no index. In its place, when to look next whether it is
-- over: never later than it is, and put off only when somebody has looked. Those that are here already are looked at
-- once.
ALTER TABLE session ADD COLUMN due INTEGER NOT NULL DEFAULT 0;
CREATE INDEX session_due ON session (due);

-- Whoever ends all sessions of a client finds them; a renewal changes nothing here either.
CREATE INDEX session_client ON session (client) WHERE ended_at IS NULL;

-- How long access tokens live, per mount, and until when some may be alive that were issued while they lived longer.
CREATE TABLE lifetime (
    realm      TEXT    NOT NULL PRIMARY KEY,
    access     INTEGER NOT NULL,
    former_end INTEGER NOT NULL
) STRICT;
