-- The public tunnels of this machine: a name reserved at the proxy, and where
-- it leads to.
CREATE TABLE tunnel (
  profile INTEGER NOT NULL REFERENCES profile (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  -- Its public address, as the proxy last said it.
  url TEXT NOT NULL,
  -- Whether it is to be served.
  enabled INTEGER NOT NULL,
  -- As the local API writes them.
  settings TEXT NOT NULL,
  PRIMARY KEY (profile, name)
) WITHOUT ROWID;
