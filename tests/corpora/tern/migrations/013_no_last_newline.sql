CREATE TABLE unended (id int); INSERT INTO unended VALUES (7)
-- and a comment as the last line
---- create above / drop below ----
DROP TABLE unended;
