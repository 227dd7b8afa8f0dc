--! Previous: sha1:88d0b51dd73b3cf1be50ec09629369bd30e14ab6
--! Hash: sha1:d9ebbb6f6159d4ca493a758069d19b52c99aa7a9
--! Message: index

--! no-transaction
CREATE TABLE indexed (id int, name text);
INSERT INTO indexed SELECT g, 'n' || g FROM generate_series(1, 50) g;
CREATE INDEX CONCURRENTLY indexed_name ON indexed (name);
CREATE VIEW indexed_names AS SELECT name FROM indexed;
