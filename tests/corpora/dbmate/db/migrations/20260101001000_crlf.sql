-- migrate:up
CREATE TABLE crlf (
    id int,
    body text DEFAULT 'two
lines'
);

-- migrate:down
DROP TABLE crlf;
