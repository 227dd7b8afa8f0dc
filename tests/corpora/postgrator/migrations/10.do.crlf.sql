CREATE TABLE crlf (
    id int,
    body text DEFAULT 'two
lines'
);
