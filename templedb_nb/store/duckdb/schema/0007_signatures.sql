-- Signatures of approvals, and who may sign them: the lines of an allowed_signers file.

ALTER TABLE approvals ADD COLUMN signature VARCHAR DEFAULT '';
ALTER TABLE targets ADD COLUMN signed BOOLEAN DEFAULT false;
ALTER TABLE targets ADD COLUMN signers VARCHAR DEFAULT '';
COMMENT ON COLUMN approvals.signature IS 'An SSH signature of the approval; empty where there is none.';
COMMENT ON COLUMN targets.signers IS 'Whose key may sign for whom, a line each; the text itself, so that no other file stands in for it.';

CREATE OR REPLACE VIEW history.approvals AS
SELECT id, plan, content_hash, project, target, verdict, given_by,
       timezone('UTC', given_at) AS given_at, reason, through, used_by, signature
FROM main.approvals;
