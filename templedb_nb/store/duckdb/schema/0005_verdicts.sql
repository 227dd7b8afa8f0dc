-- Rejections, and how many must approve, who, and for how long their word counts.

ALTER TABLE approvals ADD COLUMN verdict VARCHAR DEFAULT 'approved';
ALTER TABLE targets ADD COLUMN approvals INTEGER;
ALTER TABLE targets ADD COLUMN approvers VARCHAR DEFAULT '';
ALTER TABLE targets ADD COLUMN self_approval BOOLEAN;
ALTER TABLE targets ADD COLUMN approval_expires_s INTEGER DEFAULT 0;
COMMENT ON TABLE approvals IS 'Who said that which content may run, or may not; used_by is the run that succeeded under it.';

CREATE OR REPLACE VIEW history.approvals AS
SELECT id, plan, content_hash, project, target, verdict, given_by,
       timezone('UTC', given_at) AS given_at, reason, through, used_by
FROM main.approvals;
