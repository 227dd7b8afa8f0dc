-- Targets in numbers: what selects them, and which of them came from a file.

ALTER TABLE targets ADD COLUMN labels VARCHAR DEFAULT '';
ALTER TABLE targets ADD COLUMN imported BOOLEAN DEFAULT false;
COMMENT ON COLUMN targets.labels IS 'Its labels, as a JSON object; empty for none.';
COMMENT ON COLUMN targets.imported IS 'Whether a file of `target import` added it.';
