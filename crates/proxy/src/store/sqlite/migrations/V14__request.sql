-- The id of the request an event came in by: 8 bytes.
ALTER TABLE events ADD COLUMN request BLOB;
