-- Until when secrets but the newest count; NULL: until they are replaced.
ALTER TABLE sources ADD COLUMN old_until INTEGER;
ALTER TABLE linear_apps ADD COLUMN old_until INTEGER;
