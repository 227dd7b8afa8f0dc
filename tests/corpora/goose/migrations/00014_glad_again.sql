-- +goose NO TRANSACTION
-- +goose Up
ALTER TYPE mood ADD VALUE 'gladder';
INSERT INTO moods VALUES (2, 'gladder');

-- +goose Down
DELETE FROM moods WHERE id = 2;
