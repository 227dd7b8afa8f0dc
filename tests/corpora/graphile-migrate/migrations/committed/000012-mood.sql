--! Previous: sha1:9108069889770730fe297fda8eede2b99b57fbbc
--! Hash: sha1:307257063d4e8c2120bfdf0129881ee77452fe0e
--! Message: mood

BEGIN;
CREATE TYPE mood AS ENUM ('calm');
COMMIT;
ALTER TYPE mood ADD VALUE 'glad';
BEGIN;
CREATE TABLE moods (id int, m mood DEFAULT 'glad');
COMMIT;
