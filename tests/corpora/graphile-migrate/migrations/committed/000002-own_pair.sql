--! Previous: sha1:895571a3d4f6427b6b65eb9c2a2b4698cd5ac775
--! Hash: sha1:6259a715ee9e9e3d9c233906869cc6f9582ad524
--! Message: own_pair

BEGIN;
CREATE TABLE paired (id int);
INSERT INTO paired SELECT g FROM generate_series(1, 3) g;
COMMIT;
