-- Every TIMESTAMP here is UTC. Tables bear no foreign keys and change by new tables or new columns
-- alone: DuckDB cannot alter a table that an index or a key depends on.

CREATE TABLE projects (
    slug       VARCHAR PRIMARY KEY,
    known_as   VARCHAR NOT NULL,
    root       VARCHAR,
    created_at TIMESTAMP NOT NULL
);
COMMENT ON TABLE projects IS 'Every project; known_as is its name in the ledgers of its targets.';

CREATE TABLE content_blobs (
    sha256   VARCHAR NOT NULL,
    part     INTEGER NOT NULL,
    size     BIGINT NOT NULL,
    encoding VARCHAR NOT NULL,
    body     BLOB NOT NULL
);
COMMENT ON TABLE content_blobs IS 'File contents by address, in parts of a few MiB; size is that of the part in bytes before its encoding.';

CREATE TABLE releases (
    project VARCHAR NOT NULL,
    number  INTEGER NOT NULL,
    tree    VARCHAR NOT NULL,
    files   BIGINT NOT NULL,
    size    BIGINT NOT NULL,
    made_at TIMESTAMP NOT NULL,
    made_by VARCHAR NOT NULL,
    PRIMARY KEY (project, number)
);
COMMENT ON TABLE releases IS 'Snapshots of a project: tree is the hash over paths, contents and execute bits; size in bytes.';

CREATE TABLE project_files (
    project    VARCHAR NOT NULL,
    path       VARCHAR NOT NULL,
    sha256     VARCHAR NOT NULL,
    size       BIGINT NOT NULL,
    executable BOOLEAN NOT NULL,
    since      INTEGER NOT NULL,
    until      INTEGER
);
COMMENT ON TABLE project_files IS 'Which releases have a file: from number since on, and before number until, if that is set.';

CREATE TABLE file_stats (
    project    VARCHAR NOT NULL,
    path       VARCHAR NOT NULL,
    sha256     VARCHAR NOT NULL,
    size       BIGINT NOT NULL,
    mtime_ns   BIGINT NOT NULL,
    ctime_ns   BIGINT NOT NULL,
    inode      UBIGINT NOT NULL,
    executable BOOLEAN NOT NULL
);
COMMENT ON TABLE file_stats IS 'What each file looked like when it was last read, so that an unchanged one is not read again.';

CREATE TABLE scans (
    project    VARCHAR PRIMARY KEY,
    scanned_ns BIGINT NOT NULL
);
COMMENT ON TABLE scans IS 'When a project was last scanned, in nanoseconds since 1970.';

CREATE TABLE configs (
    project  VARCHAR NOT NULL,
    version  INTEGER NOT NULL,
    document JSON NOT NULL,
    set_at   TIMESTAMP NOT NULL,
    set_by   VARCHAR NOT NULL,
    note     VARCHAR NOT NULL,
    PRIMARY KEY (project, version)
);
COMMENT ON TABLE configs IS 'Every version of a deployment config; never updated.';

CREATE TABLE targets (
    project      VARCHAR NOT NULL,
    name         VARCHAR NOT NULL,
    type         VARCHAR NOT NULL,
    provider     VARCHAR NOT NULL,
    host         VARCHAR NOT NULL,
    region       VARCHAR NOT NULL,
    url          VARCHAR NOT NULL,
    protected    BOOLEAN NOT NULL,
    order_policy VARCHAR,
    PRIMARY KEY (project, name)
);
COMMENT ON TABLE targets IS 'Where a project is deployed.';

CREATE TABLE variables (
    project VARCHAR NOT NULL,
    target  VARCHAR NOT NULL,
    name    VARCHAR NOT NULL,
    keeping VARCHAR NOT NULL,
    text    VARCHAR NOT NULL,
    set_at  TIMESTAMP NOT NULL,
    set_by  VARCHAR NOT NULL,
    PRIMARY KEY (project, target, name)
);
COMMENT ON TABLE variables IS 'Variables of a project (target is empty) or of one target; text is sealed, plain or a reference.';

CREATE TABLE plans (
    id           VARCHAR PRIMARY KEY,
    content_hash VARCHAR NOT NULL,
    project      VARCHAR NOT NULL,
    target       VARCHAR NOT NULL,
    preview      JSON NOT NULL,
    made_at      TIMESTAMP NOT NULL,
    made_by      VARCHAR NOT NULL
);
COMMENT ON TABLE plans IS 'Every plan that was shown, under its content address.';

CREATE TABLE approvals (
    id           VARCHAR PRIMARY KEY,
    plan         VARCHAR NOT NULL,
    content_hash VARCHAR NOT NULL,
    project      VARCHAR NOT NULL,
    target       VARCHAR NOT NULL,
    given_by     VARCHAR NOT NULL,
    given_at     TIMESTAMP NOT NULL,
    reason       VARCHAR NOT NULL,
    through      VARCHAR NOT NULL,
    used_by      VARCHAR NOT NULL
);
COMMENT ON TABLE approvals IS 'Who said that which content may run; used_by is the run that succeeded under it.';

CREATE TABLE runs (
    run         VARCHAR PRIMARY KEY,
    project     VARCHAR NOT NULL,
    target      VARCHAR NOT NULL,
    plan        VARCHAR NOT NULL,
    release     INTEGER NOT NULL,
    started_at  TIMESTAMP NOT NULL,
    finished_at TIMESTAMP,
    elapsed_ms  BIGINT NOT NULL,
    outcome     VARCHAR,
    exit_code   INTEGER,
    steps       INTEGER NOT NULL,
    done        INTEGER NOT NULL,
    applied     INTEGER NOT NULL,
    started_by  VARCHAR NOT NULL,
    message     VARCHAR NOT NULL
);
COMMENT ON TABLE runs IS 'Every run, as the fold over its events; outcome is NULL while it goes on. project is the slug.';

CREATE TABLE events (
    run         VARCHAR NOT NULL,
    seq         INTEGER NOT NULL,
    happened_at TIMESTAMP NOT NULL,
    elapsed_ms  BIGINT NOT NULL,
    kind        VARCHAR NOT NULL,
    body        JSON NOT NULL,
    PRIMARY KEY (run, seq)
);
COMMENT ON TABLE events IS 'Every event of every run, in order; never updated.';

CREATE TABLE resolutions (
    run         VARCHAR NOT NULL,
    resolved_at TIMESTAMP NOT NULL,
    resolved_by VARCHAR NOT NULL,
    reason      VARCHAR NOT NULL
);
COMMENT ON TABLE resolutions IS 'What people said of runs that nobody saw end.';

CREATE TABLE ledger_copies (
    project       VARCHAR NOT NULL,
    target        VARCHAR NOT NULL,
    database_name VARCHAR NOT NULL,
    read_at       TIMESTAMP NOT NULL,
    key           VARCHAR NOT NULL,
    state         VARCHAR NOT NULL,
    body          JSON NOT NULL
);
COMMENT ON TABLE ledger_copies IS 'What the ledgers said when they were last read, for queries alone; the target is right.';
