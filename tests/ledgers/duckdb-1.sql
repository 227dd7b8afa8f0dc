-- The ledger of templedb in a DuckDB file, format 1: the columns of the one in PostgreSQL. Every
-- TIMESTAMP is UTC.

CREATE SCHEMA templedb;

CREATE TABLE templedb.meta (k VARCHAR PRIMARY KEY, v VARCHAR NOT NULL);
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
    PRIMARY KEY (project, key)
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
    detail      JSON NOT NULL
);
COMMENT ON TABLE templedb.event IS 'What people said of migrations, runs and policy, in order; never updated.';

CREATE TABLE templedb.run (
    id           VARCHAR PRIMARY KEY,
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
    finished_at  TIMESTAMP
);
COMMENT ON TABLE templedb.run IS 'Every run that held this database''s lock.';

CREATE TABLE templedb.command (
    attempt_id  VARCHAR PRIMARY KEY,
    run         VARCHAR NOT NULL,
    project     VARCHAR NOT NULL,
    step        VARCHAR NOT NULL,
    state       VARCHAR NOT NULL,
    exit_status INTEGER,
    started_at  TIMESTAMP NOT NULL,
    finished_at TIMESTAMP
);
COMMENT ON TABLE templedb.command IS 'Every command that may have changed the target: a row before it starts, an update after it ended.';

CREATE TABLE templedb.approval (
    id           VARCHAR PRIMARY KEY,
    plan         VARCHAR NOT NULL,
    content_hash VARCHAR NOT NULL,
    project      VARCHAR NOT NULL,
    target       VARCHAR NOT NULL,
    given_by     VARCHAR NOT NULL,
    given_at     TIMESTAMP NOT NULL,
    reason       VARCHAR NOT NULL,
    through      VARCHAR NOT NULL,
    used_by      VARCHAR NOT NULL DEFAULT '',
    verdict      VARCHAR NOT NULL DEFAULT 'approved'
);
COMMENT ON TABLE templedb.approval IS 'Who said that which content may run, or may not; used_by is the run that succeeded under it.';

CREATE TABLE templedb.lock (
    project     VARCHAR PRIMARY KEY,
    run         VARCHAR NOT NULL,
    owner       VARCHAR NOT NULL,
    host        VARCHAR NOT NULL,
    pid         BIGINT NOT NULL,
    reason      VARCHAR NOT NULL,
    since       TIMESTAMP NOT NULL
);
COMMENT ON TABLE templedb.lock IS 'Who holds the lock file beside the database; the lock file is what excludes, the row is what tells.';

INSERT INTO templedb.meta (k, v) VALUES ('format', '1'), ('target_uuid', CAST(uuid() AS VARCHAR));
