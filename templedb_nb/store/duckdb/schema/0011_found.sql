-- When a run whose process died was found dead; finished_at is its last sign of life.

ALTER TABLE runs ADD COLUMN found_at TIMESTAMP;
COMMENT ON COLUMN runs.found_at IS 'When a run whose process died was found dead; finished_at is its last sign of life then.';

CREATE OR REPLACE VIEW history.runs AS
SELECT run, project, target, outcome, exit_code,
       timezone('UTC', started_at) AS started_at,
       timezone('UTC', finished_at) AS finished_at,
       to_milliseconds(elapsed_ms) AS took,
       steps, done, applied, release, plan, started_by, message,
       coalesce(warnings, 0) AS warnings,
       timezone('UTC', found_at) AS found_at
FROM main.runs;
