-- What the profile is called on this machine; absent: as the workspace.
ALTER TABLE profile ADD COLUMN label TEXT;
-- Whether this machine works for it.
ALTER TABLE profile ADD COLUMN signed_in INTEGER NOT NULL DEFAULT 0;
UPDATE profile SET signed_in = 1
WHERE id = (SELECT CAST(value AS INTEGER) FROM setting WHERE name = 'current_profile');
