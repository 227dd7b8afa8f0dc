-- Slots of targets that have no database: their record stands nowhere else.

CREATE TABLE slots (
    project    VARCHAR NOT NULL,
    target     VARCHAR NOT NULL,
    name       VARCHAR NOT NULL,
    slot       VARCHAR NOT NULL,
    state      VARCHAR NOT NULL,
    run        VARCHAR NOT NULL,
    since      TIMESTAMP,
    keep_until TIMESTAMP,
    detail     VARCHAR NOT NULL,
    PRIMARY KEY (project, target, name, slot)
);
COMMENT ON TABLE slots IS 'Slots of targets without a database: what templedb last knew of each; the router is the truth.';
