--! Previous: sha1:ebe2a618dde7ad12c12afd546f2980b50820cca1
--! Hash: sha1:24936b26d2fe2cfc4db10bb86d177fa83428cee7
--! Message: copy

CREATE TABLE places (id int, name text);
COPY places (id, name) FROM stdin;
1	Lisboa; -- not a comment
2	100 %
3	\N
\.
INSERT INTO places VALUES (4, 'after the copy');
