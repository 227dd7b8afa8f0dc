-- What runs know of the health of their targets, and each try of a check.

ALTER TABLE runs ADD COLUMN health VARCHAR;
COMMENT ON COLUMN runs.health IS 'What the health checks of the run came to: no gate, healthy, unhealthy, inconclusive, not measured; NULL where nobody asked yet.';

ALTER TABLE targets ADD COLUMN health VARCHAR DEFAULT '';
COMMENT ON COLUMN targets.health IS 'The target''s own health checks, as a JSON list of what a config has.';

CREATE OR REPLACE VIEW history.runs AS
SELECT run, project, target, outcome, exit_code,
       timezone('UTC', started_at) AS started_at,
       timezone('UTC', finished_at) AS finished_at,
       to_milliseconds(elapsed_ms) AS took,
       steps, done, applied, release, plan, started_by, message,
       coalesce(warnings, 0) AS warnings,
       timezone('UTC', found_at) AS found_at,
       health
FROM main.runs;

CREATE VIEW history.health AS
SELECT e.run, r.project, r.target, CAST(e.body->>'$.step' AS INTEGER) + 1 AS step,
       e.body->>'$.check' AS check_name,
       timezone('UTC', e.happened_at) AS measured_at,
       e.body->>'$.outcome' AS outcome, e.body->>'$.cause' AS cause,
       to_milliseconds(CAST(e.body->>'$.latency_ms' AS BIGINT)) AS latency,
       e.body->>'$.message' AS message
FROM main.events e JOIN main.runs r USING (run) WHERE e.kind = 'health_measured';

CREATE OR REPLACE VIEW history.steps AS
WITH planned AS (
    SELECT e.run,
           unnest(range(1, len(labels) + 1)) AS step,
           unnest(labels) AS label
    FROM (SELECT run, from_json(body->'steps', '["JSON"]') AS labels
          FROM main.events WHERE kind = 'run_started') e
), ended AS (
    SELECT run, CAST(json_extract_string(body, '$.step') AS INTEGER) + 1 AS step,
           min(CASE WHEN kind = 'step_started' THEN happened_at END) AS started,
           max(CASE WHEN kind IN ('step_finished', 'step_failed', 'step_warned') THEN happened_at END)
               AS finished,
           min(CASE WHEN kind = 'step_started' THEN elapsed_ms END) AS from_ms,
           max(CASE WHEN kind IN ('step_finished', 'step_failed', 'step_warned') THEN elapsed_ms END)
               AS to_ms,
           count(*) FILTER (kind = 'step_started') AS attempts,
           arg_max(kind, seq) AS last,
           arg_max(body, seq) AS body
    FROM main.events WHERE kind LIKE 'step\_%' ESCAPE '\' GROUP BY ALL
), decided AS (
    SELECT run, step + 1 AS step, arg_max(body->>'$.health', seq) AS health,
           arg_max(body->>'$.by', seq) AS decided_by, arg_max(body->>'$.reason', seq) AS reason
    FROM (SELECT run, seq, body, unnest(from_json(body->'steps', '["INTEGER"]')) AS step
          FROM main.events WHERE kind = 'health_decided')
    GROUP BY run, step
), kept AS (
    SELECT run, step, count(*) FILTER (level = 'WARNING') AS warnings,
           count(*) FILTER (level <> 'WARNING') AS others
    FROM history.messages GROUP BY ALL
), omitted AS (
    SELECT run, CAST(body->>'$.step' AS INTEGER) + 1 AS step,
           sum(CAST(body->>'$.warnings' AS INTEGER)) AS warnings,
           sum(CAST(body->>'$.others' AS INTEGER)) AS others
    FROM main.events WHERE kind = 'messages_omitted' GROUP BY ALL
)
SELECT p.run, r.project, r.target, p.step,
       json_extract_string(p.label, '$.group') AS "group",
       json_extract_string(p.label, '$.phase') AS phase,
       json_extract_string(p.label, '$.kind') AS kind,
       json_extract_string(p.label, '$.title') AS title,
       CASE WHEN d.health IS NOT NULL THEN if(d.health = 'healthy', 'done', 'failed') ELSE
       CASE e.last WHEN 'step_finished' THEN 'done' WHEN 'step_warned' THEN 'warned'
                   WHEN 'step_failed' THEN 'failed' WHEN 'step_skipped' THEN 'skipped'
                   WHEN 'step_started' THEN if(r.outcome IS NULL, 'running', 'unknown')
                   WHEN 'step_retried' THEN if(r.outcome IS NULL, 'running', 'unknown')
                   ELSE if(r.outcome IS NULL, 'pending', 'skipped') END END AS state,
       coalesce(e.attempts, 0) AS attempts,
       timezone('UTC', e.started) AS started_at,
       timezone('UTC', e.finished) AS finished_at,
       to_milliseconds(e.to_ms - e.from_ms) AS took,
       CAST(json_extract_string(e.body, '$.exit_status') AS INTEGER) AS exit_status,
       coalesce(d.decided_by || ' says that it is ' || d.health || ': ' || d.reason,
                json_extract_string(e.body, '$.message'),
                json_extract_string(e.body, '$.reason'), '') AS message,
       json_extract_string(e.body, '$.log.path') AS log,
       CAST(coalesce(k.warnings, 0) + coalesce(o.warnings, 0) + if(e.last = 'step_warned', 1, 0)
            AS INTEGER) AS warnings,
       CAST(coalesce(k.others, 0) + coalesce(o.others, 0) AS INTEGER) AS notices,
       CAST(json_extract_string(e.body, '$.rows') AS INTEGER) AS rows
FROM planned p JOIN main.runs r USING (run) LEFT JOIN ended e ON e.run = p.run AND e.step = p.step
LEFT JOIN decided d ON d.run = p.run AND d.step = p.step
LEFT JOIN kept k ON k.run = p.run AND k.step = p.step
LEFT JOIN omitted o ON o.run = p.run AND o.step = p.step;
