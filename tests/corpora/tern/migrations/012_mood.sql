BEGIN;
CREATE TYPE mood AS ENUM ('calm');
COMMIT;
ALTER TYPE mood ADD VALUE 'glad';
BEGIN;
CREATE TABLE moods (id int, m mood DEFAULT 'glad');
COMMIT;

---- create above / drop below ----
DROP TABLE moods;
DROP TYPE mood;
