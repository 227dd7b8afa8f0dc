---- tern: disable-tx ----
ALTER TYPE mood ADD VALUE 'gladder';
INSERT INTO moods VALUES (2, 'gladder');

---- create above / drop below ----
DELETE FROM moods WHERE id = 2;
