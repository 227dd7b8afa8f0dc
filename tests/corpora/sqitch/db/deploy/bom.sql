CREATE TABLE marked_by_a_bom (name text DEFAULT 'žluťoučký');
