BEGIN;
CREATE TABLE paired (id int);
INSERT INTO paired SELECT g FROM generate_series(1, 3) g;
COMMIT;

---- create above / drop below ----
DROP TABLE paired;
