-- depends: 0010.crlf
CREATE TABLE marked_by_a_bom (name text DEFAULT 'žluťoučký');
