-- Dead letters, redrives, replays; state 5: discarded.

-- How often it was made due again after it had ended. With `replay`: what is
-- greater than 0 in either is outside its worker's order.
ALTER TABLE deliveries ADD COLUMN redriven INTEGER NOT NULL DEFAULT 0;
-- The n of `.r{n}`; 0: not a replay.
ALTER TABLE deliveries ADD COLUMN replay INTEGER NOT NULL DEFAULT 0;
-- Who discarded it, and why. When: `settled_at`.
ALTER TABLE deliveries ADD COLUMN settled_by TEXT;
ALTER TABLE deliveries ADD COLUMN settled_reason TEXT;

-- What ended without having been delivered, of each worker in the order of
-- events. It takes the place of deliveries_dead.
DROP INDEX deliveries_dead;
CREATE INDEX deliveries_ended ON deliveries (state, worker, event) WHERE state IN (2, 3, 5);

-- What has happened to deliveries, for those who follow live: the newest
-- million. What stands in the row is read from the row.
CREATE TABLE changes (
    no       INTEGER PRIMARY KEY,
    event    INTEGER NOT NULL,
    delivery BLOB NOT NULL
) STRICT;
CREATE TRIGGER deliveries_changed AFTER UPDATE OF state, attempts ON deliveries
WHEN old.state <> new.state OR old.attempts <> new.attempts
BEGIN
    INSERT INTO changes (event, delivery) VALUES (new.event, new.id);
END;
