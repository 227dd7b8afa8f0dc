-- Brings a ledger of format 1 to format 2: approvals keep their signatures.

ALTER TABLE templedb.approval ADD COLUMN IF NOT EXISTS signature VARCHAR DEFAULT '';
UPDATE templedb.meta SET v = '2' WHERE k = 'format' AND v = '1';
