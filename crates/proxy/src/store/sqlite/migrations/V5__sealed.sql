-- A secret is sealed with the present master key, or it is refused: a process
-- that has not heard yet of a new one seals anew and tries again.

CREATE TRIGGER sources_secrets_new BEFORE INSERT ON sources
WHEN substr(NEW.secrets, 2, 8) <> (SELECT value FROM meta WHERE key = 'master_key_id')
BEGIN SELECT RAISE(ABORT, 'sealed with a former master key'); END;

CREATE TRIGGER sources_secrets_changed BEFORE UPDATE OF secrets ON sources
WHEN substr(NEW.secrets, 2, 8) <> (SELECT value FROM meta WHERE key = 'master_key_id')
BEGIN SELECT RAISE(ABORT, 'sealed with a former master key'); END;

CREATE TRIGGER linear_apps_secrets_new BEFORE INSERT ON linear_apps
WHEN substr(NEW.secrets, 2, 8) <> (SELECT value FROM meta WHERE key = 'master_key_id')
BEGIN SELECT RAISE(ABORT, 'sealed with a former master key'); END;

CREATE TRIGGER linear_apps_secrets_changed BEFORE UPDATE OF secrets ON linear_apps
WHEN substr(NEW.secrets, 2, 8) <> (SELECT value FROM meta WHERE key = 'master_key_id')
BEGIN SELECT RAISE(ABORT, 'sealed with a former master key'); END;

CREATE TRIGGER linear_members_secret_new BEFORE INSERT ON linear_members
WHEN substr(NEW.secret, 2, 8) <> (SELECT value FROM meta WHERE key = 'master_key_id')
BEGIN SELECT RAISE(ABORT, 'sealed with a former master key'); END;

CREATE TRIGGER linear_members_secret_changed BEFORE UPDATE OF secret ON linear_members
WHEN substr(NEW.secret, 2, 8) <> (SELECT value FROM meta WHERE key = 'master_key_id')
BEGIN SELECT RAISE(ABORT, 'sealed with a former master key'); END;

CREATE TRIGGER workers_secret_new BEFORE INSERT ON workers
WHEN substr(NEW.secret, 2, 8) <> (SELECT value FROM meta WHERE key = 'master_key_id')
BEGIN SELECT RAISE(ABORT, 'sealed with a former master key'); END;

CREATE TRIGGER workers_secret_changed BEFORE UPDATE OF secret ON workers
WHEN substr(NEW.secret, 2, 8) <> (SELECT value FROM meta WHERE key = 'master_key_id')
BEGIN SELECT RAISE(ABORT, 'sealed with a former master key'); END;

CREATE TRIGGER workers_previous_secret_new BEFORE INSERT ON workers
WHEN substr(NEW.previous_secret, 2, 8) <> (SELECT value FROM meta WHERE key = 'master_key_id')
BEGIN SELECT RAISE(ABORT, 'sealed with a former master key'); END;

CREATE TRIGGER workers_previous_secret_changed BEFORE UPDATE OF previous_secret ON workers
WHEN substr(NEW.previous_secret, 2, 8) <> (SELECT value FROM meta WHERE key = 'master_key_id')
BEGIN SELECT RAISE(ABORT, 'sealed with a former master key'); END;
