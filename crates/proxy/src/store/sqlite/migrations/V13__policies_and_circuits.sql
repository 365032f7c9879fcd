-- How a worker wants to be delivered to: JSON; NULL: as the proxy is configured.
ALTER TABLE workers ADD COLUMN policy TEXT;
-- Its circuit: JSON; NULL: closed. Takes the place of the marks below.
ALTER TABLE workers ADD COLUMN circuit TEXT;
UPDATE workers SET circuit = json_object(
    'state', 'open', 'since', coalesce(unreachable_until, 0), 'until', coalesce(unreachable_until, 0),
    'trips', transport_failures, 'cause', 'unreachable', 'error', transport_error
) WHERE transport_failures > 0;
ALTER TABLE workers DROP COLUMN unreachable_until;
ALTER TABLE workers DROP COLUMN transport_failures;
ALTER TABLE workers DROP COLUMN transport_error;
