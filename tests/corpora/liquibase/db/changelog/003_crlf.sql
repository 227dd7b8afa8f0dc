--liquibase formatted sql

--changeset rosa:crlf labels:main context:all
CREATE TABLE crlf (
    id int,
    body text DEFAULT 'two
lines'
);

--rollback DROP TABLE crlf;
