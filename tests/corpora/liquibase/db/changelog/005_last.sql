--liquibase formatted sql

--changeset rosa:mood labels:main context:all
BEGIN;
CREATE TYPE mood AS ENUM ('calm');
COMMIT;
ALTER TYPE mood ADD VALUE 'glad';
BEGIN;
CREATE TABLE moods (id int, m mood DEFAULT 'glad');
COMMIT;

--rollback DROP TABLE moods;
--rollback DROP TYPE mood;

--changeset rosa:no_last_newline splitStatements:true
CREATE TABLE unended (id int); INSERT INTO unended VALUES (7)
-- and a comment as the last line
/* liquibase rollback
DROP TABLE unended;
*/

--changeset rosa:glad_again runInTransaction:false splitStatements:true
ALTER TYPE mood ADD VALUE 'gladder';
INSERT INTO moods VALUES (2, 'gladder');

--rollback DELETE FROM moods WHERE id = 2;

--changeset rosa:later_number splitStatements:true
CREATE TABLE later_number (id int);
