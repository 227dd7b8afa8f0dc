-- One approval of several plans.

ALTER TABLE approvals ADD COLUMN bundle VARCHAR DEFAULT '';
COMMENT ON COLUMN approvals.bundle IS 'The plans that were approved together, as JSON; empty where it was this plan alone.';

CREATE OR REPLACE VIEW history.approvals AS
SELECT id, plan, content_hash, project, target, verdict, given_by,
       timezone('UTC', given_at) AS given_at, reason, through, used_by, signature,
       CASE WHEN bundle <> '' THEN bundle->>'$.content_hash' ELSE '' END AS bundle
FROM main.approvals;
