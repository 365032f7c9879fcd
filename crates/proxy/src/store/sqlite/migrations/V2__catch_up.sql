-- What waits for a worker's choice (state 4), and what was skipped (state 3).

-- When the lease of a worker that is away ended; or since when its next
-- absence counts, while one has been dealt with and it is not back yet.
ALTER TABLE workers ADD COLUMN away_since INTEGER;
-- Who skipped it: `setting` or `choice`. When: `settled_at`.
ALTER TABLE deliveries ADD COLUMN skipped_by TEXT;

CREATE INDEX deliveries_held ON deliveries (worker, accepted_at) WHERE state = 4;
