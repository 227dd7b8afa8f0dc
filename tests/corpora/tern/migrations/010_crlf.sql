CREATE TABLE crlf (
    id int,
    body text DEFAULT 'two
lines'
);

---- create above / drop below ----
DROP TABLE crlf;
