CREATE TABLE users (
    id   int PRIMARY KEY,
    name text NOT NULL DEFAULT '100 % cotton; and more',
    note text -- a semicolon; in a comment
);
INSERT INTO users (id, name) VALUES (1, 'rosa'), (2, 'it''s %s and %(x)s');

---- create above / drop below ----
DROP TABLE users;
