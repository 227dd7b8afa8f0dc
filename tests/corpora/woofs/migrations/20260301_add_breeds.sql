BEGIN;

CREATE TABLE breeds (
    id   integer PRIMARY KEY,
    name text NOT NULL UNIQUE
);

COPY breeds (id, name) FROM stdin;
1	Dachshund; long-haired
2	Poodle
3	Pumi 100%
\.

COMMIT;
