-- migrate:up
CREATE TABLE marked_by_a_bom (name text DEFAULT 'žluťoučký');

-- migrate:down
DROP TABLE marked_by_a_bom;
