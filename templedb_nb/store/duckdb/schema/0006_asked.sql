-- When somebody last asked for a plan: made_at and made_by stay those of who made it first.

ALTER TABLE plans ADD COLUMN asked_at TIMESTAMP;
UPDATE plans SET asked_at = made_at;
COMMENT ON COLUMN plans.asked_at IS 'When the plan was last made; a plan of a newer release that was made later replaces it.';
