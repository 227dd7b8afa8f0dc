-- Which artifacts a run has kept or placed.

ALTER TABLE runs ADD COLUMN manifest VARCHAR DEFAULT '';
COMMENT ON COLUMN runs.manifest IS 'The SHA-256 of the record of the artifacts that the run kept or placed; empty for none.';
