-- Ids are the 16 bytes of their ULID; times are Unix milliseconds.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value ANY
) STRICT, WITHOUT ROWID;

CREATE TABLE workspaces (
    id         BLOB PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE sources (
    id         BLOB PRIMARY KEY,
    workspace  BLOB NOT NULL,
    name       TEXT NOT NULL,
    provider   TEXT NOT NULL,
    secrets    BLOB NOT NULL, -- sealed: a JSON list, newest first
    created_at INTEGER NOT NULL,
    UNIQUE (workspace, name)
) STRICT;

CREATE TABLE linear_apps (
    slug    TEXT PRIMARY KEY,
    secrets BLOB NOT NULL -- sealed: a JSON list, newest first
) STRICT;

CREATE TABLE linear_organizations (
    app          TEXT NOT NULL,
    organization TEXT NOT NULL,
    source       BLOB NOT NULL,
    PRIMARY KEY (app, organization)
) STRICT, WITHOUT ROWID;

CREATE TABLE tokens (
    id           BLOB PRIMARY KEY,
    workspace    BLOB NOT NULL,
    label        TEXT NOT NULL,
    hash         BLOB NOT NULL UNIQUE,
    scopes       TEXT NOT NULL, -- separated by spaces
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    revoked_at   INTEGER,
    last_used_at INTEGER
) STRICT;
CREATE INDEX tokens_workspace ON tokens (workspace);

CREATE TABLE workers (
    no                 INTEGER PRIMARY KEY, -- short: every delivery and its index carry it
    id                 BLOB NOT NULL UNIQUE,
    workspace          BLOB NOT NULL,
    token              BLOB NOT NULL,
    name               TEXT NOT NULL,
    url                TEXT NOT NULL,
    credential_hash    BLOB NOT NULL UNIQUE,
    secret             BLOB NOT NULL, -- sealed
    previous_secret    BLOB,          -- sealed
    previous_until     INTEGER,
    filter             TEXT NOT NULL, -- a JSON list of terms
    ordering           TEXT NOT NULL,
    catch_up           TEXT NOT NULL,
    state              TEXT NOT NULL,
    paused             INTEGER NOT NULL DEFAULT 0, -- kept while pending or away
    activated          INTEGER NOT NULL DEFAULT 0, -- answered a challenge once
    leased_until       INTEGER NOT NULL,
    challenge_error    TEXT,
    unreachable_until  INTEGER,
    transport_failures INTEGER NOT NULL DEFAULT 0,
    transport_error    TEXT,
    gone_at            INTEGER,
    gone_reason        TEXT,
    created_at         INTEGER NOT NULL
) STRICT;
CREATE INDEX workers_workspace ON workers (workspace);
CREATE INDEX workers_token ON workers (token);

-- The body is last: a column before it is read without the body's pages.
CREATE TABLE events (
    seq          INTEGER PRIMARY KEY,
    id           BLOB NOT NULL,
    workspace    BLOB NOT NULL,
    source       BLOB NOT NULL,
    source_name  TEXT NOT NULL,
    provider     TEXT NOT NULL,
    received_at  INTEGER NOT NULL,
    kept_from    INTEGER NOT NULL, -- retention counts from here
    synthetic    INTEGER NOT NULL,
    dedupe       BLOB,
    event_type   TEXT NOT NULL,
    action       TEXT,
    entity       TEXT,
    subject      TEXT NOT NULL,
    detail       TEXT NOT NULL,
    headers      TEXT NOT NULL, -- JSON
    body         BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX events_id ON events (id);
CREATE INDEX events_kept ON events (kept_from);

CREATE TABLE dedupe (
    key   BLOB PRIMARY KEY, -- 16 bytes of a SHA-256 over source and key
    event INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- In the order of their events, so that inserts append.
-- state: 0 pending, 1 delivered, 2 dead.
CREATE TABLE deliveries (
    event            INTEGER NOT NULL,
    id               BLOB NOT NULL,
    worker           INTEGER NOT NULL,
    state            INTEGER NOT NULL DEFAULT 0,
    accepted_at      INTEGER NOT NULL,
    due_at           INTEGER NOT NULL,
    attempts         INTEGER NOT NULL DEFAULT 0,
    failures         INTEGER NOT NULL DEFAULT 0,
    first_attempt_at INTEGER,
    settled_at       INTEGER,
    dead_reason      TEXT,
    commit_micros    INTEGER,
    PRIMARY KEY (event, id)
) STRICT, WITHOUT ROWID;
-- What is due, for each worker, oldest first.
CREATE INDEX deliveries_pending ON deliveries (worker, due_at) WHERE state = 0;
-- What was put off: with the index above, the oldest that waits is found at once.
CREATE INDEX deliveries_put_off ON deliveries (worker, accepted_at) WHERE state = 0 AND due_at <> accepted_at;
CREATE INDEX deliveries_dead ON deliveries (worker, settled_at) WHERE state = 2;

CREATE TABLE attempts (
    event    INTEGER NOT NULL,
    delivery BLOB NOT NULL,
    number   INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    micros   INTEGER NOT NULL,
    outcome  TEXT NOT NULL,
    status   INTEGER,
    error    TEXT,
    answer   TEXT,
    PRIMARY KEY (event, delivery, number)
) STRICT, WITHOUT ROWID;
