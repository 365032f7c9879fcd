-- What this machine has as a member of a claim group, and has yet to report on.
CREATE TABLE claim (
  event INTEGER PRIMARY KEY REFERENCES event (id) ON DELETE CASCADE,
  profile INTEGER NOT NULL,
  -- Which time the proxy gave it out.
  number INTEGER NOT NULL,
  -- For how long it is held after `at`, in milliseconds.
  lease INTEGER NOT NULL,
  -- When the proxy last said, or knew, that it is held.
  at INTEGER NOT NULL,
  -- Whether the proxy has said that it is held no more.
  lost INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX claim_by_profile ON claim (profile, event);
