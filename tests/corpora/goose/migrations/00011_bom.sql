-- +goose Up
CREATE TABLE marked_by_a_bom (name text DEFAULT 'žluťoučký');

-- +goose Down
DROP TABLE marked_by_a_bom;
