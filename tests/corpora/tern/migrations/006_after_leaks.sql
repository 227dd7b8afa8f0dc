CREATE TABLE in_public (id int, at timestamptz DEFAULT '2026-01-01 00:00');
CREATE TEMP TABLE users_copy (id int);

---- create above / drop below ----
DROP TABLE in_public;
