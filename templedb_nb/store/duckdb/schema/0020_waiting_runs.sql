-- A run that waits for a person before it switches traffic is no failure, and no deployment yet.

CREATE OR REPLACE VIEW history.deployments AS
WITH planned AS (
    SELECT run, unnest(range(len(labels))) AS step, unnest(labels) AS label
    FROM (SELECT run, from_json(body->'steps', '["JSON"]') AS labels
          FROM main.events WHERE kind = 'run_started')
), touched AS (
    SELECT DISTINCT e.run
    FROM main.events e
    JOIN planned p ON p.run = e.run AND p.step = CAST(e.body->>'$.step' AS INTEGER)
    WHERE (e.kind IN ('step_finished', 'step_warned')
           AND coalesce(p.label->>'$.mutates', 'true') = 'true')
       OR (e.kind = 'step_failed' AND e.body->>'$.changed' = 'true')
), placed AS (
    SELECT r.run, r.project, r.target, coalesce(r.kind, 'deploy') AS kind,
           coalesce(r.parent_run, '') AS parent_run, r.release, r.outcome,
           r.started_at, r.finished_at, r.outcome = 'succeeded' AS succeeded
    FROM main.runs r
    WHERE coalesce(r.kind, 'deploy') IN ('deploy', 'promote', 'rollback')
      AND r.outcome IS NOT NULL AND coalesce(r.exit_code, 0) NOT IN (10, 20)
      AND (r.outcome = 'unknown' OR r.exit_code IN (12, 13)
           OR r.run IN (SELECT run FROM touched))
), followed AS (
    SELECT *,
           lag(succeeded AND kind <> 'rollback') OVER on_target AS before_was_good,
           min(finished_at) FILTER (succeeded) OVER (
               on_target ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS next_success,
           count(*) FILTER (succeeded AND kind <> 'rollback') OVER (
               PARTITION BY project, target, release ORDER BY run
               ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) = 0 AS first_of_release
    FROM placed
    WINDOW on_target AS (PARTITION BY project, target ORDER BY run)
), judged AS (
    SELECT f.*,
           f.run IN (SELECT parent_run FROM placed WHERE kind = 'rollback') AS rolled_back
    FROM followed f
    WHERE f.kind <> 'rollback'
)
SELECT j.run, j.project, j.target, j.kind, j.release, j.outcome,
       timezone('UTC', j.started_at) AS started_at,
       timezone('UTC', j.finished_at) AS finished_at,
       timezone('UTC', m.made_at) AS released_at,
       to_milliseconds(CASE WHEN j.succeeded AND j.first_of_release
                            THEN date_diff('millisecond', m.made_at, j.finished_at) END) AS lead_time,
       NOT j.succeeded OR j.rolled_back AS failed,
       j.rolled_back,
       CASE WHEN failed THEN timezone('UTC', j.next_success) END AS restored_at,
       to_milliseconds(CASE WHEN failed
                            THEN date_diff('millisecond', j.finished_at, j.next_success) END)
           AS time_to_restore,
       NOT coalesce(j.before_was_good, true) AS rework
FROM judged j
LEFT JOIN main.releases m ON m.project = j.project AND m.number = j.release;
COMMENT ON VIEW history.deployments IS 'Runs that put a release in place, or failed after they had changed the target.';
