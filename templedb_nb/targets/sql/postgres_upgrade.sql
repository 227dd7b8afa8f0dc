-- Brings a ledger of format 1 to format 2: approvals keep their signatures. Doing it twice changes
-- nothing.

ALTER TABLE templedb.approval ADD COLUMN IF NOT EXISTS signature text NOT NULL DEFAULT '';
COMMENT ON COLUMN templedb.approval.signature IS 'An SSH signature of the approval, as ssh-keygen -Y sign writes it; empty where there is none.';
UPDATE templedb.meta SET v = '2' WHERE k = 'format' AND v = '1';
