CREATE SCHEMA app;
SET search_path = app;
SET TIME ZONE 'Pacific/Auckland';
SET statement_timeout = '1h';
CREATE TEMP TABLE users_copy (id int);
CREATE TABLE in_app (id int, at timestamptz DEFAULT '2026-01-01 00:00');

---- create above / drop below ----
DROP SCHEMA app CASCADE;
