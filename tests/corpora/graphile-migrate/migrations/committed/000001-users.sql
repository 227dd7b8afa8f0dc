--! Previous: -
--! Hash: sha1:895571a3d4f6427b6b65eb9c2a2b4698cd5ac775
--! Message: users

CREATE TABLE users (
    id   int PRIMARY KEY,
    name text NOT NULL DEFAULT '100 % cotton; and more',
    note text -- a semicolon; in a comment
);
INSERT INTO users (id, name) VALUES (1, 'rosa'), (2, 'it''s %s and %(x)s');
