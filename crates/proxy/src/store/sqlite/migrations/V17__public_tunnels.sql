-- Names of public tunnels. One that was released stays, without its options,
-- until nobody but its workspace may have it any more.

CREATE TABLE tunnels (
    name        TEXT NOT NULL PRIMARY KEY,
    workspace   BLOB NOT NULL,
    options     TEXT NOT NULL, -- JSON, without the secret
    secret      BLOB,          -- what visitors must show, sealed
    created_at  INTEGER NOT NULL,
    used_at     INTEGER,
    released_at INTEGER        -- NULL: it is reserved
) STRICT, WITHOUT ROWID;
CREATE INDEX tunnels_of_workspace ON tunnels (workspace);
