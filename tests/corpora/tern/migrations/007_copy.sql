CREATE TABLE places (id int, name text);
COPY places (id, name) FROM stdin;
1	Lisboa; -- not a comment
2	100 %
3	\N
\.
INSERT INTO places VALUES (4, 'after the copy');

---- create above / drop below ----
DROP TABLE places;
