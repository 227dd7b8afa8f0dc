-- Steps are counted from 1, as cards and `deploy logs --step` do; a step that was tried again and
-- then never heard of is not `skipped`; and steps say where their output is.

CREATE OR REPLACE VIEW history.events AS
SELECT run, seq, kind,
       timezone('UTC', happened_at) AS happened_at,
       to_milliseconds(elapsed_ms) AS elapsed,
       CAST(json_extract_string(body, '$.step') AS INTEGER) + 1 AS step,
       body
FROM main.events;

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
)
SELECT p.run, r.project, r.target, p.step,
       json_extract_string(p.label, '$.group') AS "group",
       json_extract_string(p.label, '$.phase') AS phase,
       json_extract_string(p.label, '$.kind') AS kind,
       json_extract_string(p.label, '$.title') AS title,
       CASE e.last WHEN 'step_finished' THEN 'done' WHEN 'step_warned' THEN 'warned'
                   WHEN 'step_failed' THEN 'failed' WHEN 'step_skipped' THEN 'skipped'
                   WHEN 'step_started' THEN if(r.outcome IS NULL, 'running', 'unknown')
                   WHEN 'step_retried' THEN if(r.outcome IS NULL, 'running', 'unknown')
                   ELSE if(r.outcome IS NULL, 'pending', 'skipped') END AS state,
       coalesce(e.attempts, 0) AS attempts,
       timezone('UTC', e.started) AS started_at,
       timezone('UTC', e.finished) AS finished_at,
       to_milliseconds(e.to_ms - e.from_ms) AS took,
       CAST(json_extract_string(e.body, '$.exit_status') AS INTEGER) AS exit_status,
       coalesce(json_extract_string(e.body, '$.message'),
                json_extract_string(e.body, '$.reason'), '') AS message,
       json_extract_string(e.body, '$.log.path') AS log
FROM planned p JOIN main.runs r USING (run) LEFT JOIN ended e ON e.run = p.run AND e.step = p.step;
