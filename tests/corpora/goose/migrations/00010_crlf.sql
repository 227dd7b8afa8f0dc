-- +goose Up
CREATE TABLE crlf (
    id int,
    body text DEFAULT 'two
lines'
);

-- +goose Down
DROP TABLE crlf;
