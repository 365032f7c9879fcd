-- What workers report of their work on events, beside having stored them.
CREATE TABLE work (
    event    INTEGER NOT NULL,
    delivery BLOB NOT NULL,
    number   INTEGER NOT NULL, -- from 1
    at       INTEGER NOT NULL,
    status   TEXT NOT NULL,
    reason   TEXT,
    PRIMARY KEY (event, delivery, number)
) STRICT, WITHOUT ROWID;
