-- A proxy and a workspace this machine works, or has worked, for. Everything
-- below belongs to one.
CREATE TABLE profile (
  id INTEGER PRIMARY KEY,
  -- The unguessable part of the receiver's path.
  hook_key TEXT NOT NULL UNIQUE,
  proxy_url TEXT NOT NULL,
  workspace_id TEXT NOT NULL,
  workspace_name TEXT NOT NULL,
  -- The worker's name for people.
  name TEXT NOT NULL,
  -- The URL last registered with the proxy; another one is registered anew.
  registered_url TEXT,
  paused INTEGER NOT NULL DEFAULT 0,
  forward_url TEXT,
  -- SHA-256 of a token given by the environment, to know its profile offline.
  token_digest TEXT,
  -- How many events its history holds.
  events INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL,
  UNIQUE (proxy_url, workspace_id)
);

-- Settings of the machine, by name.
CREATE TABLE setting (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID;

-- The change cursor, and where it stood when clients last had to start afresh.
CREATE TABLE cursor (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  seq INTEGER NOT NULL,
  reset_seq INTEGER NOT NULL
);
INSERT INTO cursor VALUES (1, 0, 0);

CREATE TABLE event (
  -- The cursor at which the row was inserted: never used twice.
  id INTEGER PRIMARY KEY,
  profile INTEGER NOT NULL REFERENCES profile (id),
  webhook_id TEXT NOT NULL,
  -- The cursor of the newest change.
  seq INTEGER NOT NULL,
  received_at INTEGER NOT NULL,
  stored_at INTEGER NOT NULL,
  signed_at INTEGER NOT NULL,
  -- Which of the signing secrets verified it: 0 is the current one.
  secret INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  source TEXT NOT NULL,
  provider TEXT NOT NULL,
  event_type TEXT NOT NULL,
  action TEXT,
  entity TEXT,
  subject TEXT NOT NULL,
  detail TEXT NOT NULL,
  size INTEGER NOT NULL,
  synthetic INTEGER NOT NULL,
  outcome TEXT NOT NULL,
  label TEXT NOT NULL,
  -- Whether it waits to be forwarded.
  pending INTEGER NOT NULL
);
CREATE INDEX event_by_seq ON event (seq);
CREATE INDEX event_by_webhook_id ON event (webhook_id, profile);
CREATE INDEX event_by_type ON event (profile, event_type);
CREATE INDEX event_by_source ON event (profile, source);
CREATE INDEX event_by_provider ON event (profile, provider);
CREATE INDEX event_by_outcome ON event (profile, outcome);
CREATE INDEX event_pending ON event (profile, id) WHERE pending = 1;

-- Apart from the rows, so that lists do not read bodies.
CREATE TABLE payload (
  event INTEGER PRIMARY KEY REFERENCES event (id) ON DELETE CASCADE,
  headers TEXT NOT NULL,
  body BLOB NOT NULL
);

-- Every id ever accepted, kept longer than the proxy keeps events and even
-- when history is deleted. In order of arrival, so that the oldest go first.
CREATE TABLE seen (
  id INTEGER PRIMARY KEY,
  profile INTEGER NOT NULL,
  webhook_id TEXT NOT NULL,
  at INTEGER NOT NULL
);
CREATE UNIQUE INDEX seen_once ON seen (webhook_id, profile);

CREATE TABLE run (
  id INTEGER PRIMARY KEY,
  event INTEGER NOT NULL REFERENCES event (id) ON DELETE CASCADE,
  target TEXT NOT NULL,
  replay INTEGER NOT NULL,
  started_at INTEGER NOT NULL,
  -- Absent while it runs.
  micros INTEGER,
  outcome TEXT NOT NULL,
  label TEXT NOT NULL,
  status INTEGER,
  response_headers TEXT NOT NULL DEFAULT '[]',
  response_body TEXT,
  error TEXT
);
CREATE INDEX run_by_event ON run (event);
CREATE INDEX run_unfinished ON run (id) WHERE micros IS NULL;

CREATE TABLE rejected (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  -- Absent where the path named no profile.
  profile INTEGER,
  at INTEGER NOT NULL,
  status INTEGER NOT NULL,
  code TEXT NOT NULL,
  reason TEXT NOT NULL,
  failure TEXT,
  peer_ip TEXT NOT NULL,
  peer TEXT NOT NULL,
  request TEXT NOT NULL,
  size INTEGER NOT NULL,
  count INTEGER NOT NULL
);
CREATE INDEX rejected_alike ON rejected (code, peer_ip, at);
