-- migrate:up transaction:false
ALTER TYPE mood ADD VALUE 'gladder';
INSERT INTO moods VALUES (2, 'gladder');

-- migrate:down
DELETE FROM moods WHERE id = 2;
