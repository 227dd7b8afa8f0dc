--liquibase formatted sql

--changeset rosa:users labels:main context:all
CREATE TABLE users (
    id   int PRIMARY KEY,
    name text NOT NULL DEFAULT '100 % cotton; and more',
    note text -- a semicolon; in a comment
);
INSERT INTO users (id, name) VALUES (1, 'rosa'), (2, 'it''s %s and %(x)s');

--rollback DROP TABLE users;

--changeset rosa:own_pair splitStatements:true
BEGIN;
CREATE TABLE paired (id int);
INSERT INTO paired SELECT g FROM generate_series(1, 3) g;
COMMIT;

/* liquibase rollback
DROP TABLE paired;
*/

--changeset rosa:stray_pairs splitStatements:true
START TRANSACTION;
CREATE TABLE first_half (id int);
COMMIT;
CREATE TABLE between_them (id int);
BEGIN WORK;
CREATE TABLE second_half (id int);
END;

--rollback DROP TABLE first_half, between_them, second_half;

--changeset rosa:index splitStatements:true
CREATE TABLE indexed (id int, name text);
INSERT INTO indexed SELECT g, 'n' || g FROM generate_series(1, 50) g;
CREATE INDEX CONCURRENTLY indexed_name ON indexed (name);
CREATE VIEW indexed_names AS SELECT name FROM indexed;

/* liquibase rollback
DROP VIEW indexed_names; DROP TABLE indexed;
*/
