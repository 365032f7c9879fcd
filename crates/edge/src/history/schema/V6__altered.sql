-- What a run sent: its headers; absent on runs of before this was kept.
ALTER TABLE run ADD COLUMN request_headers TEXT;
-- How that differs from the event: edited by a person, signed anew.
ALTER TABLE run ADD COLUMN edited INTEGER NOT NULL DEFAULT 0;
ALTER TABLE run ADD COLUMN resigned INTEGER NOT NULL DEFAULT 0;

-- The body sent, where it is not, or may not be, the event's.
CREATE TABLE altered_body (
  run INTEGER PRIMARY KEY REFERENCES run (id) ON DELETE CASCADE,
  body BLOB NOT NULL
);
