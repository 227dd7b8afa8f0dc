-- When runs may begin on a target.

ALTER TABLE targets ADD COLUMN windows VARCHAR DEFAULT '';
COMMENT ON COLUMN targets.windows IS 'Its deployment windows, as a JSON list of rules; empty for none.';
