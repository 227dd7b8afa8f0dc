CREATE TABLE ledger_heads (
    project       VARCHAR NOT NULL,
    target        VARCHAR NOT NULL,
    database_name VARCHAR NOT NULL,
    uuid          VARCHAR NOT NULL,
    head          VARCHAR NOT NULL,
    applied       INTEGER NOT NULL,
    run_seq       BIGINT NOT NULL,
    read_at       TIMESTAMP NOT NULL,
    PRIMARY KEY (project, target, database_name)
);
COMMENT ON TABLE ledger_heads IS 'Which ledger a target had when it was last read, and how far that had come; so that a restored or exchanged database is found out.';

CREATE TABLE rebinds (
    project VARCHAR NOT NULL,
    target  VARCHAR NOT NULL,
    at_time TIMESTAMP NOT NULL
);
COMMENT ON TABLE rebinds IS 'When people said that a target has another database now; what ran before ran elsewhere.';
