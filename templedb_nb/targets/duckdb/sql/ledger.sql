-- The ledger of templedb in a DuckDB file, format 4: the columns of the one in PostgreSQL. Every
-- TIMESTAMP is UTC.

CREATE SCHEMA templedb;

CREATE TABLE templedb.meta (
    k     VARCHAR NOT NULL,
    v     VARCHAR NOT NULL,
    scope VARCHAR NOT NULL DEFAULT '',
    PRIMARY KEY (k, scope)
);
COMMENT ON TABLE templedb.meta IS 'Facts of the ledger itself: its format, the identity of this database, the policy of each project.';

CREATE SEQUENCE templedb.migration_seq;

CREATE TABLE templedb.migration (
    project        VARCHAR NOT NULL,
    key            VARCHAR NOT NULL,
    kind           VARCHAR NOT NULL,
    file           VARCHAR NOT NULL,
    layout         VARCHAR NOT NULL DEFAULT 'plain',
    checksum       VARCHAR NOT NULL,
    checksum_alg   VARCHAR NOT NULL,
    token_checksum VARCHAR NOT NULL,
    token_alg      VARCHAR NOT NULL,
    sql            VARCHAR NOT NULL,
    state          VARCHAR NOT NULL,
    mode           VARCHAR NOT NULL,
    steps          INTEGER NOT NULL,
    step_done      INTEGER NOT NULL,
    step_started   INTEGER NOT NULL,
    attempt_id     VARCHAR NOT NULL,
    run            VARCHAR NOT NULL,
    plan           VARCHAR NOT NULL,
    xid            VARCHAR NOT NULL,
    applied_by     VARCHAR NOT NULL,
    client         VARCHAR NOT NULL,
    version        VARCHAR NOT NULL,
    started_at     TIMESTAMP NOT NULL,
    finished_at    TIMESTAMP,
    run_seq        BIGINT NOT NULL DEFAULT nextval('templedb.migration_seq'),
    error          VARCHAR NOT NULL DEFAULT '',
    scope          VARCHAR NOT NULL DEFAULT '',
    PRIMARY KEY (project, scope, key)
);
COMMENT ON TABLE templedb.migration IS 'Every migration that this database knows; its row commits in the migration''s own transaction.';

CREATE SEQUENCE templedb.event_seq;
CREATE TABLE templedb.event (
    id          BIGINT PRIMARY KEY DEFAULT nextval('templedb.event_seq'),
    happened_at TIMESTAMP NOT NULL,
    project     VARCHAR NOT NULL,
    key         VARCHAR NOT NULL DEFAULT '',
    attempt_id  VARCHAR NOT NULL DEFAULT '',
    what        VARCHAR NOT NULL,
    detail      JSON NOT NULL,
    scope       VARCHAR NOT NULL DEFAULT ''
);
COMMENT ON TABLE templedb.event IS 'What people said of migrations, runs and policy, in order; never updated.';

CREATE TABLE templedb.run (
    id           VARCHAR NOT NULL,
    project      VARCHAR NOT NULL,
    target       VARCHAR NOT NULL,
    plan         VARCHAR NOT NULL,
    content_hash VARCHAR NOT NULL,
    state        VARCHAR NOT NULL,
    exit_code    INTEGER,
    message      VARCHAR NOT NULL DEFAULT '',
    client       VARCHAR NOT NULL,
    version      VARCHAR NOT NULL,
    started_at   TIMESTAMP NOT NULL,
    finished_at  TIMESTAMP,
    scope        VARCHAR NOT NULL DEFAULT '',
    kind         VARCHAR NOT NULL DEFAULT '',
    parent_run   VARCHAR NOT NULL DEFAULT '',
    tree         VARCHAR NOT NULL DEFAULT '',
    config_hash  VARCHAR NOT NULL DEFAULT '',
    manifest     VARCHAR,
    health       VARCHAR NOT NULL DEFAULT '',
    PRIMARY KEY (id, scope)
);
COMMENT ON TABLE templedb.run IS 'Every run that held this database''s lock.';

CREATE TABLE templedb.command (
    attempt_id  VARCHAR NOT NULL,
    run         VARCHAR NOT NULL,
    project     VARCHAR NOT NULL,
    step        VARCHAR NOT NULL,
    state       VARCHAR NOT NULL,
    exit_status INTEGER,
    started_at  TIMESTAMP NOT NULL,
    finished_at TIMESTAMP,
    scope       VARCHAR NOT NULL DEFAULT '',
    PRIMARY KEY (attempt_id, scope)
);
COMMENT ON TABLE templedb.command IS 'Every command that may have changed the target: a row before it starts, an update after it ended.';

CREATE TABLE templedb.approval (
    id           VARCHAR NOT NULL,
    plan         VARCHAR NOT NULL,
    content_hash VARCHAR NOT NULL,
    project      VARCHAR NOT NULL,
    target       VARCHAR NOT NULL,
    given_by     VARCHAR NOT NULL,
    given_at     TIMESTAMP NOT NULL,
    reason       VARCHAR NOT NULL,
    through      VARCHAR NOT NULL,
    used_by      VARCHAR NOT NULL DEFAULT '',
    verdict      VARCHAR NOT NULL DEFAULT 'approved',
    signature    VARCHAR DEFAULT '',
    scope        VARCHAR NOT NULL DEFAULT '',
    proof        VARCHAR NOT NULL DEFAULT '',
    PRIMARY KEY (id, scope)
);
COMMENT ON TABLE templedb.approval IS 'Who said that which content may run, or may not; used_by is the run that succeeded under it.';

CREATE TABLE templedb.lock (
    project     VARCHAR NOT NULL,
    run         VARCHAR NOT NULL,
    owner       VARCHAR NOT NULL,
    host        VARCHAR NOT NULL,
    pid         BIGINT NOT NULL,
    reason      VARCHAR NOT NULL,
    since       TIMESTAMP NOT NULL,
    scope       VARCHAR NOT NULL DEFAULT '',
    until       TIMESTAMP,
    PRIMARY KEY (project, scope)
);
COMMENT ON TABLE templedb.lock IS 'Who holds the lock file beside the database; the lock file is what excludes, the row is what tells.';

CREATE TABLE templedb.slot (
    project    VARCHAR NOT NULL,
    name       VARCHAR NOT NULL,
    slot       VARCHAR NOT NULL,
    state      VARCHAR NOT NULL,
    run        VARCHAR NOT NULL,
    since      TIMESTAMP NOT NULL,
    keep_until TIMESTAMP,
    detail     JSON NOT NULL DEFAULT '{}',
    scope      VARCHAR NOT NULL DEFAULT '',
    PRIMARY KEY (project, scope, name, slot)
);
COMMENT ON TABLE templedb.slot IS 'The slots of a group between which traffic is switched: what templedb last knew; the router is the truth.';

INSERT INTO templedb.meta (k, v) VALUES ('format', '4'), ('target_uuid', CAST(uuid() AS VARCHAR));
