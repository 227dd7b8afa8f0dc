-- depends: 0009.only_comments
CREATE TABLE crlf (
    id int,
    body text DEFAULT 'two
lines'
);
