-- Who is notified of what. The records themselves (events, plans, approvals, ledgers) are what is to
-- be sent; these tables say how far that has come, and hold no second copy of them.

CREATE TABLE receivers (
    name     VARCHAR PRIMARY KEY,
    kind     VARCHAR NOT NULL,
    secrets  JSON NOT NULL,
    settings JSON NOT NULL,
    filter   JSON NOT NULL,
    since    TIMESTAMP NOT NULL,
    added_by VARCHAR NOT NULL,
    origin   VARCHAR NOT NULL,
    state    VARCHAR NOT NULL,
    why      VARCHAR NOT NULL
);
COMMENT ON TABLE receivers IS 'Who is notified, from since on; secrets are sealed or references; origin is the project whose file names the receiver, empty for one that a person added.';

CREATE TABLE receiver_files (
    project VARCHAR PRIMARY KEY,
    tree    VARCHAR NOT NULL,
    sha256  VARCHAR NOT NULL
);
COMMENT ON TABLE receiver_files IS 'From which files the receivers of projects were read last.';

CREATE TABLE collected (
    record VARCHAR PRIMARY KEY,
    mark   VARCHAR NOT NULL
);
COMMENT ON TABLE collected IS 'Records that were looked at for notifications, and what they said then: the position of the receivers in the records.';

CREATE TABLE observations (
    id      VARCHAR PRIMARY KEY,
    seen_at TIMESTAMP NOT NULL,
    body    JSON NOT NULL
);
COMMENT ON TABLE observations IS 'What was seen of targets that no other table here records: runs of other states that died, stolen locks, drift, files that wait.';

CREATE TABLE deliveries (
    receiver      VARCHAR NOT NULL,
    event         VARCHAR NOT NULL,
    kind          VARCHAR NOT NULL,
    record        VARCHAR NOT NULL,
    stream        VARCHAR NOT NULL,
    place         INTEGER NOT NULL,
    happened_at   TIMESTAMP NOT NULL,
    project       VARCHAR NOT NULL,
    target        VARCHAR NOT NULL,
    what          VARCHAR NOT NULL,
    state         VARCHAR NOT NULL,
    attempts      INTEGER NOT NULL,
    failing_since TIMESTAMP,
    tried_at      TIMESTAMP,
    due_at        TIMESTAMP,
    not_before    TIMESTAMP,
    delivered_at  TIMESTAMP,
    told          VARCHAR NOT NULL,
    answer        VARCHAR NOT NULL,
    reference     VARCHAR NOT NULL,
    link          VARCHAR NOT NULL,
    PRIMARY KEY (receiver, event)
);
COMMENT ON TABLE deliveries IS 'Each notification that a receiver is owed, was given, or will not get (dead).';

CREATE VIEW history.notifications AS
SELECT receiver, event, kind, project, target, what, state, attempts,
       timezone('UTC', happened_at) AS happened_at,
       timezone('UTC', tried_at) AS tried_at,
       timezone('UTC', due_at) AS due_at,
       timezone('UTC', delivered_at) AS delivered_at,
       told
FROM main.deliveries;
