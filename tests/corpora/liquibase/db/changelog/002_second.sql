--liquibase formatted sql

--changeset rosa:leaks labels:main context:all
CREATE SCHEMA app;
SET search_path = app;
SET TIME ZONE 'Pacific/Auckland';
SET statement_timeout = '1h';
CREATE TEMP TABLE users_copy (id int);
CREATE TABLE in_app (id int, at timestamptz DEFAULT '2026-01-01 00:00');

--rollback DROP SCHEMA app CASCADE;

--changeset rosa:after_leaks splitStatements:true
CREATE TABLE in_public (id int, at timestamptz DEFAULT '2026-01-01 00:00');
CREATE TEMP TABLE users_copy (id int);

/* liquibase rollback
DROP TABLE in_public;
*/

--changeset rosa:copy splitStatements:true
CREATE TABLE places (id int, name text);
COPY places (id, name) FROM stdin;
1	Lisboa; -- not a comment
2	100 %
3	\N
\.
INSERT INTO places VALUES (4, 'after the copy');

--rollback DROP TABLE places;

--changeset rosa:dollars splitStatements:true
CREATE FUNCTION twice(n int) RETURNS int LANGUAGE plpgsql AS $body$
BEGIN
    -- BEGIN; COMMIT; are words here
    PERFORM $$ ; $$;
    RETURN n * 2;
END;
$body$;
CREATE FUNCTION atomic(n int) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT n; SELECT n + 1; END;
DO $$ BEGIN INSERT INTO users (id) VALUES (twice(5)); END $$;

/* liquibase rollback
DROP FUNCTION twice(int);
DROP FUNCTION atomic(int);
DELETE FROM users WHERE id = 10;
*/

--changeset rosa:only_comments splitStatements:true
-- nothing happens here;
/* nor /* here */ ; */

