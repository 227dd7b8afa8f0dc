-- The row of a migration that ran in one transaction knows one moment, so it has no duration:
-- what its step took is in the view `steps`.

CREATE OR REPLACE VIEW history.migrations AS
SELECT project, target, database_name AS database, key,
       json_extract_string(body, '$.file') AS file,
       state,
       json_extract_string(body, '$.kind') AS how,
       json_extract_string(body, '$.checksums.text') AS checksum,
       CAST(json_extract_string(body, '$.started_at') AS TIMESTAMPTZ) AS started_at,
       CAST(json_extract_string(body, '$.finished_at') AS TIMESTAMPTZ) AS finished_at,
       CASE WHEN json_extract_string(body, '$.mode') = 'statements' AND state <> 'reverted'
            THEN CAST(json_extract_string(body, '$.finished_at') AS TIMESTAMPTZ)
                 - CAST(json_extract_string(body, '$.started_at') AS TIMESTAMPTZ) END AS took,
       json_extract_string(body, '$.client') AS client,
       json_extract_string(body, '$.applied_by') AS role,
       json_extract_string(body, '$.plan') AS plan,
       CAST(json_extract_string(body, '$.run_seq') AS BIGINT) AS run_seq,
       json_extract_string(body, '$.error') AS error,
       timezone('UTC', read_at) AS read_at
FROM main.ledger_copies;
