-- For the role that deploys, where it is not the owner of the ledger. Put its name in place of :role.
-- It may do what runs need, and cannot undo what is recorded: events, approvals, the policy.
-- Run it again after an upgrade of templedb: doing it twice changes nothing.

GRANT USAGE ON SCHEMA templedb TO :role;
REVOKE ALL ON ALL TABLES IN SCHEMA templedb FROM :role;
GRANT SELECT ON ALL TABLES IN SCHEMA templedb TO :role;
GRANT INSERT ON templedb.event TO :role;
GRANT INSERT, UPDATE ON templedb.migration, templedb.run, templedb.command, templedb.approval, templedb.slot TO :role;
GRANT INSERT, UPDATE, DELETE ON templedb.lock, templedb.object TO :role;
GRANT INSERT, UPDATE (v), DELETE ON templedb.meta TO :role;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA templedb TO :role;

ALTER TABLE templedb.meta ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS look ON templedb.meta;
DROP POLICY IF EXISTS add ON templedb.meta;
DROP POLICY IF EXISTS change ON templedb.meta;
DROP POLICY IF EXISTS remove ON templedb.meta;
DROP FUNCTION IF EXISTS templedb.no_weaker(text, text);

CREATE OR REPLACE FUNCTION templedb.no_weaker(key text, part text, next text) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(bool_and(n = o OR coalesce(
        (n ->> 'protected')::boolean >= (o ->> 'protected')::boolean
        AND (n ->> 'self_approval')::boolean <= (o ->> 'self_approval')::boolean
        AND (n ->> 'approvals')::integer >= (o ->> 'approvals')::integer
        AND coalesce((n ->> 'signed')::boolean, false) >= coalesce((o ->> 'signed')::boolean, false)
        AND coalesce((n ->> 'pre_approve_rollback')::boolean, false)
            <= coalesce((o ->> 'pre_approve_rollback')::boolean, false)
        AND (o ->> 'approval_expires_s' = '0' OR (n ->> 'approval_expires_s')::integer
             BETWEEN 1 AND (o ->> 'approval_expires_s')::integer)
        AND (o -> 'approvers' = '[]' OR (n -> 'approvers' <> '[]'
             AND lower(n ->> 'approvers')::pg_catalog.jsonb <@ (lower(o ->> 'approvers')::pg_catalog.jsonb || '["(nobody)"]')))
        AND (coalesce(o -> 'signers', '[]') = '[]' OR (coalesce(n -> 'signers', '[]') <> '[]'
             AND n -> 'signers' <@ ((o -> 'signers') || '["(nobody)"]')))
        AND array_position(ARRAY['non-linear', 'linear-skip', 'linear'], n ->> 'order_policy')
            >= array_position(ARRAY['non-linear', 'linear-skip', 'linear'], o ->> 'order_policy')
        AND array_position(ARRAY['off', 'warn', 'block'], coalesce(n ->> 'lint', 'warn'))
            >= array_position(ARRAY['off', 'warn', 'block'], coalesce(o ->> 'lint', 'warn'))
        AND array_position(ARRAY['off', 'warn', 'block'], coalesce(n ->> 'drift', 'warn'))
            >= array_position(ARRAY['off', 'warn', 'block'], coalesce(o ->> 'drift', 'warn')),
        false)), true)
    FROM (SELECT v::pg_catalog.jsonb AS o, next::pg_catalog.jsonb AS n FROM templedb.meta WHERE k = key AND scope = part) AS rows
$$;
COMMENT ON FUNCTION templedb.no_weaker IS 'Whether the policy that a row of meta is to have demands all that it demands now.';

CREATE POLICY look ON templedb.meta FOR SELECT USING (true);
CREATE POLICY add ON templedb.meta FOR INSERT WITH CHECK (k NOT LIKE 'exempt/%' AND k NOT LIKE 'windows/%');
CREATE POLICY change ON templedb.meta FOR UPDATE
    USING (k <> 'format' AND k NOT LIKE 'exempt/%' AND k NOT LIKE 'windows/%')
    WITH CHECK (k NOT LIKE 'policy/%' OR templedb.no_weaker(k, scope, v));
CREATE POLICY remove ON templedb.meta FOR DELETE USING (k LIKE 'freeze/%' OR k LIKE 'shadow/%');

ALTER TABLE templedb.approval ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS look ON templedb.approval;
DROP POLICY IF EXISTS add ON templedb.approval;
DROP POLICY IF EXISTS use_up ON templedb.approval;
CREATE POLICY look ON templedb.approval FOR SELECT USING (true);
CREATE POLICY add ON templedb.approval FOR INSERT WITH CHECK (true);
CREATE POLICY use_up ON templedb.approval FOR UPDATE
    USING (used_by = '' AND verdict = 'approved') WITH CHECK (used_by <> '' AND verdict = 'approved');
