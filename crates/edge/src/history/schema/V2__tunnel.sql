-- What carried the profile's last tunnel, to be tried first.
ALTER TABLE profile ADD COLUMN tunnel_carrier TEXT;
