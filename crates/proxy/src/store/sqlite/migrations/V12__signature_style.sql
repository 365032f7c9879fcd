-- How a worker is signed for: JSON; NULL: by Standard Webhooks.
ALTER TABLE workers ADD COLUMN signature_style TEXT;
