--! Previous: sha1:d9ebbb6f6159d4ca493a758069d19b52c99aa7a9
--! Hash: sha1:9660166c74e83a1f123425319ec05dd3d742e6f6
--! Message: leaks

CREATE SCHEMA app;
SET search_path = app;
SET TIME ZONE 'Pacific/Auckland';
SET statement_timeout = '1h';
CREATE TEMP TABLE users_copy (id int);
CREATE TABLE in_app (id int, at timestamptz DEFAULT '2026-01-01 00:00');
