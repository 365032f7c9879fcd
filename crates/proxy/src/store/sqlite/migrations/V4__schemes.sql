-- JSON. A source from before has neither: its provider says all.
ALTER TABLE sources ADD COLUMN scheme TEXT;
ALTER TABLE sources ADD COLUMN id_from TEXT;
