-- Claim groups: their deliveries carry the group's number, which is negative,
-- in the place of a worker's. State 7: at a member, which has not reported yet.

CREATE TABLE claim_groups (
    no        INTEGER PRIMARY KEY, -- below 0
    workspace BLOB NOT NULL,
    name      TEXT NOT NULL,
    UNIQUE (workspace, name)
) STRICT;

-- The group a worker is in; claim_group: its number, where it is a claim group.
ALTER TABLE workers ADD COLUMN group_name TEXT;
ALTER TABLE workers ADD COLUMN claim_group INTEGER;

-- To which member a group's delivery was granted last, and which time that was.
CREATE TABLE grants (
    event    INTEGER NOT NULL,
    delivery BLOB NOT NULL,
    worker   INTEGER NOT NULL,
    number   INTEGER NOT NULL,
    until    INTEGER, -- NULL: the grant has ended
    PRIMARY KEY (event, delivery)
) STRICT, WITHOUT ROWID;
CREATE INDEX grants_standing ON grants (until) WHERE until IS NOT NULL;

-- Whose report it is, where the delivery is a group's.
ALTER TABLE work ADD COLUMN worker INTEGER;
