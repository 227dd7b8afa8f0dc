-- Runbooks that ran unattended, and what of each is proven done. Nothing here is ever updated.

CREATE TABLE runbooks (
    id         VARCHAR PRIMARY KEY,
    name       VARCHAR NOT NULL,
    parameters VARCHAR NOT NULL,
    body       JSON NOT NULL,
    started_at TIMESTAMP NOT NULL
);
COMMENT ON TABLE runbooks IS 'Every run of a runbook that used this state; name is its path, parameters the digest of what was given.';

CREATE TABLE runbook_ends (
    id        VARCHAR PRIMARY KEY,
    exit_code INTEGER NOT NULL,
    body      JSON NOT NULL,
    ended_at  TIMESTAMP NOT NULL
);
COMMENT ON TABLE runbook_ends IS 'How a runbook ended: reason, cells, runs; one that was killed has no row.';

CREATE TABLE runbook_steps (
    key     VARCHAR NOT NULL,
    runbook VARCHAR NOT NULL,
    run     VARCHAR NOT NULL,
    body    JSON NOT NULL,
    done_at TIMESTAMP NOT NULL
);
COMMENT ON TABLE runbook_steps IS 'Commands of cells that changed something: done, or, where run is set, begun with that run.';

CREATE VIEW history.runbooks AS
SELECT b.id AS runbook, b.name, e.exit_code, e.body->>'$.reason' AS reason,
       timezone('UTC', b.started_at) AS started_at,
       timezone('UTC', e.ended_at) AS finished_at,
       e.ended_at - b.started_at AS took,
       CAST(b.body->'$.parameters' AS MAP(VARCHAR, VARCHAR)) AS parameters,
       CAST(coalesce(e.body->'$.runs', '[]') AS VARCHAR[]) AS runs,
       b.body->>'$.out' AS saved, b.body->>'$.resumes' AS resumes,
       b.body->>'$.started_by' AS started_by
FROM main.runbooks b LEFT JOIN main.runbook_ends e USING (id);
