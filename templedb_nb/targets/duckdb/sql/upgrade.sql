-- Brings a ledger of format 1 or 2 to format 3: approvals keep their signatures.

ALTER TABLE templedb.approval ADD COLUMN IF NOT EXISTS signature VARCHAR DEFAULT '';
UPDATE templedb.meta SET v = '3' WHERE k = 'format' AND v IN ('1', '2');
