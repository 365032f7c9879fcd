-- The Linear user a token stands for: what `me` is in a worker's filter.
-- Learned at the next check of members that are there already.
ALTER TABLE linear_members ADD COLUMN user TEXT;
