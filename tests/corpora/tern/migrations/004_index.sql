CREATE TABLE indexed (id int, name text);
INSERT INTO indexed SELECT g, 'n' || g FROM generate_series(1, 50) g;
CREATE INDEX CONCURRENTLY indexed_name ON indexed (name);
CREATE VIEW indexed_names AS SELECT name FROM indexed;

---- create above / drop below ----
DROP VIEW indexed_names; DROP TABLE indexed;
