-- What risky statements, and changes that no run made, do to a plan of a target.

ALTER TABLE targets ADD COLUMN lint VARCHAR;
ALTER TABLE targets ADD COLUMN drift VARCHAR;
COMMENT ON COLUMN targets.lint IS 'What risky statements do to a plan: block, warn or off; warn where nothing is said.';
COMMENT ON COLUMN targets.drift IS 'What changes of the database that no run made do to a plan: block, warn or off; warn where nothing is said.';
