-- The history as an interface: views whose names, columns, types and units stay. docs/history.md
-- describes them. Times are TIMESTAMPTZ, durations INTERVAL.

CREATE SCHEMA history;

CREATE VIEW history.runs AS
SELECT run, project, target, outcome, exit_code,
       timezone('UTC', started_at) AS started_at,
       timezone('UTC', finished_at) AS finished_at,
       to_milliseconds(elapsed_ms) AS took,
       steps, done, applied, release, plan, started_by, message
FROM main.runs;

CREATE VIEW history.events AS
SELECT run, seq, kind,
       timezone('UTC', happened_at) AS happened_at,
       to_milliseconds(elapsed_ms) AS elapsed,
       CAST(json_extract_string(body, '$.step') AS INTEGER) AS step,
       body
FROM main.events;

CREATE VIEW history.steps AS
WITH planned AS (
    SELECT e.run,
           unnest(range(len(labels))) AS step,
           unnest(labels) AS label
    FROM (SELECT run, from_json(body->'steps', '["JSON"]') AS labels
          FROM main.events WHERE kind = 'run_started') e
), ended AS (
    SELECT run, CAST(json_extract_string(body, '$.step') AS INTEGER) AS step,
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
                   ELSE if(r.outcome IS NULL, 'pending', 'skipped') END AS state,
       coalesce(e.attempts, 0) AS attempts,
       timezone('UTC', e.started) AS started_at,
       timezone('UTC', e.finished) AS finished_at,
       to_milliseconds(e.to_ms - e.from_ms) AS took,
       CAST(json_extract_string(e.body, '$.exit_status') AS INTEGER) AS exit_status,
       coalesce(json_extract_string(e.body, '$.message'),
                json_extract_string(e.body, '$.reason'), '') AS message
FROM planned p JOIN main.runs r USING (run) LEFT JOIN ended e ON e.run = p.run AND e.step = p.step;

CREATE VIEW history.migrations AS
SELECT project, target, database_name AS database, key,
       json_extract_string(body, '$.file') AS file,
       state,
       json_extract_string(body, '$.kind') AS how,
       json_extract_string(body, '$.checksums.text') AS checksum,
       CAST(json_extract_string(body, '$.started_at') AS TIMESTAMPTZ) AS started_at,
       CAST(json_extract_string(body, '$.finished_at') AS TIMESTAMPTZ) AS finished_at,
       CAST(json_extract_string(body, '$.finished_at') AS TIMESTAMPTZ)
         - CAST(json_extract_string(body, '$.started_at') AS TIMESTAMPTZ) AS took,
       json_extract_string(body, '$.client') AS client,
       json_extract_string(body, '$.applied_by') AS role,
       json_extract_string(body, '$.plan') AS plan,
       CAST(json_extract_string(body, '$.run_seq') AS BIGINT) AS run_seq,
       json_extract_string(body, '$.error') AS error,
       timezone('UTC', read_at) AS read_at
FROM main.ledger_copies;

CREATE VIEW history.approvals AS
SELECT id, plan, content_hash, project, target, given_by,
       timezone('UTC', given_at) AS given_at, reason, through, used_by
FROM main.approvals;
