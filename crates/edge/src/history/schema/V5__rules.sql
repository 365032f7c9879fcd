-- What is done with a profile's events, in order of `position`.
CREATE TABLE rule (
  -- Never used twice: runs name it.
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  profile INTEGER NOT NULL REFERENCES profile (id),
  position INTEGER NOT NULL,
  name TEXT NOT NULL,
  enabled INTEGER NOT NULL,
  -- Capability terms, a JSON list of texts.
  filter TEXT NOT NULL,
  -- As the local API writes it.
  action TEXT NOT NULL,
  stop INTEGER NOT NULL
);
CREATE INDEX rule_by_profile ON rule (profile, position);

-- Moves with every change of the profile's rules.
ALTER TABLE profile ADD COLUMN rules_version INTEGER NOT NULL DEFAULT 0;

-- The one target of before becomes a rule that takes everything, named after
-- its host and port.
INSERT INTO rule (profile, position, name, enabled, filter, action, stop)
  SELECT id, 0, substr(rest, 1, instr(rest || '/', '/') - 1), 1, '[]',
    json_object('type', 'forward', 'url', forward_url), 0
  FROM (SELECT id, forward_url, substr(forward_url, instr(forward_url, '://') + 3) AS rest
        FROM profile WHERE forward_url IS NOT NULL);
ALTER TABLE profile DROP COLUMN forward_url;

-- Which rule a run was of, by number and by its name then; absent on runs for
-- an address that a person gave, and on those of temporary targets.
ALTER TABLE run ADD COLUMN rule INTEGER;
ALTER TABLE run ADD COLUMN rule_name TEXT;
-- Which try of the rule's it was, from 1.
ALTER TABLE run ADD COLUMN attempt INTEGER NOT NULL DEFAULT 1;
ALTER TABLE run ADD COLUMN warning TEXT;
CREATE INDEX run_by_rule ON run (rule, id) WHERE rule IS NOT NULL;

-- The names of the notify rules that took it, a JSON list of texts; absent
-- where there was no such rule.
ALTER TABLE event ADD COLUMN notify TEXT;
