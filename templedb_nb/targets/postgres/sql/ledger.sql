-- The ledger of templedb, format 4. One transaction creates it; `templedb target ledger-sql` prints
-- it, for a role that may not.

CREATE SCHEMA templedb;
COMMENT ON SCHEMA templedb IS 'What templedb has done to this database. Change it with templedb alone.';

CREATE TABLE templedb.meta (
    k     text NOT NULL,
    v     text NOT NULL,
    scope text NOT NULL DEFAULT '',
    PRIMARY KEY (k, scope)
);
COMMENT ON TABLE templedb.meta IS 'Facts of the ledger itself: its format, the identity of this database, the policy of each project.';
COMMENT ON COLUMN templedb.meta.k IS 'format, target_uuid, system (the server and the database that it was made in), policy/<project>, freeze/<project>, windows/<project> (when it may run), exempt/<project> (whose policies it need not obey), objects (up to what templedb.object knows).';
COMMENT ON COLUMN templedb.meta.v IS 'The fact, as text or JSON.';
COMMENT ON COLUMN templedb.meta.scope IS 'The part of the database that a policy, a freeze or windows are for; empty for all of it.';

CREATE SEQUENCE templedb.migration_seq;
COMMENT ON SEQUENCE templedb.migration_seq IS 'The order in which migrations came into effect.';

CREATE TABLE templedb.migration (
    project        text NOT NULL,
    key            text NOT NULL,
    kind           text NOT NULL,
    file           text NOT NULL,
    layout         text NOT NULL DEFAULT 'plain',
    checksum       text NOT NULL,
    checksum_alg   text NOT NULL,
    token_checksum text NOT NULL,
    token_alg      text NOT NULL,
    sql            text NOT NULL,
    state          text NOT NULL CHECK (state IN ('running', 'applied', 'reverted', 'failed', 'in_doubt')),
    mode           text NOT NULL,
    steps          integer NOT NULL,
    step_done      integer NOT NULL,
    step_started   integer NOT NULL,
    attempt_id     text NOT NULL,
    run            text NOT NULL,
    plan           text NOT NULL,
    xid            text NOT NULL,
    applied_by     text NOT NULL DEFAULT session_user,
    client         text NOT NULL,
    version        text NOT NULL,
    started_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at    timestamptz,
    run_seq        bigint NOT NULL DEFAULT nextval('templedb.migration_seq'),
    error          text NOT NULL DEFAULT '',
    scope          text NOT NULL DEFAULT '',
    PRIMARY KEY (project, scope, key)
);
COMMENT ON TABLE templedb.migration IS 'Every migration that this database knows; its row commits in the migration''s own transaction.';
COMMENT ON COLUMN templedb.migration.project IS 'The project''s name at its first apply; it survives a rename of the slug.';
COMMENT ON COLUMN templedb.migration.key IS 'What identifies the migration within its project; in the plain layout the path from the project''s root.';
COMMENT ON COLUMN templedb.migration.kind IS 'run: templedb ran it; repeatable: and runs it again when it changes; marked: a person said that it is in effect; imported: another tools table did; inherited: it came with a copy of the database.';
COMMENT ON COLUMN templedb.migration.file IS 'The path of its file.';
COMMENT ON COLUMN templedb.migration.layout IS 'The folder convention that gave the key.';
COMMENT ON COLUMN templedb.migration.checksum IS 'Over the text, by checksum_alg.';
COMMENT ON COLUMN templedb.migration.checksum_alg IS 'The name of the algorithm.';
COMMENT ON COLUMN templedb.migration.token_checksum IS 'Over the tokens without comments and white space, by token_alg.';
COMMENT ON COLUMN templedb.migration.token_alg IS 'The name of the algorithm.';
COMMENT ON COLUMN templedb.migration.sql IS 'The text that ran, up to 1 MiB; of a longer one its SHA-256.';
COMMENT ON COLUMN templedb.migration.state IS 'running, applied, reverted, failed (step_done steps of it stand) or in_doubt (a person must look).';
COMMENT ON COLUMN templedb.migration.mode IS 'transaction: it and this row committed together; statements: step by step, counted in step_done.';
COMMENT ON COLUMN templedb.migration.steps IS 'How many steps it has: statements, or blocks between its own BEGIN and COMMIT.';
COMMENT ON COLUMN templedb.migration.step_done IS 'How many of them are proven done.';
COMMENT ON COLUMN templedb.migration.step_started IS 'How many of them were begun: one more than step_done while a step runs that no transaction proves.';
COMMENT ON COLUMN templedb.migration.attempt_id IS 'The attempt (UUIDv7) that last touched the row.';
COMMENT ON COLUMN templedb.migration.run IS 'The run (UUIDv7) of that attempt.';
COMMENT ON COLUMN templedb.migration.plan IS 'The plan of that run.';
COMMENT ON COLUMN templedb.migration.xid IS 'The transaction that brought it into effect, for pg_xact_status.';
COMMENT ON COLUMN templedb.migration.applied_by IS 'The role that was logged in.';
COMMENT ON COLUMN templedb.migration.client IS 'Who ran templedb, and on which host, as the client said.';
COMMENT ON COLUMN templedb.migration.version IS 'The version of templedb.';
COMMENT ON COLUMN templedb.migration.started_at IS 'When the attempt began.';
COMMENT ON COLUMN templedb.migration.finished_at IS 'When the attempt ended.';
COMMENT ON COLUMN templedb.migration.run_seq IS 'The order in which migrations came into effect.';
COMMENT ON COLUMN templedb.migration.error IS 'What the server said when it failed; of an imported one, how far it is believed.';
COMMENT ON COLUMN templedb.migration.scope IS 'The part of the database that it was applied to, such as the schema of a tenant; empty for all of it.';

CREATE TABLE templedb.event (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    happened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    project     text NOT NULL,
    key         text NOT NULL DEFAULT '',
    attempt_id  text NOT NULL DEFAULT '',
    what        text NOT NULL,
    detail      jsonb NOT NULL DEFAULT '{}',
    scope       text NOT NULL DEFAULT ''
);
COMMENT ON TABLE templedb.event IS 'What people said of migrations, runs and policy, and which attempts took effect, in order; never updated.';
COMMENT ON COLUMN templedb.event.what IS 'mark-applied, mark-reverted, reverted, revert-failed, accept-checksum, rename, resolve, import, policy, exempt, no-exempt, freeze, thaw, steal, rebind, accept-drift, rebase-drift, restore-ledger, switch.intent, switch.done, switch.failed, switch.settled, slot.retired; begun and applied are left by runs.';
COMMENT ON COLUMN templedb.event.detail IS 'Who, why, and what was there before.';
COMMENT ON COLUMN templedb.event.scope IS 'The part of the database that it is about; empty for all of it.';

CREATE TABLE templedb.run (
    id           text NOT NULL,
    project      text NOT NULL,
    target       text NOT NULL,
    plan         text NOT NULL,
    content_hash text NOT NULL,
    state        text NOT NULL,
    exit_code    integer,
    message      text NOT NULL DEFAULT '',
    client       text NOT NULL,
    version      text NOT NULL,
    started_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at  timestamptz,
    scope        text NOT NULL DEFAULT '',
    kind         text NOT NULL DEFAULT '',
    parent_run   text NOT NULL DEFAULT '',
    tree         text NOT NULL DEFAULT '',
    config_hash  text NOT NULL DEFAULT '',
    manifest     text,
    health       text NOT NULL DEFAULT '',
    PRIMARY KEY (id, scope)
);
CREATE INDEX run_by_project ON templedb.run (project, scope, id);
COMMENT ON TABLE templedb.run IS 'Every run that held this database''s lock.';
COMMENT ON COLUMN templedb.run.id IS 'UUIDv7: ids sort by the time at which runs began.';
COMMENT ON COLUMN templedb.run.target IS 'What the client calls this target.';
COMMENT ON COLUMN templedb.run.content_hash IS 'What approvals of the run''s plan bind to.';
COMMENT ON COLUMN templedb.run.state IS 'running, succeeded, failed, cancelled, timed_out, unknown.';
COMMENT ON COLUMN templedb.run.scope IS 'The part of the database that it worked on; empty for all of it.';
COMMENT ON COLUMN templedb.run.kind IS 'deploy, down, amend (a person changed the ledger), import, rollback, promote, switch or retire; empty if an earlier templedb wrote the row and its kind is not known.';
COMMENT ON COLUMN templedb.run.parent_run IS 'Of a rollback, the run that it undoes; of a promotion, the run whose release it deploys; else empty.';
COMMENT ON COLUMN templedb.run.tree IS 'SHA-256 of the tree of the release: which files it deployed.';
COMMENT ON COLUMN templedb.run.config_hash IS 'SHA-256 of the deployment config that its plan was made from.';
COMMENT ON COLUMN templedb.run.manifest IS 'The SHA-256 of the record of the artifacts that the run kept or placed; NULL where there are none.';
COMMENT ON COLUMN templedb.run.health IS 'What its health checks found; empty where none was measured.';

CREATE TABLE templedb.command (
    attempt_id  text NOT NULL,
    run         text NOT NULL,
    project     text NOT NULL,
    step        text NOT NULL,
    state       text NOT NULL,
    exit_status integer,
    started_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,
    scope       text NOT NULL DEFAULT '',
    PRIMARY KEY (attempt_id, scope)
);
CREATE INDEX command_open ON templedb.command (project, scope) WHERE state IN ('running', 'unknown');
COMMENT ON TABLE templedb.command IS 'Every command that may have changed the target: a row before it starts, an update after it ended.';
COMMENT ON COLUMN templedb.command.state IS 'running, finished, failed, unknown (nobody saw it end) or resolved (a person looked).';
COMMENT ON COLUMN templedb.command.scope IS 'The part of the database that its run worked on; empty for all of it.';

CREATE TABLE templedb.approval (
    id           text NOT NULL,
    plan         text NOT NULL,
    content_hash text NOT NULL,
    project      text NOT NULL,
    target       text NOT NULL,
    given_by     text NOT NULL,
    given_at     timestamptz NOT NULL,
    reason       text NOT NULL,
    through      text NOT NULL,
    used_by      text NOT NULL DEFAULT '',
    verdict      text NOT NULL DEFAULT 'approved',
    signature    text NOT NULL DEFAULT '',
    scope        text NOT NULL DEFAULT '',
    proof        text NOT NULL DEFAULT '',
    PRIMARY KEY (id, scope)
);
CREATE INDEX approval_of ON templedb.approval (content_hash);
COMMENT ON TABLE templedb.approval IS 'Who said that which content may run, or may not; used_by is the run that succeeded under it.';
COMMENT ON COLUMN templedb.approval.verdict IS 'approved or rejected; of each person the last word counts.';
COMMENT ON COLUMN templedb.approval.signature IS 'An SSH signature of the approval, as ssh-keygen -Y sign writes it; empty where there is none.';
COMMENT ON COLUMN templedb.approval.scope IS 'The part of the database that it is for; empty for all of it.';
COMMENT ON COLUMN templedb.approval.proof IS 'What ties the content to one approval of many plans, as JSON; empty for an approval of this plan alone.';

CREATE TABLE templedb.lock (
    project     text NOT NULL,
    run         text NOT NULL,
    owner       text NOT NULL,
    host        text NOT NULL,
    pid         bigint NOT NULL,
    backend_pid bigint NOT NULL,
    reason      text NOT NULL,
    since       timestamptz NOT NULL DEFAULT clock_timestamp(),
    heartbeat   timestamptz NOT NULL DEFAULT clock_timestamp(),
    cancel      text NOT NULL DEFAULT '',
    scope       text NOT NULL DEFAULT '',
    until       timestamptz,
    PRIMARY KEY (project, scope)
);
COMMENT ON TABLE templedb.lock IS 'Who holds the advisory lock of a project; the advisory lock is what excludes, the row is what tells.';
COMMENT ON COLUMN templedb.lock.heartbeat IS 'When the holder last showed that it lives.';
COMMENT ON COLUMN templedb.lock.cancel IS 'Who wants the holder to stop, and why; empty if nobody does.';
COMMENT ON COLUMN templedb.lock.scope IS 'The part of the database that is locked; empty for all of it.';
COMMENT ON COLUMN templedb.lock.until IS 'Until when the holder means to keep it, where it knows; it may end earlier.';

CREATE TABLE templedb.slot (
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

CREATE TABLE templedb.object (
    name       text PRIMARY KEY,
    digest     text NOT NULL,
    definition text NOT NULL
);
COMMENT ON TABLE templedb.object IS 'The objects of this database as runs left them; what differs was changed by somebody else.';
COMMENT ON COLUMN templedb.object.name IS 'The kind and the name of the object.';
COMMENT ON COLUMN templedb.object.digest IS 'SHA-256 of its definition.';
COMMENT ON COLUMN templedb.object.definition IS 'What it is made of, up to 65,536 characters.';

INSERT INTO templedb.meta (k, v) VALUES ('format', '4'), ('target_uuid', gen_random_uuid()::text);
