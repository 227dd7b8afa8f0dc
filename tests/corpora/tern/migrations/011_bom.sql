CREATE TABLE marked_by_a_bom (name text DEFAULT 'žluťoučký');

---- create above / drop below ----
DROP TABLE marked_by_a_bom;
