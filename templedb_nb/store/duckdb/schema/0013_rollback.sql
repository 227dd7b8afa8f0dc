-- What runs were for, which run they belong to, what they deployed, and which rollback they owe.

ALTER TABLE runs ADD COLUMN kind VARCHAR;
COMMENT ON COLUMN runs.kind IS 'What the run was for: deploy, rollback, promote, down, amend, import, health.';
ALTER TABLE runs ADD COLUMN parent_run VARCHAR DEFAULT '';
COMMENT ON COLUMN runs.parent_run IS 'Of a rollback: the run that it undoes; else empty.';
ALTER TABLE runs ADD COLUMN tree VARCHAR DEFAULT '';
COMMENT ON COLUMN runs.tree IS 'The hash over the files of the release that the run deployed; empty in runs taken over from elsewhere.';
ALTER TABLE runs ADD COLUMN config_hash VARCHAR DEFAULT '';
COMMENT ON COLUMN runs.config_hash IS 'The hash of the config that the run deployed by; empty in runs of earlier versions.';
ALTER TABLE runs ADD COLUMN owes VARCHAR DEFAULT '';
COMMENT ON COLUMN runs.owes IS 'The content hash of the rollback that the failed run owes; empty for none.';

UPDATE runs SET kind = e.kind FROM (
    SELECT run, CASE WHEN list_contains(kinds, 'revert') THEN 'down'
                     WHEN list_contains(kinds, 'adopt') THEN 'import'
                     WHEN list_has_any(kinds, ['amend', 'restore']) THEN 'amend'
                     ELSE 'deploy' END AS kind
    FROM (SELECT run, body->>'$.steps[*].kind' AS kinds FROM events WHERE kind = 'run_started')
) e WHERE e.run = runs.run;
UPDATE runs SET tree = p.tree
FROM (SELECT id, preview->>'$.tree' AS tree FROM plans) p WHERE p.id = runs.plan AND runs.release > 0;

ALTER TABLE targets ADD COLUMN on_failure VARCHAR;
COMMENT ON COLUMN targets.on_failure IS 'What a failed run does: stop or rollback; NULL: what the config says.';
ALTER TABLE targets ADD COLUMN rollback_on VARCHAR;
COMMENT ON COLUMN targets.rollback_on IS 'Which failures roll back, with commas between: failure, timeout, health; NULL: what the config says.';
ALTER TABLE targets ADD COLUMN cancel_policy VARCHAR;
COMMENT ON COLUMN targets.cancel_policy IS 'What a run does that a person cancels: stop or rollback; NULL: what the config says.';
ALTER TABLE targets ADD COLUMN pre_approve_rollback BOOLEAN DEFAULT false;
COMMENT ON COLUMN targets.pre_approve_rollback IS 'Whether the approvals of a run count for the rollback that its plan names.';

CREATE OR REPLACE VIEW history.runs AS
SELECT r.run, r.project, r.target, r.outcome, r.exit_code,
       timezone('UTC', r.started_at) AS started_at,
       timezone('UTC', r.finished_at) AS finished_at,
       to_milliseconds(r.elapsed_ms) AS took,
       r.steps, r.done, r.applied, r.release, r.plan, r.started_by, r.message,
       coalesce(r.warnings, 0) AS warnings,
       timezone('UTC', r.found_at) AS found_at,
       r.health, r.kind, coalesce(r.parent_run, '') AS parent_run, coalesce(r.tree, '') AS tree,
       coalesce((SELECT max(b.run) FROM main.runs b WHERE b.parent_run = r.run
                 AND b.kind = 'rollback' AND b.outcome = 'succeeded'), '') AS rolled_back_by
FROM main.runs r;
