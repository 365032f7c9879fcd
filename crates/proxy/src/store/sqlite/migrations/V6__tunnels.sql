-- A worker without a URL gets its deliveries through its tunnel. SQLite cannot
-- lift a NOT NULL: another column takes the place of this one.
ALTER TABLE workers ADD COLUMN address TEXT;
UPDATE workers SET address = url;
ALTER TABLE workers DROP COLUMN url;
ALTER TABLE workers RENAME COLUMN address TO url;
