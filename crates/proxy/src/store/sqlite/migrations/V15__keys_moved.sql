-- The last event whose key is in `dedupe`, as those of all before it are. Of
-- later events the keys are in their own rows, and perhaps in `dedupe` as well.
INSERT INTO meta (key, value) SELECT 'keys_moved', coalesce(max(seq), 0) FROM events;
