-- The status of the newest answer, to filter by; absent where none came.
ALTER TABLE event ADD COLUMN status INTEGER;
UPDATE event SET status = (SELECT status FROM run WHERE run.event = event.id ORDER BY run.id DESC LIMIT 1)
  WHERE outcome IN ('succeeded', 'failed');

-- Filters of the list that were given a name.
CREATE TABLE view (
  profile INTEGER NOT NULL REFERENCES profile (id),
  name TEXT NOT NULL,
  -- As the address of the list holds it.
  filter TEXT NOT NULL,
  PRIMARY KEY (profile, name)
) WITHOUT ROWID;
