-- Order: of an ordered worker's unfinished deliveries of one entity the first is
-- due, or held; the others wait behind it (state 6).

-- The entity within which it keeps the order of acceptance; absent: none.
ALTER TABLE deliveries ADD COLUMN lane TEXT;

CREATE INDEX deliveries_lane ON deliveries (worker, lane, event, state)
  WHERE lane IS NOT NULL AND state IN (0, 4, 6, 7);
CREATE INDEX deliveries_queued ON deliveries (worker, accepted_at) WHERE state = 6;

-- Where in the body an event's entity stands: a JSON pointer.
ALTER TABLE sources ADD COLUMN entity_pointer TEXT;
