-- Brings a ledger of format 1, 2 or 3 to format 4: one statement, so all of it or nothing. Doing it
-- twice changes nothing. 1 to 2: approvals keep their signatures. 2 to 3: the ledger knows the objects
-- that runs left. 3 to 4: every row has a scope, runs say what they are, and there is a place for slots.

DO $upgrade$
DECLARE holder text; made regclass; given record;
BEGIN
    -- The lock under which the ledger is made: the letters of its schema, as a number.
    PERFORM pg_catalog.pg_advisory_xact_lock(8387230210669765730);

    -- A run of an earlier templedb would take this for damage.
    LOCK TABLE templedb.lock IN ACCESS EXCLUSIVE MODE;
    SELECT concat(l.owner, ' (pid ', l.pid, ' on ', l.host, '), run ', left(l.run, 13), ': ', l.reason)
    INTO holder
    FROM templedb.lock l
    JOIN pg_catalog.pg_locks k ON k.pid = l.backend_pid AND k.locktype = 'advisory' AND k.granted
    WHERE l.backend_pid <> pg_catalog.pg_backend_pid()
      AND k.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
    LIMIT 1;
    IF holder IS NOT NULL THEN
        RAISE EXCEPTION 'the ledger is in use by %', holder USING ERRCODE = 'object_in_use',
            HINT = 'run this again after that run has ended';
    END IF;

    ALTER TABLE templedb.approval ADD COLUMN IF NOT EXISTS signature text NOT NULL DEFAULT '';
    COMMENT ON COLUMN templedb.approval.signature IS 'An SSH signature of the approval, as ssh-keygen -Y sign writes it; empty where there is none.';

    CREATE TABLE IF NOT EXISTS templedb.object (
        name       text PRIMARY KEY,
        digest     text NOT NULL,
        definition text NOT NULL
    );
    COMMENT ON TABLE templedb.object IS 'The objects of this database as runs left them; what differs was changed by somebody else.';
    COMMENT ON COLUMN templedb.object.name IS 'The kind and the name of the object.';
    COMMENT ON COLUMN templedb.object.digest IS 'SHA-256 of its definition.';
    COMMENT ON COLUMN templedb.object.definition IS 'What it is made of, up to 65,536 characters.';

    ALTER TABLE templedb.meta ADD COLUMN IF NOT EXISTS scope text NOT NULL DEFAULT '';
    ALTER TABLE templedb.meta
        DROP CONSTRAINT IF EXISTS meta_pkey,
        ADD CONSTRAINT meta_pkey PRIMARY KEY (k, scope);
    COMMENT ON COLUMN templedb.meta.k IS 'format, target_uuid, system (the server and the database that it was made in), policy/<project>, freeze/<project>, windows/<project> (when it may run), exempt/<project> (whose policies it need not obey), objects (up to what templedb.object knows).';
    COMMENT ON COLUMN templedb.meta.scope IS 'The part of the database that a policy, a freeze or windows are for; empty for all of it.';

    ALTER TABLE templedb.migration ADD COLUMN IF NOT EXISTS scope text NOT NULL DEFAULT '';
    ALTER TABLE templedb.migration
        DROP CONSTRAINT IF EXISTS migration_pkey,
        ADD CONSTRAINT migration_pkey PRIMARY KEY (project, scope, key);
    COMMENT ON COLUMN templedb.migration.kind IS 'run: templedb ran it; repeatable: and runs it again when it changes; marked: a person said that it is in effect; imported: another tools table did; inherited: it came with a copy of the database.';
    COMMENT ON COLUMN templedb.migration.error IS 'What the server said when it failed; of an imported one, how far it is believed.';
    COMMENT ON COLUMN templedb.migration.scope IS 'The part of the database that it was applied to, such as the schema of a tenant; empty for all of it.';

    ALTER TABLE templedb.event ADD COLUMN IF NOT EXISTS scope text NOT NULL DEFAULT '';
    COMMENT ON COLUMN templedb.event.what IS 'mark-applied, mark-reverted, reverted, revert-failed, accept-checksum, rename, resolve, import, policy, exempt, no-exempt, freeze, thaw, steal, rebind, accept-drift, rebase-drift, restore-ledger, switch.intent, switch.done, switch.failed, switch.settled, slot.retired; begun and applied are left by runs.';
    COMMENT ON TABLE templedb.event IS 'What people said of migrations, runs and policy, and which attempts took effect, in order; never updated.';
    COMMENT ON COLUMN templedb.event.scope IS 'The part of the database that it is about; empty for all of it.';

    ALTER TABLE templedb.run
        ADD COLUMN IF NOT EXISTS scope text NOT NULL DEFAULT '',
        ADD COLUMN IF NOT EXISTS kind text NOT NULL DEFAULT '',
        ADD COLUMN IF NOT EXISTS parent_run text NOT NULL DEFAULT '',
        ADD COLUMN IF NOT EXISTS tree text NOT NULL DEFAULT '',
        ADD COLUMN IF NOT EXISTS config_hash text NOT NULL DEFAULT '',
        ADD COLUMN IF NOT EXISTS manifest text,
        ADD COLUMN IF NOT EXISTS health text NOT NULL DEFAULT '';
    ALTER TABLE templedb.run
        DROP CONSTRAINT IF EXISTS run_pkey,
        ADD CONSTRAINT run_pkey PRIMARY KEY (id, scope);
    DROP INDEX IF EXISTS templedb.run_by_project;
    CREATE INDEX run_by_project ON templedb.run (project, scope, id);
    COMMENT ON COLUMN templedb.run.scope IS 'The part of the database that it worked on; empty for all of it.';
    COMMENT ON COLUMN templedb.run.kind IS 'deploy, down, amend (a person changed the ledger), import, rollback, promote, switch or retire; empty if an earlier templedb wrote the row and its kind is not known.';
    COMMENT ON COLUMN templedb.run.parent_run IS 'Of a rollback, the run that it undoes; of a promotion, the run whose release it deploys; else empty.';
    COMMENT ON COLUMN templedb.run.tree IS 'SHA-256 of the tree of the release: which files it deployed.';
    COMMENT ON COLUMN templedb.run.config_hash IS 'SHA-256 of the deployment config that its plan was made from.';
    COMMENT ON COLUMN templedb.run.manifest IS 'The SHA-256 of the record of the artifacts that the run kept or placed; NULL where there are none.';
    COMMENT ON COLUMN templedb.run.health IS 'What its health checks found; empty where none was measured.';

    ALTER TABLE templedb.command ADD COLUMN IF NOT EXISTS scope text NOT NULL DEFAULT '';
    ALTER TABLE templedb.command
        DROP CONSTRAINT IF EXISTS command_pkey,
        ADD CONSTRAINT command_pkey PRIMARY KEY (attempt_id, scope);
    DROP INDEX IF EXISTS templedb.command_open;
    CREATE INDEX command_open ON templedb.command (project, scope) WHERE state IN ('running', 'unknown');
    COMMENT ON COLUMN templedb.command.scope IS 'The part of the database that its run worked on; empty for all of it.';

    ALTER TABLE templedb.approval
        ADD COLUMN IF NOT EXISTS scope text NOT NULL DEFAULT '',
        ADD COLUMN IF NOT EXISTS proof text NOT NULL DEFAULT '';
    ALTER TABLE templedb.approval
        DROP CONSTRAINT IF EXISTS approval_pkey,
        ADD CONSTRAINT approval_pkey PRIMARY KEY (id, scope);
    COMMENT ON COLUMN templedb.approval.scope IS 'The part of the database that it is for; empty for all of it.';
    COMMENT ON COLUMN templedb.approval.proof IS 'What ties the content to one approval of many plans, as JSON; empty for an approval of this plan alone.';

    ALTER TABLE templedb.lock
        ADD COLUMN IF NOT EXISTS scope text NOT NULL DEFAULT '',
        ADD COLUMN IF NOT EXISTS until timestamptz;
    ALTER TABLE templedb.lock
        DROP CONSTRAINT IF EXISTS lock_pkey,
        ADD CONSTRAINT lock_pkey PRIMARY KEY (project, scope);
    COMMENT ON COLUMN templedb.lock.scope IS 'The part of the database that is locked; empty for all of it.';
    COMMENT ON COLUMN templedb.lock.until IS 'Until when the holder means to keep it, where it knows; it may end earlier.';

    CREATE TABLE IF NOT EXISTS templedb.slot (
        project    text NOT NULL,
        name       text NOT NULL,
        slot       text NOT NULL,
        state      text NOT NULL,
        run        text NOT NULL,
        since      timestamptz NOT NULL DEFAULT clock_timestamp(),
        keep_until timestamptz,
        detail     jsonb NOT NULL DEFAULT '{}',
        scope      text NOT NULL DEFAULT '',
        PRIMARY KEY (project, scope, name, slot)
    );
    COMMENT ON TABLE templedb.slot IS 'The slots of a group between which traffic is switched: what templedb last knew; the router is the truth.';
    COMMENT ON COLUMN templedb.slot.name IS 'The group whose slots they are.';
    COMMENT ON COLUMN templedb.slot.slot IS 'The slot, such as blue or green.';
    COMMENT ON COLUMN templedb.slot.state IS 'live, switching (a switch to it was begun), warm (the former one, kept), idle or dirty.';
    COMMENT ON COLUMN templedb.slot.run IS 'The run that deployed to it last.';
    COMMENT ON COLUMN templedb.slot.since IS 'Since when it is in this state.';
    COMMENT ON COLUMN templedb.slot.keep_until IS 'Until when no deployment may overwrite it.';
    COMMENT ON COLUMN templedb.slot.detail IS 'What else is known of it.';
    COMMENT ON COLUMN templedb.slot.scope IS 'The part of the database that it serves; empty for all of it.';

    -- The new tables belong to the owner of the ledger, and roles may do with them what they may do with
    -- the table run.
    FOREACH made IN ARRAY ARRAY['templedb.object', 'templedb.slot']::regclass[] LOOP
        FOR given IN
            SELECT o.rolname FROM pg_catalog.pg_class r
            JOIN pg_catalog.pg_class c ON c.oid = made AND c.relowner <> r.relowner
            JOIN pg_catalog.pg_roles o ON o.oid = r.relowner
            WHERE r.oid = 'templedb.run'::regclass
        LOOP
            EXECUTE format('ALTER TABLE %s OWNER TO %I', made, given.rolname);
        END LOOP;
        FOR given IN
            SELECT a.privilege_type, CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(o.rolname) END AS role
            FROM pg_catalog.pg_class r CROSS JOIN LATERAL pg_catalog.aclexplode(r.relacl) a
            LEFT JOIN pg_catalog.pg_roles o ON o.oid = a.grantee
            WHERE r.oid = 'templedb.run'::regclass AND a.grantee <> r.relowner
              AND a.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
        LOOP
            EXECUTE format('GRANT %s ON %s TO %s', given.privilege_type, made, given.role);
        END LOOP;
    END LOOP;

    -- What the runs of an earlier templedb were, as far as migrations and commands tell.
    UPDATE templedb.run r SET kind = told.kind
    FROM (
        SELECT o.id, CASE
            WHEN bool_or(m.kind IN ('run', 'repeatable') AND m.state <> 'reverted')
              OR EXISTS (SELECT FROM templedb.command c WHERE c.run = o.id) THEN 'deploy'
            WHEN bool_or(m.kind = 'imported') THEN 'import'
            WHEN bool_or(m.state = 'reverted' AND EXISTS (SELECT FROM templedb.event e
                 WHERE e.attempt_id = m.attempt_id AND e.what = 'reverted')) THEN 'down'
            WHEN bool_or(m.kind = 'marked' OR m.state = 'reverted') THEN 'amend'
        END AS kind
        FROM templedb.run o LEFT JOIN templedb.migration m ON m.run = o.id
        WHERE o.kind = '' GROUP BY o.id
    ) AS told
    WHERE r.id = told.id AND r.kind = '' AND told.kind IS NOT NULL;

    UPDATE templedb.meta SET v = '4' WHERE k = 'format' AND v IN ('1', '2', '3');
END
$upgrade$;
