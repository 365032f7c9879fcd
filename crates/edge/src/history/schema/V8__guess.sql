-- What is probably wrong with a refused request, in words; absent: nothing is.
ALTER TABLE rejected ADD COLUMN guess TEXT;
