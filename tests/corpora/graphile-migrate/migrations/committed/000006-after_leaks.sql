--! Previous: sha1:9660166c74e83a1f123425319ec05dd3d742e6f6
--! Hash: sha1:ebe2a618dde7ad12c12afd546f2980b50820cca1
--! Message: after_leaks

CREATE TABLE in_public (id int, at timestamptz DEFAULT '2026-01-01 00:00');
CREATE TEMP TABLE users_copy (id int);
