-- Fleets: targets under one name, plans for all of them, and how far each target has come.

CREATE TABLE fleets (
    project VARCHAR NOT NULL,
    name    VARCHAR NOT NULL,
    body    JSON NOT NULL,
    PRIMARY KEY (project, name)
);
COMMENT ON TABLE fleets IS 'Fleets by name: a selector, and the rules of their rollouts.';

CREATE TABLE fleet_plans (
    id      VARCHAR PRIMARY KEY,
    project VARCHAR NOT NULL,
    fleet   VARCHAR NOT NULL,
    body    JSON NOT NULL,
    made_at TIMESTAMP NOT NULL,
    made_by VARCHAR NOT NULL
);
COMMENT ON TABLE fleet_plans IS 'What each target of a fleet needs, and in which waves they get it; project is the slug, fleet is empty where only a selector was given.';

CREATE TABLE rollouts (
    id         VARCHAR PRIMARY KEY,
    plan       VARCHAR NOT NULL,
    project    VARCHAR NOT NULL,
    fleet      VARCHAR NOT NULL,
    started_at TIMESTAMP NOT NULL,
    started_by VARCHAR NOT NULL,
    host       VARCHAR NOT NULL,
    pid        INTEGER NOT NULL,
    parallel   INTEGER NOT NULL,
    only_for   JSON NOT NULL
);
COMMENT ON TABLE rollouts IS 'Every process that carried out a plan of a fleet; only_for names its targets, and is empty for all.';

CREATE TABLE rollout_ends (
    id       VARCHAR PRIMARY KEY,
    state    VARCHAR NOT NULL,
    why      VARCHAR NOT NULL,
    ended_at TIMESTAMP NOT NULL
);
COMMENT ON TABLE rollout_ends IS 'How a rollout ended; one whose process was killed has no row.';

CREATE TABLE rollout_results (
    rollout  VARCHAR NOT NULL,
    plan     VARCHAR NOT NULL,
    target   VARCHAR NOT NULL,
    state    VARCHAR NOT NULL,
    run      VARCHAR NOT NULL,
    body     JSON NOT NULL,
    ended_at TIMESTAMP NOT NULL
);
COMMENT ON TABLE rollout_results IS 'How far each target came, each time that it was tried; the newest row of a target counts.';

CREATE TABLE rollout_wishes (
    rollout   VARCHAR NOT NULL,
    wish      VARCHAR NOT NULL,
    parallel  INTEGER NOT NULL,
    wished_by VARCHAR NOT NULL,
    wished_at TIMESTAMP NOT NULL
);
COMMENT ON TABLE rollout_wishes IS 'What people wanted of rollouts that went on: pause, cancel, speed.';

CREATE VIEW history.rollouts AS
SELECT r.id AS rollout, r.plan, r.project, r.fleet, e.state, e.why,
       timezone('UTC', r.started_at) AS started_at, timezone('UTC', e.ended_at) AS finished_at,
       e.ended_at - r.started_at AS took, r.started_by, r.host, r.pid, r.parallel
FROM main.rollouts r LEFT JOIN main.rollout_ends e USING (id);

CREATE VIEW history.rollout_results AS
SELECT x.rollout, x.plan, r.project, r.fleet, x.target, x.state, x.run,
       CAST(x.body->>'$.exit_code' AS INTEGER) AS exit_code, x.body->>'$.message' AS message,
       x.body->>'$.file' AS file, CAST(x.body->>'$.line' AS INTEGER) AS line,
       timezone('UTC', x.ended_at) AS finished_at
FROM main.rollout_results x JOIN main.rollouts r ON r.id = x.rollout;
