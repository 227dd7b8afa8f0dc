-- Brings a ledger of format 1 or 2 to format 3: approvals keep their signatures, and the ledger knows
-- the objects that runs left. Doing it twice changes nothing.

ALTER TABLE templedb.approval ADD COLUMN IF NOT EXISTS signature text NOT NULL DEFAULT '';
COMMENT ON COLUMN templedb.approval.signature IS 'An SSH signature of the approval, as ssh-keygen -Y sign writes it; empty where there is none.';
CREATE TABLE IF NOT EXISTS templedb.object (
    name       text PRIMARY KEY,
    digest     text NOT NULL,
    definition text NOT NULL
);
COMMENT ON TABLE templedb.object IS 'The objects of this database as runs left them; what differs was changed by somebody else.';
UPDATE templedb.meta SET v = '3' WHERE k = 'format' AND v IN ('1', '2');
