ALTER TYPE mood ADD VALUE 'gladder';
INSERT INTO moods VALUES (2, 'gladder');
